//! The delivery state of one message: a few atomics that the report thread writes and any thread reads.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::kafka::client::error::Failure;

/// Where a message is stored.
#[derive(Clone, Copy, Debug)]
pub struct Delivered {
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: i64,
}

pub type Completion<'a> = Result<Delivered, &'a Failure>;

const PENDING: u8 = 0;
const DELIVERED: u8 = 1;
const FAILED: u8 = 2;
const OUTCOME: u8 = DELIVERED | FAILED;
/// Set beside the outcome while there are callbacks, so that a report without any takes no lock.
const CALLED_BACK: u8 = 4;

/// A topic of one producer; `Producer::topic_name` has the name. A number, because the sending and the reporting thread
/// would contend for the count of a shared reference with every message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicId(pub(super) u32);

/// Whether one message is in flight, delivered or failed. `C` is called when it is known.
pub struct DeliveryState<C> {
    pub topic: TopicId,
    state: AtomicU8,
    /// The program has learned of a failure, so `flush` does not raise it.
    seen: AtomicBool,
    partition: AtomicI32,
    offset: AtomicI64,
    timestamp_ms: AtomicI64,
    failure: OnceLock<Box<Failure>>,
    callbacks: Mutex<Callbacks<C>>,
}

/// What a completion calls: nearly always none or one, for which no list is allocated.
pub enum Callbacks<C> {
    None,
    One(C),
    Many(Vec<C>),
}

impl<C> Callbacks<C> {
    fn push(&mut self, callback: C) {
        *self = match std::mem::replace(self, Callbacks::None) {
            Callbacks::None => Callbacks::One(callback),
            Callbacks::One(first) => Callbacks::Many(vec![first, callback]),
            Callbacks::Many(mut list) => {
                list.push(callback);
                Callbacks::Many(list)
            }
        };
    }

    fn pop(&mut self) -> Option<C> {
        match std::mem::replace(self, Callbacks::None) {
            Callbacks::None => None,
            Callbacks::One(callback) => Some(callback),
            Callbacks::Many(mut list) => {
                let last = list.pop();
                *self = Callbacks::Many(list);
                last
            }
        }
    }

    pub fn as_slice(&self) -> &[C] {
        match self {
            Callbacks::None => &[],
            Callbacks::One(callback) => std::slice::from_ref(callback),
            Callbacks::Many(list) => list,
        }
    }
}

impl<C> DeliveryState<C> {
    pub fn new(topic: TopicId, callback: Option<C>) -> Self {
        DeliveryState {
            topic,
            state: AtomicU8::new(if callback.is_some() { CALLED_BACK } else { PENDING }),
            seen: AtomicBool::new(callback.is_some()),
            partition: AtomicI32::new(-1),
            offset: AtomicI64::new(-1),
            timestamp_ms: AtomicI64::new(-1),
            failure: OnceLock::new(),
            callbacks: Mutex::new(callback.map_or(Callbacks::None, Callbacks::One)),
        }
    }

    pub fn completion(&self) -> Option<Completion<'_>> {
        match self.state.load(Ordering::Acquire) & OUTCOME {
            DELIVERED => Some(Ok(Delivered {
                partition: self.partition.load(Ordering::Relaxed),
                offset: self.offset.load(Ordering::Relaxed),
                timestamp_ms: self.timestamp_ms.load(Ordering::Relaxed),
            })),
            FAILED => self.failure.get().map(|failure| Err(&**failure)),
            _ => None,
        }
    }

    /// Marks the outcome as seen by the program.
    pub fn see(&self) {
        self.seen.store(true, Ordering::Relaxed);
    }

    pub fn seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }

    /// Registers `callback` for the completion, or returns it if the message is complete.
    pub fn when_done(&self, callback: C) -> Result<(), C> {
        let mut callbacks = self.lock();
        if self.state.load(Ordering::Acquire) & OUTCOME != PENDING {
            return Err(callback);
        }
        callbacks.push(callback);
        // A completion in between saw the flag and waits for the lock, or came before the flag and calls nothing.
        if self.state.fetch_or(CALLED_BACK, Ordering::AcqRel) & OUTCOME != PENDING {
            return callbacks.pop().map_or(Ok(()), Err);
        }
        Ok(())
    }

    /// The callback of a message that was not enqueued after all.
    pub(super) fn take_callback(&self) -> Option<C> {
        self.lock().pop()
    }

    /// What `pick` returns for the callbacks that are still to be called.
    pub fn pending_callbacks<T>(&self, pick: impl FnMut(&C) -> Option<T>) -> Vec<T> {
        self.lock().as_slice().iter().filter_map(pick).collect()
    }

    /// Removes the callbacks for which `keep` is false.
    pub fn retain_callbacks(&self, mut keep: impl FnMut(&C) -> bool) {
        let mut callbacks = self.lock();
        let list = match std::mem::replace(&mut *callbacks, Callbacks::None) {
            Callbacks::None => return,
            Callbacks::One(callback) => vec![callback],
            Callbacks::Many(list) => list,
        };
        let (kept, removed) = list.into_iter().partition::<Vec<_>, _>(|callback| keep(callback));
        *callbacks = Callbacks::Many(kept);
        drop(callbacks);
        // Not under the lock: dropping a callback may run Python code.
        drop(removed);
    }

    pub(super) fn delivered(&self, at: Delivered) -> Callbacks<C> {
        self.partition.store(at.partition, Ordering::Relaxed);
        self.offset.store(at.offset, Ordering::Relaxed);
        self.timestamp_ms.store(at.timestamp_ms, Ordering::Relaxed);
        self.complete(DELIVERED)
    }

    pub(super) fn failed(&self, failure: Failure) -> Callbacks<C> {
        let _ = self.failure.set(Box::new(failure));
        self.complete(FAILED)
    }

    fn complete(&self, outcome: u8) -> Callbacks<C> {
        if self.state.fetch_or(outcome, Ordering::AcqRel) & CALLED_BACK == 0 {
            return Callbacks::None;
        }
        std::mem::replace(&mut *self.lock(), Callbacks::None)
    }

    fn lock(&self) -> MutexGuard<'_, Callbacks<C>> {
        self.callbacks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
