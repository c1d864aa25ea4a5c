//! Failed messages that the program has not seen yet: kept, within bounds, for the next `flush` or `close` to raise.

use std::sync::{Arc, Mutex, PoisonError};

use super::delivery::DeliveryState;
use super::delivery_batch::{BatchState, Listing};
use crate::kafka::client::error::{Error, Failure};

/// How many failed messages are kept with their content for the next `flush` to raise; more are only counted.
const FAILURES_KEPT: usize = 10_000;
/// How many bytes of them are kept, in batches and outside. Without a bound 600,000 messages of 2 KB took 1.6 GiB.
const FAILED_BYTES_KEPT: usize = 64 << 20;

/// Failures that the program may not have seen yet.
pub(super) struct Failures<C>(Mutex<UnseenFailures<C>>);

struct UnseenFailures<C> {
    single: Vec<Arc<DeliveryState<C>>>,
    batches: Vec<Arc<BatchState>>,
    not_kept: usize,
    /// Of all that is kept; an upper bound, since the program may have seen some.
    bytes: usize,
    /// There was no space for one more, even without those that the program has seen.
    full: bool,
}

impl<C> Failures<C> {
    pub fn keep(&self, delivery: &Arc<DeliveryState<C>>) {
        if delivery.seen() {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.single.len() >= FAILURES_KEPT {
            kept.single.retain(|delivery| !delivery.seen());
        }
        let space = kept.single.len() < FAILURES_KEPT && kept.reserve(size(delivery));
        if space || kept.single.is_empty() {
            kept.single.push(delivery.clone());
        } else {
            kept.not_kept += 1;
        }
    }

    /// Fails one message of a batch, and lists the batch for the next `raise`.
    pub fn fail(&self, batch: &Arc<BatchState>, index: u32, failure: Failure) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let none = kept.single.is_empty() && kept.batches.is_empty();
        let space = kept.reserve(failure.size()) || none;
        match batch.fail(index, failure, space) {
            Listing::Already => {}
            Listing::Now => {
                let batches = &mut kept.batches;
                if batches.len() == batches.capacity() {
                    // Before the list grows: batches without unseen failures need not be kept.
                    batches.retain(|batch| batch.has_unseen());
                }
                batches.push(batch.clone());
            }
            Listing::CountOnly => kept.not_kept += 1,
        }
    }

    pub fn forget(&self) {
        drop(self.take());
    }

    /// Raises, once, the failures that the program has not seen.
    pub fn raise(&self) -> Result<(), Error> {
        let UnseenFailures { single, batches, mut not_kept, .. } = self.take();
        let single = single.into_iter().filter(|delivery| !delivery.seen()).filter_map(|delivery| {
            delivery.see();
            delivery.completion()?.err().cloned()
        });
        let mut unseen: Vec<Failure> = single.collect();
        for batch in batches {
            let (failures, more) = batch.take_unseen();
            unseen.extend(failures);
            not_kept += more;
        }
        let Some(first) = unseen.first() else { return Ok(()) };
        Err(Error::Delivery { message: summary(first, unseen.len(), not_kept), failures: unseen })
    }

    fn take(&self) -> UnseenFailures<C> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<C> UnseenFailures<C> {
    /// Takes space for one more, if there is some.
    fn reserve(&mut self, more: usize) -> bool {
        if self.bytes + more > FAILED_BYTES_KEPT && !self.full {
            self.single.retain(|delivery| !delivery.seen());
            self.batches.retain(|batch| batch.has_unseen());
            self.bytes = self.single.iter().map(size).sum::<usize>()
                + self.batches.iter().map(|batch| batch.unseen_bytes()).sum::<usize>();
            self.full = self.bytes + more > FAILED_BYTES_KEPT;
        }
        if self.full {
            return false;
        }
        self.bytes += more;
        true
    }
}

fn size<C>(delivery: &Arc<DeliveryState<C>>) -> usize {
    delivery.completion().map_or(0, |end| end.err().map_or(0, Failure::size))
}

// Not derived: that would require `C: Default`.
impl<C> Default for Failures<C> {
    fn default() -> Self {
        Failures(Mutex::default())
    }
}

impl<C> Default for UnseenFailures<C> {
    fn default() -> Self {
        UnseenFailures { single: Vec::new(), batches: Vec::new(), not_kept: 0, bytes: 0, full: false }
    }
}

/// The message of a delivery error with `kept` failures, and `more` that were only counted.
pub(super) fn summary(first: &Failure, kept: usize, more: usize) -> String {
    if kept + more == 1 {
        return first.message.clone();
    }
    let limit = if more > 0 { format!(", of which the first {kept} are kept") } else { String::new() };
    format!("{} messages were not delivered{limit}. The first: {}", kept + more, first.message)
}
