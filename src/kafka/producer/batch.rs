//! Many messages sent as one, and what became of them: one shared object instead of one for each message.
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

pub struct Batch {
    pub topic: TopicId,
    pub(super) number: u32,
    taken: AtomicUsize,
    /// Nothing more will be sent with it.
    sealed: AtomicBool,
    outcomes: Mutex<Outcomes>,
}

#[derive(Default)]
struct Outcomes {
    known: usize,
    places: Vec<Delivered>,
    failures: Vec<Failure>,
    /// Failures that were counted only, since there was no more room for them.
    unkept: usize,
    /// So many of both somebody has learned of; `flush` raises the others.
    seen: usize,
    unkept_seen: usize,
}

/// How the next `flush` learns of a failure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The batch has others that nobody has seen: it is known.
    Before,
    /// By looking at the batch from now on.
    First,
    /// Not from the batch, which would have to be kept for it.
    Apart,
}

/// Failures, and how many there are besides.
pub type Kept = (Vec<Failure>, usize);

impl Batch {
    pub fn len(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    pub fn done(&self) -> bool {
        self.sealed.load(Ordering::Acquire) && self.lock().known == self.len()
    }

    /// The failures so far, which count as seen from now on.
    pub fn failures(&self) -> Kept {
        let mut outcomes = self.lock();
        (outcomes.seen, outcomes.unkept_seen) = (outcomes.failures.len(), outcomes.unkept);
        (outcomes.failures.clone(), outcomes.unkept)
    }

    /// Where the messages lie, in the order they were sent; for a batch that is done and without failures.
    /// A copy: whoever makes Python objects of them may not hold the lock meanwhile.
    pub fn places(&self) -> Vec<Delivered> {
        self.lock().places.clone()
    }

    pub fn failed(&self) -> usize {
        let outcomes = self.lock();
        outcomes.failures.len() + outcomes.unkept
    }

    pub(super) fn has_unseen(&self) -> bool {
        self.lock().has_unseen()
    }

    /// How many bytes the failures take that nobody has learned of.
    pub(super) fn unseen_bytes(&self) -> usize {
        let outcomes = self.lock();
        outcomes.failures.iter().skip(outcomes.seen).map(Failure::size).sum()
    }

    pub(super) fn take_unseen(&self) -> Kept {
        let mut outcomes = self.lock();
        let unseen = outcomes.failures.get(outcomes.seen..).map(<[Failure]>::to_vec).unwrap_or_default();
        let more = outcomes.unkept - outcomes.unkept_seen;
        (outcomes.seen, outcomes.unkept_seen) = (outcomes.failures.len(), outcomes.unkept);
        (unseen, more)
    }

    pub(super) fn take(&self, count: usize) {
        self.taken.fetch_add(count, Ordering::AcqRel);
    }

    /// Whether it is done with that.
    pub(super) fn seal(&self) -> bool {
        self.sealed.store(true, Ordering::Release);
        self.done()
    }

    pub(super) fn delivered(&self, run: &[(u32, Delivered)]) {
        let mut outcomes = self.lock();
        outcomes.known += run.len();
        for (index, at) in run {
            *outcomes.place(*index) = *at;
        }
    }

    /// Fails a message. Without `room` the failure is only counted, unless it is the first, which the batch's own error shows.
    pub(super) fn fail(&self, index: u32, failure: Failure, room: bool) -> Told {
        let mut outcomes = self.lock();
        outcomes.known += 1;
        outcomes.place(index);
        let told = match (outcomes.has_unseen(), room) {
            (true, _) => Told::Before,
            (false, true) => Told::First,
            (false, false) => Told::Apart,
        };
        let apart = usize::from(told == Told::Apart);
        if room || outcomes.failures.is_empty() {
            outcomes.failures.push(failure);
            outcomes.seen += apart;
        } else {
            outcomes.unkept += 1;
            outcomes.unkept_seen += apart;
        }
        told
    }

    fn lock(&self) -> MutexGuard<'_, Outcomes> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outcomes {
    fn has_unseen(&self) -> bool {
        self.failures.len() > self.seen || self.unkept > self.unkept_seen
    }

    fn place(&mut self, index: u32) -> &mut Delivered {
        let index = index as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, Delivered { partition: -1, offset: -1, timestamp_ms: -1 });
        }
        &mut self.places[index]
    }
}

/// The batches with messages under way, by number.
#[derive(Default)]
pub(super) struct Batches {
    open: Mutex<(u32, HashMap<u32, Arc<Batch>>)>,
}

impl Batches {
    pub fn start(&self, topic: TopicId) -> Arc<Batch> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        while open.1.contains_key(&open.0) {
            open.0 = (open.0 + 1) % NUMBERS;
        }
        let number = open.0;
        let batch = Arc::new(Batch {
            topic,
            number,
            taken: AtomicUsize::new(0),
            sealed: AtomicBool::new(false),
            outcomes: Mutex::default(),
        });
        open.1.insert(number, batch.clone());
        open.0 = (number + 1) % NUMBERS;
        batch
    }

    pub fn find(&self, number: u32) -> Option<Arc<Batch>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).1.get(&number).cloned()
    }

    pub fn forget(&self, batch: &Batch) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&batch.number);
    }
}
