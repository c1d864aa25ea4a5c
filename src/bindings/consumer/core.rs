//! What a consumer is made of on this side, shared by the class and the end of the interpreter.

use std::time::Duration;

use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::bindings::blocking::detached;
use crate::bindings::events::Events;
use crate::bindings::message::Message;
use crate::bindings::notifier;
use crate::bindings::shutdown::Closable;
use crate::error::Error;
use crate::kafka::{self, Code, ConsumerHooks, Deadline, Incoming, Level, LogRecord, LogSink};

use super::decoding::Decoder;

/// At exit and where the user gives no time.
pub const CLOSE_TIMEOUT: f64 = 10.0;

impl LogSink for Events {
    fn log(&self, record: LogRecord) {
        Events::log(self, record);
    }
}

impl ConsumerHooks for Events {
    fn error(&self, code: Code, reason: &str) {
        Events::error(self, code, reason);
    }

    fn statistics(&self, json: &str) {
        Events::statistics(self, json);
    }
}

pub struct Core {
    pub consumer: kafka::Consumer<Events>,
    pub decoder: Decoder,
    pub servers: String,
    pub group_id: Option<String>,
    /// How long iteration waits for a message before it ends.
    pub idle: Option<Duration>,
}

impl Core {
    pub fn usable(&self) -> Result<(), Error> {
        if self.consumer.forked() {
            return Err(Error::Forked { object: "Consumer" });
        }
        Ok(())
    }

    pub fn next(&self, py: Python<'_>, limit: usize, deadline: Deadline) -> PyResult<Vec<Incoming>> {
        self.usable()?;
        Ok(detached(py, |interrupt| self.consumer.next(limit, deadline, interrupt))?)
    }

    /// One message, decoded. What cannot be decoded has been passed by all the same: the next call goes on behind it.
    pub fn next_message(&self, py: Python<'_>, deadline: impl FnOnce() -> Deadline) -> PyResult<Option<Message>> {
        self.usable()?;
        // Buffered messages need no wait, and no trip out of the interpreter.
        let incoming = match self.consumer.try_next().map_err(Error::from)? {
            Some(incoming) => Some(incoming),
            None => self.next(py, 1, deadline())?.pop(),
        };
        let Some(incoming) = incoming else { return Ok(None) };
        let message = self.decoder.message(py, &incoming);
        if message.as_ref().is_err_and(|error| !error.is_instance_of::<PyException>(py)) {
            // Ctrl-C while it was decoded: nobody has seen it yet.
            self.consumer.give_back([incoming]);
        } else {
            self.consumer.handed_out([incoming]);
        }
        message.map(Some)
    }

    pub fn close(&self, py: Python<'_>, deadline: Deadline) -> Result<(), Error> {
        self.usable()?;
        detached(py, |interrupt| self.consumer.close(deadline, interrupt))
    }
}

impl Closable for Core {
    /// Whether the last message was worked on to its end is unknown here, so it is not committed.
    fn close_at_exit(&self, py: Python<'_>) {
        if self.consumer.forked() {
            return;
        }
        self.consumer.abandon();
        let deadline = Deadline::after(Some(Duration::from_secs_f64(CLOSE_TIMEOUT)));
        if let Err(error) = self.close(py, deadline) {
            notifier::log(LogRecord { level: Level::Error, text: format!("consumer, closed at exit: {error}") });
        }
    }
}
