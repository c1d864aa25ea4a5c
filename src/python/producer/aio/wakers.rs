//! Who waits for the report thread to come on: for room in the queue, or for the last message of a batch.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::kafka::Batch;
use crate::python::aio::loop_waker::batched;

#[derive(Default)]
pub struct Rounds {
    /// Lets the report thread pass by without a lock, as it does nearly always.
    waiting: AtomicUsize,
    tickets: AtomicU64,
    /// By ticket: who came first is woken first.
    for_room: Mutex<BTreeMap<u64, Waker>>,
    for_batches: Mutex<BTreeMap<u64, (Arc<Batch>, Waker)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rounds {
    /// So many messages have left the queue. Called on the report thread, without the GIL.
    pub fn moved(&self, count: usize) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        batched(|| {
            for _ in 0..count {
                if !self.wake_next() {
                    break;
                }
            }
            for (batch, waker) in lock(&self.for_batches).values() {
                if batch.done() {
                    waker.wake_by_ref();
                }
            }
        });
    }

    fn wake_next(&self) -> bool {
        let next = lock(&self.for_room).pop_first();
        next.map(|(_, waker)| waker.wake()).is_some()
    }

    fn ticket(&self) -> u64 {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }
}

/// A place in the line of those who wait for room; it is kept from one try to the next.
pub struct Place<'a> {
    rounds: &'a Rounds,
    ticket: Option<u64>,
}

impl<'a> Place<'a> {
    pub fn new(rounds: &'a Rounds) -> Self {
        Place { rounds, ticket: None }
    }

    pub fn wait(&mut self, waker: &Waker) {
        let ticket = *self.ticket.get_or_insert_with(|| self.rounds.ticket());
        lock(&self.rounds.for_room).insert(ticket, waker.clone());
    }
}

impl Drop for Place<'_> {
    /// There may be room for more, and whoever was woken and went away took nobody's.
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            lock(&self.rounds.for_room).remove(&ticket);
            self.rounds.waiting.fetch_sub(1, Ordering::SeqCst);
            self.rounds.wake_next();
        }
    }
}

/// Waits for every message of a batch.
pub struct Whole {
    pub rounds: Arc<Rounds>,
    pub batch: Arc<Batch>,
    ticket: Option<u64>,
}

impl Whole {
    pub fn new(rounds: Arc<Rounds>, batch: Arc<Batch>) -> Self {
        Whole { rounds, batch, ticket: None }
    }
}

impl Future for Whole {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !self.batch.done() {
            let ticket = self.ticket.unwrap_or_else(|| self.rounds.ticket());
            self.ticket = Some(ticket);
            lock(&self.rounds.for_batches).insert(ticket, (self.batch.clone(), context.waker().clone()));
        }
        // Asked again: the last report may have come in between.
        if self.batch.done() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            lock(&self.rounds.for_batches).remove(&ticket);
            self.rounds.waiting.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
