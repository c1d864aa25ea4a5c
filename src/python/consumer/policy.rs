//! `on_decode_error`: what becomes of a message that cannot be decoded. Nothing here waits, so that threads and event loops
//! can take the same steps and wait each in its own way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::error::Error;
use crate::kafka::{Config, Fetched, Level, LogRecord};
use crate::python::message::Message;
use crate::python::notifier;

use super::dead_letter::{DeadLetter, DeadLetterRecord, DeadLetterSender};
use super::decode::Decoder;
use super::decode_error::Fault;

/// Skipped messages are logged at most this often: a topic full of them is told about once, not a million times.
const LOG_EVERY: Duration = Duration::from_secs(10);

pub enum Policy {
    Raise,
    Skip,
    Yield,
    Call(Py<PyAny>),
    DeadLetter(Py<DeadLetter>),
}

impl Policy {
    pub fn new(given: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(given) = given else { return Ok(Policy::Raise) };
        if let Ok(dead_letter) = given.cast::<DeadLetter>() {
            return Ok(Policy::DeadLetter(dead_letter.clone().unbind()));
        }
        if let Ok(name) = given.cast::<PyString>() {
            match &*name.to_cow()? {
                "raise" => return Ok(Policy::Raise),
                "skip" => return Ok(Policy::Skip),
                "yield" => return Ok(Policy::Yield),
                _ => {}
            }
        } else if given.is_callable() && !given.is(given.py().get_type::<DeadLetter>()) {
            return Ok(Policy::Call(given.clone().unbind()));
        }
        let shown = given.repr()?.to_string_lossy().into_owned();
        Err(Error::Config {
            message: format!(
                "Consumer: on_decode_error must be \"raise\", \"skip\", \"yield\", a DeadLetter(\"topic\"), or a callable \
                 that takes the DecodeError; not {shown}"
            ),
            option: "on_decode_error".to_owned(),
        }
        .into())
    }
}

impl Policy {
    /// Whether neither the user's code nor a broker has a part in it.
    pub fn is_plain(&self) -> bool {
        matches!(self, Policy::Raise | Policy::Skip | Policy::Yield)
    }
}

/// What to do next with a message.
pub enum Step {
    /// Hand it out.
    Message(Message),
    /// Go on behind it.
    Passed,
    /// Go on behind it next time; raise this now.
    Raise(PyErr),
    /// Take it back: nobody has seen it. Raise this.
    Interrupted(PyErr),
    /// Take the step again, as the next attempt, after this time.
    TryAgain(Duration),
    /// Send it to the dead letters with `DecodeErrors::post`, and go on behind it when they have it; take it back if they do not.
    DeadLetter(Box<DeadLetterRecord>),
}

/// Counts since the consumer was made. A message that comes again counts again.
#[derive(Default)]
pub struct Tally {
    pub decode_errors: AtomicU64,
    pub skipped: AtomicU64,
    pub dead_lettered: AtomicU64,
}

/// All that a consumer knows about its bad messages.
pub struct DecodeErrors {
    pub policy: Policy,
    pub tally: Tally,
    pub post: DeadLetterSender,
    group_id: Option<String>,
    skips: Mutex<Skips>,
    /// What the user's code raised for a message that `consume` came to behind good ones: they go out first.
    held: Mutex<Option<Held>>,
}

struct Held {
    topic: String,
    partition: i32,
    offset: i64,
    error: PyErr,
}

#[derive(Default)]
struct Skips {
    logged_at: Option<Instant>,
    unlogged: u64,
}

impl DecodeErrors {
    pub fn new(policy: Policy, config: &Config, group_id: Option<&str>) -> Self {
        DecodeErrors {
            policy,
            tally: Tally::default(),
            post: DeadLetterSender::new(config),
            group_id: group_id.map(str::to_owned),
            skips: Mutex::default(),
            held: Mutex::new(None),
        }
    }

    /// What becomes of a message with this fault. `attempt` counts from 0.
    #[cold]
    pub fn step(&self, py: Python<'_>, decoder: &Decoder, incoming: &Fetched, fault: Box<Fault>, attempt: u32) -> Step {
        if fault.interrupts(py) {
            return Step::Interrupted(fault.into_error(py, incoming, ""));
        }
        if let Some(error) = self.release(incoming) {
            return Step::Raise(error);
        }
        if attempt == 0 {
            self.tally.decode_errors.fetch_add(1, Ordering::Relaxed);
        }
        match &self.policy {
            Policy::Raise => Step::Raise(fault.into_error(py, incoming, ". The consumer has moved past it")),
            Policy::Skip => {
                self.log_skip(py, incoming, &fault);
                self.skip()
            }
            Policy::Yield => {
                let error = fault.into_error(py, incoming, "").into_value(py).into_any();
                decoder.substitute(py, incoming, py.None(), Some(error)).map_or_else(Step::Interrupted, Step::Message)
            }
            Policy::Call(function) => {
                let error = fault.into_error(py, incoming, "");
                match self.ask(py, function, &error, decoder, incoming) {
                    Ok(step) => step,
                    Err(raised) => Step::Raise(raised),
                }
            }
            Policy::DeadLetter(policy) => {
                let policy = policy.get();
                let Some(topic) = policy.topic_for(&incoming.topic()) else {
                    let told =
                        ". It lies in its own dead letter topic, and stays there. The consumer has moved past it";
                    return Step::Raise(fault.into_error(py, incoming, told));
                };
                let error = fault.into_error(py, incoming, "");
                let last = match policy.handler.as_ref().map(|handler| self.ask(py, handler, &error, decoder, incoming))
                {
                    None => error.clone_ref(py),
                    Some(Ok(step)) => return step,
                    Some(Err(_)) if attempt < policy.retries => return Step::TryAgain(policy.backoff),
                    Some(Err(raised)) => raised,
                };
                Step::DeadLetter(Box::new(DeadLetterRecord::new(
                    py,
                    topic,
                    incoming,
                    self.group_id.as_deref(),
                    error,
                    &last,
                )))
            }
        }
    }

    /// Has the user's function decide. An exception is for the caller to judge.
    fn ask(
        &self,
        py: Python<'_>,
        function: &Py<PyAny>,
        error: &PyErr,
        decoder: &Decoder,
        incoming: &Fetched,
    ) -> PyResult<Step> {
        match function.call1(py, (error.value(py),)) {
            Ok(value) if value.is_none(py) => Ok(self.skip()),
            Ok(value) => {
                Ok(decoder.substitute(py, incoming, value, None).map_or_else(Step::Interrupted, Step::Message))
            }
            Err(raised) if !raised.is_instance_of::<PyException>(py) => Ok(Step::Interrupted(raised)),
            Err(raised) => Err(raised),
        }
    }

    fn skip(&self) -> Step {
        self.tally.skipped.fetch_add(1, Ordering::Relaxed);
        Step::Passed
    }

    /// Keeps an error that cannot be raised yet, until its message is met again.
    pub fn hold(&self, incoming: &Fetched, error: PyErr) {
        let (topic, partition, offset) = (incoming.topic().into_owned(), incoming.partition(), incoming.offset());
        let held = Held { topic, partition, offset, error };
        let replaced = self.held.lock().unwrap_or_else(PoisonError::into_inner).replace(held);
        drop(replaced);
    }

    fn release(&self, incoming: &Fetched) -> Option<PyErr> {
        // A seek may have led elsewhere: then the error is of no use any more.
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let same = held.partition == incoming.partition() && held.offset == incoming.offset();
        (same && held.topic == incoming.topic()).then_some(held.error)
    }

    fn log_skip(&self, py: Python<'_>, incoming: &Fetched, fault: &Fault) {
        let mut skips = self.skips.lock().unwrap_or_else(PoisonError::into_inner);
        if skips.logged_at.is_some_and(|at| at.elapsed() < LOG_EVERY) {
            skips.unlogged += 1;
            return;
        }
        skips.logged_at = Some(Instant::now());
        let unlogged = std::mem::take(&mut skips.unlogged);
        drop(skips);
        let before = if unlogged == 0 { String::new() } else { format!(" ({unlogged} more were skipped before it)") };
        warn(format!(
            "skipped the message at '{}' [{}] @{}, which cannot be decoded: {}{before}",
            incoming.topic(),
            incoming.partition(),
            incoming.offset(),
            fault.discreet(py)
        ));
    }

    /// Says how many skipped messages have not been spoken of.
    pub fn log_rest(&self) {
        let mut skips = self.skips.lock().unwrap_or_else(PoisonError::into_inner);
        let unlogged = std::mem::take(&mut skips.unlogged);
        drop(skips);
        if unlogged > 0 {
            warn(format!("skipped {unlogged} more messages that cannot be decoded"));
        }
    }
}

fn warn(text: String) {
    notifier::log(LogRecord { level: Level::Warning, text });
}
