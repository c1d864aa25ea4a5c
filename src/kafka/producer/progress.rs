//! Wakes threads that wait for delivery reports.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::kafka::client::error::Error;
use crate::kafka::client::wait::{check, Deadline, Interrupt, TICK};

/// Wakes waiting threads once per batch of reports, and takes the lock only if there are any.
#[derive(Default)]
pub struct Progress {
    waiting: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Progress {
    pub fn notify(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.changed.notify_all();
        }
    }

    /// Waits until `done`, which returns true, or the deadline, which returns false.
    pub fn wait(&self, deadline: Deadline, interrupt: Interrupt<'_>, done: impl Fn() -> bool) -> Result<bool, Error> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let result = loop {
            {
                let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
                if done() {
                    break Ok(true);
                }
                let step = deadline.step(TICK).max(Duration::from_micros(100));
                drop(self.changed.wait_timeout(guard, step).unwrap_or_else(PoisonError::into_inner));
            }
            if done() {
                break Ok(true);
            }
            if deadline.passed() {
                break Ok(false);
            }
            if let Err(error) = check(interrupt) {
                break Err(error);
            }
        };
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        result
    }
}
