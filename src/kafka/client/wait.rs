//! Bounded waiting. Every wait of this room goes in steps of at most `TICK`, so that the caller can break it off.

use std::time::{Duration, Instant};

use super::error::Error;

/// The longest time between two looks at the interrupt: Ctrl-C has to come through within 200 ms.
pub const TICK: Duration = Duration::from_millis(50);

/// Asked at every tick; true ends the wait with `Error::Interrupted`.
pub type Interrupt<'a> = &'a (dyn Fn() -> bool + Sync + 'a);

pub fn check(interrupt: Interrupt<'_>) -> Result<(), Error> {
    if interrupt() {
        Err(Error::Interrupted)
    } else {
        Ok(())
    }
}

/// A point in time that a wait does not pass; `None` is never.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    pub fn after(timeout: Option<Duration>) -> Self {
        Deadline(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    pub fn passed(&self) -> bool {
        self.0.is_some_and(|at| Instant::now() >= at)
    }

    /// How long the next step may take: until the deadline, and no longer than `longest`.
    pub fn step(&self, longest: Duration) -> Duration {
        self.0.map_or(longest, |at| at.saturating_duration_since(Instant::now()).min(longest))
    }
}
