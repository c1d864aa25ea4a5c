//! What kjson knows of a producer's open transaction besides librdkafka's own state: since when it is open, why it
//! failed.
//!
//! librdkafka reports a transaction that a broker timed out like a takeover of the id by another producer
//! (`INVALID_PRODUCER_EPOCH`; KIP-588 is not in 2.12), and a send in a failed transaction like one outside of any.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(super) struct TransactionState {
    /// `transaction.timeout.ms`
    timeout: Duration,
    open: Mutex<Option<OpenTransaction>>,
}

struct OpenTransaction {
    since: Instant,
    /// The first message that was not delivered.
    failure: Option<String>,
    /// A broker refused a message, so it misses its sequence number.
    refused: bool,
    aborting: bool,
    /// How long it had been open when a broker reported that the producer's epoch is old.
    outdated_after: Option<Duration>,
}

impl TransactionState {
    pub fn new(timeout: Duration) -> Self {
        TransactionState { timeout, open: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, Option<OpenTransaction>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn begun(&self) {
        let since = Instant::now();
        *self.open() =
            Some(OpenTransaction { since, failure: None, refused: false, aborting: false, outdated_after: None });
    }

    pub fn ended(&self) {
        *self.open() = None;
    }

    pub fn is_open(&self) -> bool {
        self.open().is_some()
    }

    /// Records the first message or call that failed.
    pub fn failed(&self, message: &str, refused: bool) {
        if let Some(open) = &mut *self.open() {
            open.failure.get_or_insert_with(|| message.to_owned());
            open.refused |= refused;
        }
    }

    /// Called when an abort begins: why the producer needs a new epoch after it, if it does.
    pub fn needs_epoch(&self) -> Option<String> {
        let mut open = self.open();
        let open = open.as_mut()?;
        let first = !std::mem::replace(&mut open.aborting, true);
        open.failure.clone().filter(|_| first && open.refused)
    }

    /// A broker reported that the producer's epoch is old. Returns why, unless another producer took over.
    pub fn outdated(&self) -> Option<String> {
        if let Some(open) = &mut *self.open() {
            open.outdated_after.get_or_insert(open.since.elapsed());
        }
        self.timed_out()
    }

    pub fn failure(&self) -> Option<String> {
        self.open().as_ref().and_then(|open| open.failure.clone())
    }

    /// The error text of a transaction that the broker has timed out.
    pub fn timed_out(&self) -> Option<String> {
        let after = self.open().as_ref().and_then(|open| open.outdated_after).filter(|after| *after >= self.timeout)?;
        Some(format!(
            "The transaction was open for {:.1} s, longer than transaction_timeout_ms={}, so the broker has aborted \
             it. Make a new producer, and shorter transactions or a longer timeout",
            after.as_secs_f64(),
            self.timeout.as_millis()
        ))
    }
}
