//! Wakes tasks when the report thread makes progress: for space in the queue, or for the last message of a batch.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::kafka::BatchState;
use crate::python::aio::loop_waker::batched;

#[derive(Default)]
pub struct Wakers {
    /// How many tasks wait: nearly always none, and the report thread takes no lock.
    waiting: AtomicUsize,
    tickets: AtomicU64,
    /// By ticket: first come, first woken.
    for_space: Mutex<BTreeMap<u64, Waker>>,
    for_batches: Mutex<BTreeMap<u64, (Arc<BatchState>, Waker)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wakers {
    /// Called on the report thread, without the GIL, after `count` messages have left the queue.
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
        let next = lock(&self.for_space).pop_first();
        next.map(|(_, waker)| waker.wake()).is_some()
    }

    fn ticket(&self) -> u64 {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }
}

/// A task that waits for space in the queue. It keeps its turn from one attempt to the next.
pub struct SpaceWaiter<'a> {
    wakers: &'a Wakers,
    ticket: Option<u64>,
}

impl<'a> SpaceWaiter<'a> {
    pub fn new(wakers: &'a Wakers) -> Self {
        SpaceWaiter { wakers, ticket: None }
    }

    pub fn wait(&mut self, waker: &Waker) {
        let ticket = *self.ticket.get_or_insert_with(|| self.wakers.ticket());
        lock(&self.wakers.for_space).insert(ticket, waker.clone());
    }
}

impl Drop for SpaceWaiter<'_> {
    /// Wakes the next task: there may be more space, and a task that was woken and then cancelled has used none.
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            lock(&self.wakers.for_space).remove(&ticket);
            self.wakers.waiting.fetch_sub(1, Ordering::SeqCst);
            self.wakers.wake_next();
        }
    }
}

/// Waits for every message of a batch.
pub struct BatchWaiter {
    pub wakers: Arc<Wakers>,
    pub batch: Arc<BatchState>,
    ticket: Option<u64>,
}

impl BatchWaiter {
    pub fn new(wakers: Arc<Wakers>, batch: Arc<BatchState>) -> Self {
        BatchWaiter { wakers, batch, ticket: None }
    }
}

impl Future for BatchWaiter {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !self.batch.done() {
            let ticket = self.ticket.unwrap_or_else(|| self.wakers.ticket());
            self.ticket = Some(ticket);
            lock(&self.wakers.for_batches).insert(ticket, (self.batch.clone(), context.waker().clone()));
        }
        // Checked again: the last report may have come in between.
        if self.batch.done() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for BatchWaiter {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            lock(&self.wakers.for_batches).remove(&ticket);
            self.wakers.waiting.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
