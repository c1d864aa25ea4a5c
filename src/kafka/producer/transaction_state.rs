//! What is known of a producer's open transaction besides librdkafka's own state: since when it is open, and why it failed.
//!
//! A broker that ends a transaction for its age and another producer that takes the id over look the same to librdkafka
//! (`INVALID_PRODUCER_EPOCH`, KIP-588 is not in 2.12), and it refuses a send in a failed transaction as one without any.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(super) struct TransactionState {
    /// `transaction.timeout.ms`
    timeout: Duration,
    open: Mutex<Option<Open>>,
}

struct Open {
    since: Instant,
    /// The first message that was not delivered.
    failure: Option<String>,
    /// A broker refused a message, and misses its sequence number.
    refused: bool,
    aborting: bool,
    /// How long it had been open when the producer was told that its epoch is old.
    outdated_after: Option<Duration>,
}

impl TransactionState {
    pub fn new(timeout: Duration) -> Self {
        TransactionState { timeout, open: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn begun(&self) {
        *self.open() =
            Some(Open { since: Instant::now(), failure: None, refused: false, aborting: false, outdated_after: None });
    }

    pub fn ended(&self) {
        *self.open() = None;
    }

    pub fn is_open(&self) -> bool {
        self.open().is_some()
    }

    /// Takes note of the first message or call that failed.
    pub fn failed(&self, message: &str, refused: bool) {
        if let Some(open) = &mut *self.open() {
            open.failure.get_or_insert_with(|| message.to_owned());
            open.refused |= refused;
        }
    }

    /// To be asked when an abort begins: why the producer needs a new epoch after it, if it does.
    pub fn needs_epoch(&self) -> Option<String> {
        let mut open = self.open();
        let open = open.as_mut()?;
        let first = !std::mem::replace(&mut open.aborting, true);
        open.failure.clone().filter(|_| first && open.refused)
    }

    /// The producer was told that its epoch is old. Returns what happened, where that was not another producer.
    pub fn outdated(&self) -> Option<String> {
        if let Some(open) = &mut *self.open() {
            open.outdated_after.get_or_insert(open.since.elapsed());
        }
        self.timed_out()
    }

    pub fn failure(&self) -> Option<String> {
        self.open().as_ref().and_then(|open| open.failure.clone())
    }

    /// What happened, where the broker has ended the transaction because of its age.
    pub fn timed_out(&self) -> Option<String> {
        let after = self.open().as_ref().and_then(|open| open.outdated_after).filter(|after| *after >= self.timeout)?;
        Some(format!(
            "The transaction was open for {:.1} s, longer than transaction_timeout_ms={}, so the broker has ended it, and none of \
             its messages will be seen. Make a new producer, and shorter transactions or a longer timeout",
            after.as_secs_f64(),
            self.timeout.as_millis()
        ))
    }
}
