//! What became of one message: a few atomics that the report thread writes and anybody reads.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::code::Code;
use super::error::Error;
use super::wait::{check, Deadline, Interrupt, TICK};

#[derive(Clone, Debug)]
pub struct Failure {
    pub topic: String,
    pub partition: i32,
    pub key: Option<Box<[u8]>>,
    pub value: Option<Box<[u8]>>,
    pub code: Code,
    pub message: String,
}

/// Where a message lies now.
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

/// The fate of one message. `C` is what the caller wants called when it is known.
pub struct Report<C> {
    pub topic: Arc<str>,
    state: AtomicU8,
    /// Somebody learned of the failure, so `flush` need not raise it.
    seen: AtomicBool,
    partition: AtomicI32,
    offset: AtomicI64,
    timestamp_ms: AtomicI64,
    failure: OnceLock<Box<Failure>>,
    callbacks: Mutex<Vec<C>>,
}

impl<C> Report<C> {
    pub fn new(topic: Arc<str>, callback: Option<C>) -> Self {
        Report {
            topic,
            state: AtomicU8::new(PENDING),
            seen: AtomicBool::new(callback.is_some()),
            partition: AtomicI32::new(-1),
            offset: AtomicI64::new(-1),
            timestamp_ms: AtomicI64::new(-1),
            failure: OnceLock::new(),
            callbacks: Mutex::new(callback.into_iter().collect()),
        }
    }

    pub fn completion(&self) -> Option<Completion<'_>> {
        match self.state.load(Ordering::Acquire) {
            DELIVERED => Some(Ok(Delivered {
                partition: self.partition.load(Ordering::Relaxed),
                offset: self.offset.load(Ordering::Relaxed),
                timestamp_ms: self.timestamp_ms.load(Ordering::Relaxed),
            })),
            FAILED => self.failure.get().map(|failure| Err(&**failure)),
            _ => None,
        }
    }

    /// Marks the outcome as known to the user.
    pub fn see(&self) {
        self.seen.store(true, Ordering::Relaxed);
    }

    pub fn seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }

    /// Has `callback` called on completion, or gives it back if that was already.
    pub fn when_done(&self, callback: C) -> Result<(), C> {
        let mut callbacks = self.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.state.load(Ordering::Acquire) != PENDING {
            return Err(callback);
        }
        callbacks.push(callback);
        Ok(())
    }

    /// The callback of a message that was not taken after all.
    pub(super) fn take_callback(&self) -> Option<C> {
        self.callbacks.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    pub(super) fn delivered(&self, at: Delivered) -> Vec<C> {
        self.partition.store(at.partition, Ordering::Relaxed);
        self.offset.store(at.offset, Ordering::Relaxed);
        self.timestamp_ms.store(at.timestamp_ms, Ordering::Relaxed);
        self.complete(DELIVERED)
    }

    pub(super) fn failed(&self, failure: Failure) -> Vec<C> {
        let _ = self.failure.set(Box::new(failure));
        self.complete(FAILED)
    }

    fn complete(&self, state: u8) -> Vec<C> {
        let mut callbacks = self.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
        self.state.store(state, Ordering::Release);
        std::mem::take(&mut *callbacks)
    }
}

/// Wakes those who wait for reports: once per batch, and only if anybody waits.
#[derive(Default)]
pub struct Progress {
    waiting: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Progress {
    pub fn announce(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.changed.notify_all();
        }
    }

    /// Waits until `done`, true, or the deadline, false.
    pub fn wait(&self, deadline: Deadline, interrupt: Interrupt<'_>, done: impl Fn() -> bool) -> Result<bool, Error> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let result = self.wait_counted(deadline, interrupt, done);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        result
    }

    fn wait_counted(
        &self,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
        done: impl Fn() -> bool,
    ) -> Result<bool, Error> {
        loop {
            {
                let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
                if done() {
                    return Ok(true);
                }
                let step = deadline.step(TICK).max(Duration::from_micros(100));
                drop(self.changed.wait_timeout(guard, step).unwrap_or_else(PoisonError::into_inner));
            }
            if done() {
                return Ok(true);
            }
            if deadline.passed() {
                return Ok(false);
            }
            check(interrupt)?;
        }
    }
}
