//! Waking those who wait for delivery reports.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::kafka::client::error::Error;
use crate::kafka::client::wait::{check, Deadline, Interrupt, TICK};

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
