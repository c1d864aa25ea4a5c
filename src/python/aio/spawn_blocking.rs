//! Runs blocking calls off the event loop, each on a thread, which is interrupted within a tick when the wait is
//! cancelled.
//!
//! Not pyo3-async-runtimes: its threads enter Python with `attach`, which can crash an interpreter that finalizes, its
//! runtime does not survive a fork, and it prints errors after the loop is closed. A thread costs 50 us, so nothing
//! that runs once per message is called like this.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::kafka::{self, Error, Interrupt};

/// The result, once there is one, and the task that waits for it.
type CallState<T> = (Option<Result<T, Error>>, Option<Waker>);

struct SharedCall<T> {
    state: Mutex<CallState<T>>,
    cancelled: AtomicBool,
}

impl<T> SharedCall<T> {
    fn state(&self) -> MutexGuard<'_, CallState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complete(&self, result: Result<T, Error>) {
        let mut state = self.state();
        if state.0.is_none() {
            state.0 = Some(result);
        }
        let waker = state.1.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Completes the call even if the work panics, so that no task waits for ever.
struct CompleteOnDrop<T>(Arc<SharedCall<T>>);

impl<T> Drop for CompleteOnDrop<T> {
    fn drop(&mut self) {
        self.0.complete(Err(Error::Misuse("the call ended without a result".to_owned())));
    }
}

/// Waits for a call on another thread. Dropping it interrupts the call.
pub struct BlockingCall<T>(Arc<SharedCall<T>>);

pub fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce(Interrupt<'_>) -> Result<T, Error> + Send + 'static,
) -> BlockingCall<T> {
    let call = Arc::new(SharedCall { state: Mutex::new((None, None)), cancelled: AtomicBool::new(false) });
    let guard = CompleteOnDrop(call.clone());
    let started = kafka::spawn("kjson-call", move || {
        let call = &guard.0;
        call.complete(work(&|| call.cancelled.load(Ordering::Relaxed)));
    });
    if let Err(error) = started {
        call.state().0 = Some(Err(Error::Misuse(format!("no thread could be started: {error}"))));
    }
    BlockingCall(call)
}

impl<T> Future for BlockingCall<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.state();
        if let Some(result) = state.0.take() {
            return Poll::Ready(result);
        }
        state.1 = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for BlockingCall<T> {
    fn drop(&mut self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }
}
