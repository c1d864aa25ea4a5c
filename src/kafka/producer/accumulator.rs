//! What `send_many` has encoded and not yet enqueued in librdkafka, so that one call takes many messages.
//!
//! A source that makes `send_many` wait must not delay those messages, so other threads reach them: the producer's idle
//! flusher (`idle_flush`) enqueues them within two milliseconds; a flush, a close or the end of a transaction does it
//! at once, and so does a send from inside the source, whose message comes after them. To enqueue each message before
//! asking the source for the next one needs no thread, but was measured to cost 0.13 us more for each, of 0.34.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::ThreadId;

use super::delivery_batch::BatchState;
use crate::kafka::client::error::Error;
use crate::librdkafka::chunk::{Chunk, MessageParts};
use crate::librdkafka::record::Header;
use crate::os::fork::forks;

/// The messages of one `send_many`, in the order of its values.
pub struct Accumulator {
    pub batch: Arc<BatchState>,
    pub(super) partition: i32,
    pub(super) headers: Vec<Header>,
    /// The thread that asks the source for values: its other sends come after the messages here.
    pub(super) thread: ThreadId,
    buffered: Mutex<Buffered>,
}

#[derive(Default)]
pub(super) struct Buffered {
    pub(super) chunk: Chunk,
    /// How many messages of the chunk are enqueued.
    pub(super) enqueued: usize,
    /// How often `send_many` itself has enqueued everything, and the same when the idle flusher last looked. While it
    /// grows, the source is quick and needs no help.
    pub(super) turns: u64,
    pub(super) turns_seen: u64,
    /// The idle flusher could not be started, so each message is enqueued at once.
    unwatched: bool,
    /// Why another thread could not enqueue it; `send_many` raises it.
    pub(super) refused: Option<Error>,
}

impl Buffered {
    /// How many messages can still be enqueued.
    pub(super) fn left(&self) -> usize {
        if self.refused.is_some() {
            return 0;
        }
        self.chunk.len() - self.enqueued
    }

    pub(super) fn clear(&mut self) {
        self.chunk.clear();
        self.enqueued = 0;
    }
}

impl Accumulator {
    pub(super) fn new(batch: Arc<BatchState>, partition: i32, headers: Vec<Header>) -> Self {
        let thread = std::thread::current().id();
        Accumulator { batch, partition, headers, thread, buffered: Mutex::default() }
    }

    /// Adds a message. Returns whether it is time to enqueue; None, and nothing is added, while another thread
    /// enqueues.
    pub(super) fn add(&self, bytes: &[u8], parts: MessageParts) -> Option<bool> {
        let mut buffered = match self.buffered.try_lock() {
            Ok(buffered) => buffered,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        buffered.chunk.push_copy(bytes, parts);
        Some(buffered.chunk.is_full() || buffered.refused.is_some() || buffered.unwatched)
    }

    /// Takes a full chunk for an empty one, for a source that needs no idle flusher.
    pub fn swap(&self, chunk: &mut Chunk) {
        std::mem::swap(&mut self.lock().chunk, chunk);
    }

    /// Waits until no other thread enqueues it.
    pub fn wait_until_free(&self) {
        drop(self.lock());
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Buffered> {
        self.buffered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The accumulators of a producer whose sources may make it wait.
pub(super) struct Accumulators {
    forks: u32,
    pub(super) count: AtomicUsize,
    registry: Mutex<Registry>,
    /// The idle flusher waits until something is accumulated.
    pub(super) asleep: AtomicBool,
    pub(super) woken: Condvar,
}

#[derive(Default)]
pub(super) struct Registry {
    /// In the order in which they began: a later one of the same thread is inside the source of an earlier one.
    pub(super) open: Vec<Arc<Accumulator>>,
    /// The idle flusher runs.
    watched: bool,
    pub(super) ended: bool,
}

impl Default for Accumulators {
    fn default() -> Self {
        Accumulators {
            forks: forks(),
            count: AtomicUsize::new(0),
            registry: Mutex::default(),
            asleep: AtomicBool::new(false),
            woken: Condvar::new(),
        }
    }
}

impl Accumulators {
    /// Registers it with the idle flusher, which `start` starts for the first one.
    pub fn register(&self, new: &Arc<Accumulator>, start: impl FnOnce() -> bool) {
        let mut registry = self.lock();
        registry.watched = registry.watched || start();
        new.lock().unwatched = !registry.watched;
        registry.open.push(new.clone());
        self.count.store(registry.open.len(), Ordering::SeqCst);
    }

    pub fn unregister(&self, old: &Arc<Accumulator>) {
        let mut registry = self.lock();
        registry.open.retain(|one| !Arc::ptr_eq(one, old));
        self.count.store(registry.open.len(), Ordering::SeqCst);
    }

    /// Wakes a sleeping idle flusher after a message was accumulated.
    pub fn wake(&self) {
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            let _registry = self.lock();
            self.woken.notify_all();
        }
    }

    /// Ends the idle flusher.
    pub fn end(&self) {
        self.lock().ended = true;
        self.woken.notify_all();
    }

    /// How many messages are accumulated.
    pub fn left(&self) -> usize {
        if self.none() {
            return 0;
        }
        self.all().iter().map(|one| one.lock().left()).sum()
    }

    /// Also true in a forked child, where a lock may never be released.
    pub(super) fn none(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0 || self.forks != forks()
    }

    pub(super) fn all(&self) -> Vec<Arc<Accumulator>> {
        self.lock().open.clone()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
