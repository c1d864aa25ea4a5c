//! Limits how long one call reads on while messages cannot be returned.

use std::time::Duration;

use pyo3::prelude::*;

use crate::kafka::Deadline;

/// How long a call whose time is up still searches for a good message after bad ones.
pub const GRACE: Duration = Duration::from_millis(50);
/// Yields to other threads after this many skipped messages.
const YIELD_EVERY: u32 = 256;

/// Messages in a row that cannot be decoded, within one call.
#[derive(Default)]
pub struct RetryBudget {
    pub deadline: Option<Deadline>,
    grace: Option<Deadline>,
    length: u32,
}

impl RetryBudget {
    /// Whether the call must end without a message. A call whose timeout is 0 or has passed still searches the buffer
    /// for `GRACE`: a good message after a bad one is found.
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
