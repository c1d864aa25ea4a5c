//! The delivery state of the messages of one `send_many`: one object for all of them, which saves one for each.
//!
//! A message of a batch carries two numbers through librdkafka, the batch's and its own; the report thread finds the
//! batch by its number and locks it once for a run of reports. So a message costs 24 bytes and no allocation.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::delivery::{Delivered, TopicId};
use crate::kafka::client::error::Failure;

/// Batch numbers have 31 bits, message numbers 32: see `librdkafka::delivery_report::Opaque`.
const NUMBERS: u32 = 1 << 31;

pub struct BatchState {
    pub topic: TopicId,
    pub(super) number: u32,
    sent: AtomicUsize,
    /// No more messages will be added.
    sealed: AtomicBool,
    outcomes: Mutex<Outcomes>,
}

#[derive(Default)]
struct Outcomes {
    completed: usize,
    delivered: Vec<Delivered>,
    failures: Vec<Failure>,
    /// Failures that are counted only: there was no space to keep them.
    not_kept: usize,
    /// How many of both the program has seen; `flush` raises the others.
    seen: usize,
    not_kept_seen: usize,
}

/// Whether the next `flush` has to look at the batch for a failure, and so has to keep it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    /// Yes, and it is listed: it has other failures that the program has not seen.
    Already,
    /// Yes, from now on.
    Now,
    /// No: there is no space to keep it, so `flush` only counts the failure.
    CountOnly,
}

/// Failures, and how many more were only counted.
pub type BatchFailures = (Vec<Failure>, usize);

impl BatchState {
    pub fn len(&self) -> usize {
        self.sent.load(Ordering::Acquire)
    }

    pub fn done(&self) -> bool {
        self.sealed.load(Ordering::Acquire) && self.lock().completed == self.len()
    }

    /// The failures so far, which count as seen from now on.
    pub fn failures(&self) -> BatchFailures {
        let mut outcomes = self.lock();
        (outcomes.seen, outcomes.not_kept_seen) = (outcomes.failures.len(), outcomes.not_kept);
        (outcomes.failures.clone(), outcomes.not_kept)
    }

    /// Where the messages are stored, in the order they were sent; for a batch that is done and without failures. A
    /// copy, since the lock may not be held while Python objects are made.
    pub fn positions(&self) -> Vec<Delivered> {
        self.lock().delivered.clone()
    }

    pub fn failed(&self) -> usize {
        let outcomes = self.lock();
        outcomes.failures.len() + outcomes.not_kept
    }

    pub(super) fn has_unseen(&self) -> bool {
        self.lock().has_unseen()
    }

    /// How many bytes the failures take that the program has not seen.
    pub(super) fn unseen_bytes(&self) -> usize {
        let outcomes = self.lock();
        outcomes.failures.iter().skip(outcomes.seen).map(Failure::size).sum()
    }

    pub(super) fn take_unseen(&self) -> BatchFailures {
        let mut outcomes = self.lock();
        let unseen = outcomes.failures.get(outcomes.seen..).map(<[Failure]>::to_vec).unwrap_or_default();
        let more = outcomes.not_kept - outcomes.not_kept_seen;
        (outcomes.seen, outcomes.not_kept_seen) = (outcomes.failures.len(), outcomes.not_kept);
        (unseen, more)
    }

    pub(super) fn add_sent(&self, count: usize) {
        self.sent.fetch_add(count, Ordering::AcqRel);
    }

    /// Adds no more messages. Returns whether all are delivered or failed.
    pub(super) fn seal(&self) -> bool {
        self.sealed.store(true, Ordering::Release);
        self.done()
    }

    pub(super) fn delivered(&self, run: &[(u32, Delivered)]) {
        let mut outcomes = self.lock();
        outcomes.completed += run.len();
        for (index, at) in run {
            *outcomes.slot(*index) = *at;
        }
    }

    /// Fails a message. Without `space` the failure is only counted, unless it is the first, which the batch's own
    /// error shows.
    pub(super) fn fail(&self, index: u32, failure: Failure, space: bool) -> Listing {
        let mut outcomes = self.lock();
        outcomes.completed += 1;
        outcomes.slot(index);
        let listing = match (outcomes.has_unseen(), space) {
            (true, _) => Listing::Already,
            (false, true) => Listing::Now,
            (false, false) => Listing::CountOnly,
        };
        let count_only = usize::from(listing == Listing::CountOnly);
        if space || outcomes.failures.is_empty() {
            outcomes.failures.push(failure);
            outcomes.seen += count_only;
        } else {
            outcomes.not_kept += 1;
            outcomes.not_kept_seen += count_only;
        }
        listing
    }

    fn lock(&self) -> MutexGuard<'_, Outcomes> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outcomes {
    fn has_unseen(&self) -> bool {
        self.failures.len() > self.seen || self.not_kept > self.not_kept_seen
    }

    fn slot(&mut self, index: u32) -> &mut Delivered {
        let index = index as usize;
        if self.delivered.len() <= index {
            self.delivered.resize(index + 1, Delivered { partition: -1, offset: -1, timestamp_ms: -1 });
        }
        &mut self.delivered[index]
    }
}

/// The batches with messages in flight, by number.
#[derive(Default)]
pub(super) struct Batches {
    open: Mutex<(u32, HashMap<u32, Arc<BatchState>>)>,
}

impl Batches {
    pub fn start(&self, topic: TopicId) -> Arc<BatchState> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        while open.1.contains_key(&open.0) {
            open.0 = (open.0 + 1) % NUMBERS;
        }
        let number = open.0;
        let batch = Arc::new(BatchState {
            topic,
            number,
            sent: AtomicUsize::new(0),
            sealed: AtomicBool::new(false),
            outcomes: Mutex::default(),
        });
        open.1.insert(number, batch.clone());
        open.0 = (number + 1) % NUMBERS;
        batch
    }

    pub fn find(&self, number: u32) -> Option<Arc<BatchState>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).1.get(&number).cloned()
    }

    pub fn forget(&self, batch: &BatchState) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&batch.number);
    }
}
