//! Failed messages that nobody has looked at yet: kept, within bounds, for the next `flush` or `close` to raise.

use std::sync::{Arc, Mutex, PoisonError};

use super::batch::{Batch, Told};
use super::delivery::DeliveryState;
use crate::kafka::client::error::Error;
use crate::kafka::client::error::Failure;

/// How many failed messages are kept, content and all, for the next `flush` to raise; more are only counted.
const FAILURES_KEPT: usize = 10_000;
/// Nor are more bytes of them kept, in batches and outside: 600,000 messages of 2 KB took 1.6 GiB.
const FAILED_BYTES_KEPT: usize = 64 << 20;

/// Failures that nobody may have looked at yet.
pub(super) struct Failures<C>(Mutex<Kept<C>>);

struct Kept<C> {
    single: Vec<Arc<DeliveryState<C>>>,
    batches: Vec<Arc<Batch>>,
    uncounted: usize,
    /// Of all that is kept; an upper bound, since somebody may have learned of some.
    bytes: usize,
    /// There was no room for one more, even without those that somebody has learned of.
    full: bool,
}

impl<C> Failures<C> {
    pub fn keep(&self, report: &Arc<DeliveryState<C>>) {
        if report.seen() {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.single.len() >= FAILURES_KEPT {
            kept.single.retain(|report| !report.seen());
        }
        let room = kept.single.len() < FAILURES_KEPT && kept.make_room(size(report));
        if room || kept.single.is_empty() {
            kept.single.push(report.clone());
        } else {
            kept.uncounted += 1;
        }
    }

    /// Fails one message of a batch, and has the next `raise` look there.
    pub fn fail(&self, batch: &Arc<Batch>, index: u32, failure: Failure) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let none = kept.single.is_empty() && kept.batches.is_empty();
        let room = kept.make_room(failure.size()) || none;
        match batch.fail(index, failure, room) {
            Told::Before => {}
            Told::First => {
                let batches = &mut kept.batches;
                if batches.len() == batches.capacity() {
                    // Before the list grows: what somebody has looked at need not be kept.
                    batches.retain(|batch| batch.has_unseen());
                }
                batches.push(batch.clone());
            }
            Told::Apart => kept.uncounted += 1,
        }
    }

    pub fn forget(&self) {
        drop(self.take());
    }

    /// Raises what failed and nobody has seen, once.
    pub fn raise(&self) -> Result<(), Error> {
        let Kept { single, batches, mut uncounted, .. } = self.take();
        let single = single.into_iter().filter(|report| !report.seen()).filter_map(|report| {
            report.see();
            report.completion()?.err().cloned()
        });
        let mut unseen: Vec<Failure> = single.collect();
        for batch in batches {
            let (failures, more) = batch.take_unseen();
            unseen.extend(failures);
            uncounted += more;
        }
        let Some(first) = unseen.first() else { return Ok(()) };
        Err(Error::Delivery { message: summary(first, unseen.len(), uncounted), failures: unseen })
    }

    fn take(&self) -> Kept<C> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<C> Kept<C> {
    /// Takes room for one more, if there is some.
    fn make_room(&mut self, more: usize) -> bool {
        if self.bytes + more > FAILED_BYTES_KEPT && !self.full {
            self.single.retain(|report| !report.seen());
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

fn size<C>(report: &Arc<DeliveryState<C>>) -> usize {
    report.completion().map_or(0, |end| end.err().map_or(0, Failure::size))
}

// Not derived: that would ask for a C with a default.
impl<C> Default for Failures<C> {
    fn default() -> Self {
        Failures(Mutex::default())
    }
}

impl<C> Default for Kept<C> {
    fn default() -> Self {
        Kept { single: Vec::new(), batches: Vec::new(), uncounted: 0, bytes: 0, full: false }
    }
}

/// The message of a delivery error: `kept` failures that go with it and `more` that were only counted.
pub(super) fn summary(first: &Failure, kept: usize, more: usize) -> String {
    if kept + more == 1 {
        return first.message.clone();
    }
    let limit = if more > 0 { format!(", of which the first {kept} are kept") } else { String::new() };
    format!("{} messages were not delivered{limit}. The first: {}", kept + more, first.message)
}
