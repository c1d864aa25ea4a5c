//! What a consumer is made of on this side, shared by the class, its iterators and the end of the interpreter.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::bindings::blocking::detached;
use crate::bindings::message::Message;
use crate::bindings::notifier;
use crate::bindings::shutdown::Closable;
use crate::error::Error;
use crate::kafka::{self, Deadline, Incoming, Interrupt, Level, LogRecord};

use super::decoding::Decoder;
use super::group::{ConsumerEvents, GroupCallbacks};

/// At exit and where the user gives no time.
pub const CLOSE_TIMEOUT: f64 = 10.0;

pub struct Core {
    pub consumer: kafka::Consumer<ConsumerEvents>,
    pub group: Arc<GroupCallbacks>,
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

    /// Runs what may call the group's callbacks, for `owner`. What they raise is raised from here.
    pub fn acting<T: Send>(
        &self,
        owner: &Bound<'_, PyAny>,
        work: impl FnOnce(Interrupt<'_>) -> Result<T, kafka::Error> + Send,
    ) -> Result<T, Error> {
        self.usable()?;
        if !self.group.any() {
            return detached(owner.py(), work);
        }
        let acting =
            |owner| std::mem::replace(&mut *self.group.acting.lock().unwrap_or_else(PoisonError::into_inner), owner);
        let before = acting(Some(owner.clone().unbind()));
        let result = detached(owner.py(), work);
        drop(acting(before));
        match self.group.take_raised() {
            Some(error) => Err(Error::Python(error)),
            None => result,
        }
    }

    pub fn next(&self, owner: &Bound<'_, PyAny>, limit: usize, deadline: Deadline) -> PyResult<Vec<Incoming>> {
        Ok(self.acting(owner, |interrupt| self.consumer.next(limit, deadline, interrupt))?)
    }

    /// One message, decoded. What cannot be decoded has been passed by all the same: the next call goes on behind it.
    pub fn next_message(
        &self,
        owner: &Bound<'_, PyAny>,
        deadline: impl FnOnce() -> Deadline,
    ) -> PyResult<Option<Message>> {
        self.usable()?;
        // Buffered messages need no wait, and no trip out of the interpreter.
        let incoming = match self.consumer.try_next().map_err(Error::from)? {
            Some(incoming) => Some(incoming),
            None => self.next(owner, 1, deadline())?.pop(),
        };
        incoming.map(|incoming| self.pass_on(owner.py(), incoming)).transpose()
    }

    pub fn pass_on(&self, py: Python<'_>, incoming: Incoming) -> PyResult<Message> {
        let message = self.decoder.message(py, &incoming);
        if message.as_ref().is_err_and(|error| !error.is_instance_of::<PyException>(py)) {
            // Ctrl-C while it was decoded: nobody has seen it yet.
            self.consumer.give_back([incoming]);
        } else {
            self.consumer.handed_out(incoming);
        }
        message
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
