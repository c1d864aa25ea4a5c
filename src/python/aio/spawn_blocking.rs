//! Blocking calls away from the loop: on a thread each, which ends the call within a tick when nobody waits any more.
//!
//! Not pyo3-async-runtimes: its threads enter Python with `attach`, which can crash an interpreter that is ending, its
//! runtime is not for forked processes, and a loop that was closed has it print errors. A thread costs 50 us, and nothing that
//! is done for each message comes here.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::kafka::{self, Error, Interrupt};

/// How it ended, once it has, and who waits for that.
type Outcome<T> = (Option<Result<T, Error>>, Option<Waker>);

struct Slot<T> {
    outcome: Mutex<Outcome<T>>,
    abandoned: AtomicBool,
}

impl<T> Slot<T> {
    fn outcome(&self) -> MutexGuard<'_, Outcome<T>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self, result: Result<T, Error>) {
        let mut outcome = self.outcome();
        if outcome.0.is_none() {
            outcome.0 = Some(result);
        }
        let waker = outcome.1.take();
        drop(outcome);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Fills the slot even if the work panics: a wait must not go on for ever.
struct Filler<T>(Arc<Slot<T>>);

impl<T> Drop for Filler<T> {
    fn drop(&mut self) {
        self.0.fill(Err(Error::Misuse("the call ended without an answer".to_owned())));
    }
}

/// Waits for a call on another thread. Dropped before, it interrupts the call.
pub struct Offloaded<T>(Arc<Slot<T>>);

pub fn offload<T: Send + 'static>(
    work: impl FnOnce(Interrupt<'_>) -> Result<T, Error> + Send + 'static,
) -> Offloaded<T> {
    let slot = Arc::new(Slot { outcome: Mutex::new((None, None)), abandoned: AtomicBool::new(false) });
    let filler = Filler(slot.clone());
    let started = kafka::spawn("kjson-call", move || {
        let slot = &filler.0;
        slot.fill(work(&|| slot.abandoned.load(Ordering::Relaxed)));
    });
    if let Err(error) = started {
        slot.outcome().0 = Some(Err(Error::Misuse(format!("no thread could be started: {error}"))));
    }
    Offloaded(slot)
}

impl<T> Future for Offloaded<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut outcome = self.0.outcome();
        if let Some(result) = outcome.0.take() {
            return Poll::Ready(result);
        }
        outcome.1 = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for Offloaded<T> {
    fn drop(&mut self) {
        self.0.abandoned.store(true, Ordering::Relaxed);
    }
}
