//! The state of a consumer in Python, shared by its class, its iterators and the end of the interpreter.

use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::Error;
use crate::kafka::{self, Deadline, Fetched, Interrupt};
use crate::python::aio::loop_waker::LoopWaker;
use crate::python::blocking::detached;
use crate::python::dead_letter_producer::DeadLetterDelivery;
use crate::python::shutdown::{self, CloseAtExit};

use super::aio::AsyncConsumerState;
use super::arena_pins::ArenaPins;
use super::dead_letter::{DeadLetter, DeadLetterRecord};
use super::decode::{Convert, Decoder};
use super::handled_exception::HandledException;
use super::policy::{Action, DecodeErrorPolicy, DecodeErrors};
use super::rebalance::{CallbackContext, GroupCallbacks, KafkaConsumer};
use super::retry_budget::RetryBudget;

/// How often the pause between two attempts checks for Ctrl-C.
const PAUSE_STEP: Duration = Duration::from_millis(50);

pub struct ConsumerCore {
    pub consumer: KafkaConsumer,
    /// The topics passed to the constructor.
    pub topics: Vec<String>,
    pub group: Arc<GroupCallbacks>,
    pub decoder: Decoder,
    pub decode_errors: DecodeErrors,
    pub servers: String,
    pub group_id: Option<String>,
    /// `consumer_timeout_ms`: how long iteration waits for a message before it ends.
    pub idle_timeout: Option<Duration>,
    pub arena_pins: ArenaPins,
    pub handled_exception: HandledException,
    pub aio: AsyncConsumerState,
}

impl ConsumerCore {
    pub fn usable(&self) -> Result<(), Error> {
        if self.consumer.forked() {
            return Err(Error::Forked { object: self.class() });
        }
        Ok(())
    }

    fn class(&self) -> &'static str {
        if self.aio.asynchronous {
            "AsyncConsumer"
        } else {
            "Consumer"
        }
    }

    /// For entering a `with` block.
    pub fn open(&self) -> Result<(), Error> {
        self.usable()?;
        if self.consumer.closed() {
            return Err(Error::from(kafka::Error::Closed { operation: "with", object: "consumer" }));
        }
        Ok(())
    }

    /// Connects, and subscribes to the topics passed to the constructor.
    pub fn begin(&self, interrupt: Interrupt<'_>) -> Result<(), kafka::Error> {
        self.consumer.connect(interrupt)?;
        if !self.topics.is_empty() {
            self.consumer.subscribe(self.topics.clone(), interrupt)?;
        }
        Ok(())
    }

    /// Closes the consumer at the end of the interpreter, if the program does not.
    pub fn close_at_end(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        let core: Arc<dyn CloseAtExit> = self.clone();
        shutdown::register(py, Arc::downgrade(&core))
    }

    pub fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.usable()?;
        let metrics = self.consumer.metrics();
        let dict = PyDict::new(py);
        dict.set_item("received", metrics.received)?;
        dict.set_item("received_bytes", metrics.received_bytes)?;
        dict.set_item("buffered", metrics.buffered)?;
        dict.set_item("rebalances", metrics.rebalances)?;
        let counts = &self.decode_errors.counts;
        dict.set_item("decode_errors", counts.decode_errors.load(Ordering::Relaxed))?;
        dict.set_item("skipped", counts.skipped.load(Ordering::Relaxed))?;
        dict.set_item("dead_lettered", counts.dead_lettered.load(Ordering::Relaxed))?;
        dict.set_item("last_error", metrics.last_error)?;
        Ok(dict)
    }

    pub fn repr(&self) -> String {
        let group = self.group_id.as_ref().map_or_else(|| "no group".to_owned(), |id| format!("group '{id}'"));
        let state = match (self.consumer.forked(), self.consumer.closed()) {
            (true, _) => "of another process".to_owned(),
            (_, true) => "closed".to_owned(),
            _ => self.consumer.subscription().join(", "),
        };
        format!("<kjson.{} at {}, {group}: {state}>", self.class(), self.servers)
    }

    /// Runs a call that may run the group's callbacks, with `owner` as their argument. Raises what they raise.
    pub fn with_callbacks<T: Send>(
        &self,
        owner: &Bound<'_, PyAny>,
        work: impl FnOnce(Interrupt<'_>) -> Result<T, kafka::Error> + Send,
    ) -> Result<T, Error> {
        self.usable()?;
        if !self.group.any() {
            return detached(owner.py(), work);
        }
        let context = CallbackContext { consumer: owner.clone().unbind(), event_loop: None };
        let result = self.group.run_with(Some(context), || detached(owner.py(), work));
        match self.group.take_raised() {
            Some(error) => Err(Error::Python(error)),
            None => result,
        }
    }

    /// Where the callbacks run during a call on an event loop; None if there are none.
    pub fn callback_context(
        &self,
        py: Python<'_>,
        consumer: impl FnOnce() -> Py<PyAny>,
    ) -> PyResult<Option<CallbackContext>> {
        if !self.group.any() {
            return Ok(None);
        }
        Ok(Some(CallbackContext { consumer: consumer(), event_loop: Some(LoopWaker::current(py)?) }))
    }

    pub fn next(&self, owner: &Bound<'_, PyAny>, limit: usize, deadline: Deadline) -> PyResult<Vec<Fetched>> {
        self.handled_exception.note(owner.py())?;
        Ok(self.with_callbacks(owner, |interrupt| self.consumer.next(limit, deadline, interrupt))?)
    }

    /// Returns one message, converted by `convert`. One that cannot be decoded is handled by `on_decode_error` within
    /// the deadline.
    pub fn next_message<T>(
        &self,
        owner: &Bound<'_, PyAny>,
        deadline: impl Fn() -> Deadline,
        make: Convert<T>,
    ) -> PyResult<Option<T>> {
        self.usable()?;
        let mut budget = RetryBudget::default();
        loop {
            // A buffered message needs no wait, and no release of the GIL.
            let incoming = match self.consumer.try_next().map_err(Error::from)? {
                Some(incoming) => Some(incoming),
                None => self.next(owner, 1, *budget.deadline.get_or_insert_with(&deadline))?.pop(),
            };
            let Some(incoming) = incoming else { return Ok(None) };
            let message = self.decode(owner.py(), incoming, make)?;
            if message.is_some() || budget.exhausted(owner.py(), &deadline)? {
                return Ok(message);
            }
        }
    }

    /// Decodes a message and marks it as returned, or applies `on_decode_error`: None if it was skipped.
    pub fn decode<T>(&self, py: Python<'_>, incoming: Fetched, make: Convert<T>) -> PyResult<Option<T>> {
        // The object is created first: a message for which memory is short does not count as returned.
        let error = match self.decoder.message(py, &incoming).and_then(|message| Ok(make(py, message)?)) {
            Ok(message) => {
                self.hand_out(py, incoming)?;
                return Ok(Some(message));
            }
            Err(error) => error,
        };
        let step = self.decode_errors.action(py, &self.decoder, &incoming, error, 0);
        let step = self.wait_for_retries(py, &incoming, step).and_then(|step| match step {
            Action::DeadLetter(record) => self.deliver(py, &incoming, *record).map(|()| Action::Skipped),
            other => Ok(other),
        });
        match step {
            Ok(Action::Return(message)) => match make(py, message) {
                Ok(message) => self.hand_out(py, incoming).map(|()| Some(message)),
                Err(error) => {
                    self.consumer.put_back([incoming]);
                    Err(error)
                }
            },
            Ok(Action::Interrupted(error)) | Err(error) => {
                self.consumer.put_back([incoming]);
                Err(error)
            }
            Ok(Action::Raise(error)) => {
                self.consumer.mark_returned([incoming]);
                Err(error)
            }
            Ok(_) => {
                self.consumer.mark_returned([incoming]);
                Ok(None)
            }
        }
    }

    /// Python discards the result of a call if a signal handler raises at its end, so signals are checked before.
    #[inline]
    fn hand_out(&self, py: Python<'_>, incoming: Fetched) -> PyResult<()> {
        let raised = py.check_signals();
        if raised.is_ok() {
            self.consumer.mark_returned([incoming]);
        } else {
            self.consumer.put_back([incoming]);
        }
        raised
    }

    /// Decides what to do with a message, without waiting.
    pub fn action(&self, py: Python<'_>, incoming: &Fetched, attempt: u32) -> Action {
        match self.decoder.message(py, incoming) {
            Ok(message) => Action::Return(message),
            Err(error) => self.decode_errors.action(py, &self.decoder, incoming, error, attempt),
        }
    }

    /// Waits for the pauses between attempts, and returns the action after the last. Fails if a pause is interrupted.
    pub fn wait_for_retries(&self, py: Python<'_>, incoming: &Fetched, mut step: Action) -> PyResult<Action> {
        let mut attempt = 0;
        while let Action::Retry(pause) = step {
            let until = Deadline::after(Some(pause));
            detached(py, |interrupt| {
                while !until.passed() {
                    std::thread::sleep(until.step(PAUSE_STEP));
                    if interrupt() {
                        return Err(kafka::Error::Interrupted);
                    }
                }
                Ok(())
            })?;
            attempt += 1;
            step = self.action(py, incoming, attempt);
        }
        Ok(step)
    }

    /// Sends a message to the dead letter topic, without waiting for the acknowledgement.
    pub fn send_dead_letter(
        &self,
        py: Python<'_>,
        incoming: &Fetched,
        record: &DeadLetterRecord,
    ) -> PyResult<DeadLetterDelivery> {
        self.decode_errors.dead_letters.send(py, self.dead_letter()?, incoming, record)
    }

    /// Waits for the acknowledgement of a dead letter.
    pub fn await_dead_letter(&self, py: Python<'_>, sent: &DeadLetterDelivery) -> PyResult<()> {
        self.decode_errors.dead_letters.wait(py, self.dead_letter()?, sent)?;
        self.decode_errors.counts.dead_lettered.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn deliver(&self, py: Python<'_>, incoming: &Fetched, record: DeadLetterRecord) -> PyResult<()> {
        let sent = self.send_dead_letter(py, incoming, &record).and_then(|sent| self.await_dead_letter(py, &sent));
        sent.map_err(|error| record.undelivered(py, error))
    }

    pub fn dead_letter(&self) -> PyResult<&DeadLetter> {
        match &self.decode_errors.policy {
            DecodeErrorPolicy::DeadLetter(policy) => Ok(policy.get()),
            _ => Err(Error::from(kafka::Error::Misuse("this consumer has no dead letters".to_owned())).into()),
        }
    }
}
