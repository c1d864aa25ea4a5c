//! Bounded, interruptible waits: each checks its `Interrupt` at least every `TICK`.

use std::time::{Duration, Instant};

use super::error::Error;

/// The longest time between two checks of the interrupt: Ctrl-C has to work within 200 ms.
pub const TICK: Duration = Duration::from_millis(50);

/// Called at every tick; true ends the wait with `Error::Interrupted`.
pub type Interrupt<'a> = &'a (dyn Fn() -> bool + Sync + 'a);

pub fn check(interrupt: Interrupt<'_>) -> Result<(), Error> {
    if interrupt() {
        Err(Error::Interrupted)
    } else {
        Ok(())
    }
}

/// When a wait ends; `None` is never.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    pub fn after(timeout: Option<Duration>) -> Self {
        Deadline(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    pub fn passed(&self) -> bool {
        self.0.is_some_and(|at| Instant::now() >= at)
    }

    /// The time until the deadline, at most `longest`.
    pub fn step(&self, longest: Duration) -> Duration {
        self.0.map_or(longest, |at| at.saturating_duration_since(Instant::now()).min(longest))
    }
}
