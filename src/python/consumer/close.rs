//! Closing a consumer: by the program, and at the end of the interpreter.

use std::time::Duration;

use pyo3::prelude::*;

use crate::error::Error;
use crate::kafka::Deadline;
use crate::python::blocking::detached;
use crate::python::notifier;
use crate::python::shutdown::CloseAtExit;

use super::core::ConsumerCore;

/// The default `timeout` of `close` in seconds, also used at exit.
pub const CLOSE_TIMEOUT: f64 = 10.0;

impl ConsumerCore {
    /// Commits processed messages, leaves the group and closes the client, with `owner` as the callbacks' argument.
    pub fn close_for(&self, owner: &Bound<'_, PyAny>, deadline: Deadline) -> Result<(), Error> {
        let closed = self.with_callbacks(owner, |interrupt| self.consumer.close(deadline, interrupt));
        self.end_dead_letters(owner.py(), deadline, closed)
    }

    fn close(&self, py: Python<'_>, deadline: Deadline) -> Result<(), Error> {
        self.usable()?;
        let closed = detached(py, |interrupt| self.consumer.close(deadline, interrupt));
        self.end_dead_letters(py, deadline, closed)
    }

    /// Closes the dead letter producer after the consumer, when every dead letter is acknowledged or has failed.
    fn end_dead_letters(&self, py: Python<'_>, deadline: Deadline, closed: Result<(), Error>) -> Result<(), Error> {
        self.arena_pins.clear();
        self.decode_errors.log_rest();
        closed.and(self.decode_errors.dead_letters.close(py, deadline))
    }
}

impl CloseAtExit for ConsumerCore {
    /// Closes at once: what its callbacks use was created before the consumer, and is closed after it.
    fn flush_at_exit(&self, py: Python<'_>, limit: Deadline) -> PyResult<()> {
        self.close_at_exit(py, limit)
    }

    /// At exit we cannot know whether the last message was processed, so its offset is not committed.
    fn close_at_exit(&self, py: Python<'_>, limit: Deadline) -> PyResult<()> {
        if self.consumer.forked() {
            return Ok(());
        }
        // The event loop has stopped, so callbacks cannot run on it.
        self.group.end_callbacks();
        self.consumer.mark_unprocessed();
        let deadline = Deadline::after(Some(limit.step(Duration::from_secs_f64(CLOSE_TIMEOUT))));
        notifier::log_instead("consumer, closed at exit", self.close(py, deadline))
    }
}
