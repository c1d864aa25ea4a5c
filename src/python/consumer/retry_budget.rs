//! How long one call goes on where one message after the other cannot be handed out.

use std::time::Duration;

use pyo3::prelude::*;

use crate::kafka::Deadline;

/// How long a call without time left looks on for a good message behind bad ones.
pub const GRACE: Duration = Duration::from_millis(50);
/// Other threads get their turn after so many messages that were passed by.
const YIELD_EVERY: u32 = 256;

/// A row of messages that cannot be decoded, within one call.
#[derive(Default)]
pub struct RetryBudget {
    pub deadline: Option<Deadline>,
    grace: Option<Deadline>,
    length: u32,
}

impl RetryBudget {
    /// Whether the call has to end without a message. With no time left, or none given, what is at hand is looked through
    /// for a moment all the same: a good message behind a bad one is there, and is found.
    #[cold]
    pub fn exhausted(&mut self, py: Python<'_>, deadline: impl Fn() -> Deadline) -> PyResult<bool> {
        py.check_signals()?;
        self.length += 1;
        if self.length % YIELD_EVERY == 0 {
            py.detach(std::thread::yield_now);
        }
        let deadline = *self.deadline.get_or_insert_with(deadline);
        let grace = *self.grace.get_or_insert_with(|| Deadline::after(Some(GRACE)));
        Ok(deadline.passed() && grace.passed())
    }
}
