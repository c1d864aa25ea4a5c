//! What `send_many` has encoded and not handed to librdkafka yet, so that one call takes many messages.
//!
//! A source that makes `send_many` wait must not keep those messages back. They are reachable from other threads for that: one
//! of the producer's own, see `idle_flush`, hands them over within two milliseconds; whoever flushes, closes or ends a transaction
//! does it at once, and so does a send that the source makes itself, whose message comes after them. To hand each message over
//! before the source is asked for the next one needs no thread, and was measured: 0.13 us more for each, of 0.34.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::ThreadId;

use super::batch::Batch;
use super::reports::Shared;
use super::{Open, ProducerHooks};
use crate::kafka::client::error::Error;
use crate::librdkafka::chunk::{Chunk, MessageParts};
use crate::librdkafka::record::Header;
use crate::os::fork::forks;

/// The messages of one `send_many`, in the order of its values.
pub struct Accumulator {
    pub batch: Arc<Batch>,
    pub(super) partition: i32,
    pub(super) headers: Vec<Header>,
    /// The thread that asks the source for values: what it sends by other ways comes after what is here.
    pub(super) thread: ThreadId,
    content: Mutex<Content>,
}

#[derive(Default)]
pub(super) struct Content {
    chunk: Chunk,
    /// So many messages of the chunk are handed over.
    from: usize,
    /// How often `send_many` itself has handed everything over, and the same when the watcher last came by. As long as it grows,
    /// the source is quick and needs no help.
    pub(super) turns: u64,
    pub(super) turns_seen: u64,
    /// No thread was to be had for a watcher, so each message is handed over at once.
    unwatched: bool,
    /// Why another thread could not hand it over: for `send_many` to raise.
    pub(super) refused: Option<Error>,
}

impl Content {
    /// How many messages it holds that may still be handed over.
    pub(super) fn left(&self) -> usize {
        if self.refused.is_some() {
            return 0;
        }
        self.chunk.len() - self.from
    }

    fn clear(&mut self) {
        self.chunk.clear();
        self.from = 0;
    }
}

impl Accumulator {
    pub(super) fn new(batch: Arc<Batch>, partition: i32, headers: Vec<Header>) -> Self {
        let thread = std::thread::current().id();
        Accumulator { batch, partition, headers, thread, content: Mutex::default() }
    }

    /// Adds a message. Returns whether it is time to hand over; None, and nothing is added, while another thread does that.
    pub(super) fn add(&self, bytes: &[u8], parts: MessageParts) -> Option<bool> {
        let mut content = match self.content.try_lock() {
            Ok(content) => content,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        content.chunk.push_copy(bytes, parts);
        Some(content.chunk.is_full() || content.refused.is_some() || content.unwatched)
    }

    /// Exchanges an empty chunk for one to be handed over; for a source that nobody else hands over for.
    pub fn put(&self, chunk: &mut Chunk) {
        std::mem::swap(&mut self.lock().chunk, chunk);
    }

    /// Waits until no other thread hands it over.
    pub fn wait_until_free(&self) {
        drop(self.lock());
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The accumulators of a producer whose sources may make it wait.
pub(super) struct Accumulators {
    forks: u32,
    pub(super) count: AtomicUsize,
    listed: Mutex<Listed>,
    /// The watcher waits until something is accumulated.
    pub(super) asleep: AtomicBool,
    pub(super) woken: Condvar,
}

#[derive(Default)]
pub(super) struct Listed {
    /// In the order in which they began: a later one of the same thread is inside the source of an earlier one.
    pub(super) open: Vec<Arc<Accumulator>>,
    /// The watcher runs.
    watched: bool,
    pub(super) ended: bool,
}

impl Default for Accumulators {
    fn default() -> Self {
        Accumulators {
            forks: forks(),
            count: AtomicUsize::new(0),
            listed: Mutex::default(),
            asleep: AtomicBool::new(false),
            woken: Condvar::new(),
        }
    }
}

impl Accumulators {
    /// Has it looked after by the watcher, which `start` starts for the first one.
    pub fn list(&self, new: &Arc<Accumulator>, start: impl FnOnce() -> bool) {
        let mut listed = self.lock();
        listed.watched = listed.watched || start();
        new.lock().unwatched = !listed.watched;
        listed.open.push(new.clone());
        self.count.store(listed.open.len(), Ordering::SeqCst);
    }

    pub fn forget(&self, old: &Arc<Accumulator>) {
        let mut listed = self.lock();
        listed.open.retain(|one| !Arc::ptr_eq(one, old));
        self.count.store(listed.open.len(), Ordering::SeqCst);
    }

    /// Tells a sleeping watcher that something is accumulated.
    pub fn wake(&self) {
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            let _listed = self.lock();
            self.woken.notify_all();
        }
    }

    /// Ends the watcher.
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

    /// In a forked child, too: there a lock may never be free.
    fn none(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0 || self.forks != forks()
    }

    fn all(&self) -> Vec<Arc<Accumulator>> {
        self.lock().open.clone()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Listed> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H: ProducerHooks> Shared<H> {
    /// Hands over what there is room for and returns how many messages are left. For its own `send_many`; an error concerns the
    /// producer, and what is left is given up with it.
    pub fn hand_over_own(&self, open: &Open<H>, one: &Arc<Accumulator>) -> Result<usize, Error> {
        let first = self.earlier_handed_over(open, Some(one));
        let mut content = one.lock();
        let result = match content.refused.take() {
            Some(error) => Err(error),
            None if first => self.hand_over(open, one, &mut content),
            None => Ok(content.left()),
        };
        content.turns += 1;
        if result.is_err() {
            content.clear();
        }
        result
    }

    /// For everybody else. Returns whether nothing is left that could be handed over.
    fn hand_over_for(&self, open: &Open<H>, one: &Accumulator) -> bool {
        let mut content = one.lock();
        if content.refused.is_some() {
            return true;
        }
        match self.hand_over(open, one, &mut content) {
            Ok(left) => left == 0,
            Err(error) => {
                content.refused = Some(error);
                true
            }
        }
    }

    fn hand_over(&self, open: &Open<H>, one: &Accumulator, content: &mut Content) -> Result<usize, Error> {
        if content.chunk.is_empty() {
            return Ok(0);
        }
        let (done, stopped) = self.produce_sheaf(open, one, &content.chunk, content.from);
        content.from += done;
        if let Some(error) = stopped {
            return Err(error);
        }
        let left = content.left();
        if left == 0 {
            content.clear();
        }
        Ok(left)
    }

    /// Hands over all that is accumulated. Returns whether nothing is left: what is left found no room.
    pub fn hand_over_all(&self, open: &Open<H>) -> bool {
        self.accumulators.none() || self.in_order(open, &self.accumulators.all())
    }

    /// The same for what this thread gave before: up to `until`, or all.
    pub fn earlier_handed_over(&self, open: &Open<H>, until: Option<&Arc<Accumulator>>) -> bool {
        if self.accumulators.none() {
            return true;
        }
        let thread = std::thread::current().id();
        let listed = self.accumulators.all();
        let earlier = listed.into_iter().take_while(|one| until.is_none_or(|until| !Arc::ptr_eq(one, until)));
        let earlier: Vec<_> = earlier.filter(|one| one.thread == thread).collect();
        self.in_order(open, &earlier)
    }

    pub(super) fn in_order(&self, open: &Open<H>, listed: &[Arc<Accumulator>]) -> bool {
        let mut full = Vec::new();
        for one in listed {
            if full.contains(&one.thread) || !self.hand_over_for(open, one) {
                full.push(one.thread);
            }
        }
        full.is_empty()
    }
}
