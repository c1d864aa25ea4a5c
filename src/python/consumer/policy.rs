//! `on_decode_error`: what happens to a message that cannot be decoded. Nothing here waits, so that threads and event
//! loops take the same steps, each with its own way to wait.

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
use super::decode_error::MessageError;

/// Skipped messages are logged at most this often: once for a topic full of them, not a million times.
const LOG_EVERY: Duration = Duration::from_secs(10);

pub enum DecodeErrorPolicy {
    Raise,
    Skip,
    Yield,
    Call(Py<PyAny>),
    DeadLetter(Py<DeadLetter>),
}

impl DecodeErrorPolicy {
    pub fn new(given: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(given) = given else { return Ok(DecodeErrorPolicy::Raise) };
        if let Ok(dead_letter) = given.cast::<DeadLetter>() {
            return Ok(DecodeErrorPolicy::DeadLetter(dead_letter.clone().unbind()));
        }
        if let Ok(name) = given.cast::<PyString>() {
            match &*name.to_cow()? {
                "raise" => return Ok(DecodeErrorPolicy::Raise),
                "skip" => return Ok(DecodeErrorPolicy::Skip),
                "yield" => return Ok(DecodeErrorPolicy::Yield),
                _ => {}
            }
        } else if given.is_callable() && !given.is(given.py().get_type::<DeadLetter>()) {
            return Ok(DecodeErrorPolicy::Call(given.clone().unbind()));
        }
        let shown = given.repr()?.to_string_lossy().into_owned();
        Err(Error::Config {
            message: format!(
                "Consumer: on_decode_error must be \"raise\", \"skip\", \"yield\", a DeadLetter(\"topic\"), or a \
                 callable that takes the DecodeError; not {shown}"
            ),
            option: "on_decode_error".to_owned(),
        }
        .into())
    }
}

impl DecodeErrorPolicy {
    /// Whether the policy runs no code of the program and needs no broker.
    pub fn is_plain(&self) -> bool {
        matches!(self, DecodeErrorPolicy::Raise | DecodeErrorPolicy::Skip | DecodeErrorPolicy::Yield)
    }
}

/// What to do next with a message.
pub enum Action {
    /// Return it to the program.
    Return(Message),
    /// Skip it.
    Skipped,
    /// Raise this, and move past the message.
    Raise(PyErr),
    /// Raise this, and keep the message for the next call: the program has not seen it.
    Interrupted(PyErr),
    /// Decide again, as the next attempt, after this pause.
    Retry(Duration),
    /// Send it to the dead letter topic with `DecodeErrors::dead_letters`, and skip it if that succeeds; keep it if it
    /// fails.
    DeadLetter(Box<DeadLetterRecord>),
}

/// Counts since the consumer was created. A message that is read again counts again.
#[derive(Default)]
pub struct DecodeErrorCounts {
    pub decode_errors: AtomicU64,
    pub skipped: AtomicU64,
    pub dead_lettered: AtomicU64,
}

/// Applies the policy of a consumer, and counts and logs what it did.
pub struct DecodeErrors {
    pub policy: DecodeErrorPolicy,
    pub counts: DecodeErrorCounts,
    pub dead_letters: DeadLetterSender,
    group_id: Option<String>,
    skip_log: Mutex<SkipLog>,
    /// The error of a message after good ones in a `consume`, which returns those first. The next call raises it.
    deferred: Mutex<Option<DeferredError>>,
}

struct DeferredError {
    topic: String,
    partition: i32,
    offset: i64,
    error: PyErr,
}

#[derive(Default)]
struct SkipLog {
    logged_at: Option<Instant>,
    unlogged: u64,
}

impl DecodeErrors {
    pub fn new(policy: DecodeErrorPolicy, config: &Config, group_id: Option<&str>) -> Self {
        DecodeErrors {
            policy,
            counts: DecodeErrorCounts::default(),
            dead_letters: DeadLetterSender::new(config),
            group_id: group_id.map(str::to_owned),
            skip_log: Mutex::default(),
            deferred: Mutex::new(None),
        }
    }

    /// Decides what to do with a message that has this error. `attempt` starts at 0.
    #[cold]
    pub fn action(
        &self,
        py: Python<'_>,
        decoder: &Decoder,
        incoming: &Fetched,
        error: Box<MessageError>,
        attempt: u32,
    ) -> Action {
        if error.interrupts(py) {
            return Action::Interrupted(error.into_error(py, incoming, ""));
        }
        if let Some(error) = self.take_deferred(incoming) {
            return Action::Raise(error);
        }
        if attempt == 0 {
            self.counts.decode_errors.fetch_add(1, Ordering::Relaxed);
        }
        match &self.policy {
            DecodeErrorPolicy::Raise => {
                Action::Raise(error.into_error(py, incoming, ". The consumer has moved past it"))
            }
            DecodeErrorPolicy::Skip => {
                self.log_skip(py, incoming, &error);
                self.skip()
            }
            DecodeErrorPolicy::Yield => {
                let error = error.into_error(py, incoming, "").into_value(py).into_any();
                decoder
                    .substitute(py, incoming, py.None(), Some(error))
                    .map_or_else(Action::Interrupted, Action::Return)
            }
            DecodeErrorPolicy::Call(function) => {
                let error = error.into_error(py, incoming, "");
                match self.ask(py, function, &error, decoder, incoming) {
                    Ok(step) => step,
                    Err(raised) => Action::Raise(raised),
                }
            }
            DecodeErrorPolicy::DeadLetter(policy) => {
                let policy = policy.get();
                let Some(topic) = policy.topic_for(&incoming.topic()) else {
                    let note = ". It is in its own dead letter topic and stays there. The consumer has moved past it";
                    return Action::Raise(error.into_error(py, incoming, note));
                };
                let error = error.into_error(py, incoming, "");
                let last = match policy.handler.as_ref().map(|handler| self.ask(py, handler, &error, decoder, incoming))
                {
                    None => error.clone_ref(py),
                    Some(Ok(step)) => return step,
                    Some(Err(_)) if attempt < policy.retries => return Action::Retry(policy.backoff),
                    Some(Err(raised)) => raised,
                };
                Action::DeadLetter(Box::new(DeadLetterRecord::new(
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

    /// Calls the program's function. The caller decides what an exception of it means.
    fn ask(
        &self,
        py: Python<'_>,
        function: &Py<PyAny>,
        error: &PyErr,
        decoder: &Decoder,
        incoming: &Fetched,
    ) -> PyResult<Action> {
        match function.call1(py, (error.value(py),)) {
            Ok(value) if value.is_none(py) => Ok(self.skip()),
            Ok(value) => {
                Ok(decoder.substitute(py, incoming, value, None).map_or_else(Action::Interrupted, Action::Return))
            }
            Err(raised) if !raised.is_instance_of::<PyException>(py) => Ok(Action::Interrupted(raised)),
            Err(raised) => Err(raised),
        }
    }

    fn skip(&self) -> Action {
        self.counts.skipped.fetch_add(1, Ordering::Relaxed);
        Action::Skipped
    }

    /// Defers an error until its message is read again.
    pub fn defer(&self, incoming: &Fetched, error: PyErr) {
        let (topic, partition, offset) = (incoming.topic().into_owned(), incoming.partition(), incoming.offset());
        let deferred = DeferredError { topic, partition, offset, error };
        let replaced = self.deferred.lock().unwrap_or_else(PoisonError::into_inner).replace(deferred);
        drop(replaced);
    }

    fn take_deferred(&self, incoming: &Fetched) -> Option<PyErr> {
        // After a seek the next message is another one, and the error is dropped.
        let deferred = self.deferred.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let same = deferred.partition == incoming.partition() && deferred.offset == incoming.offset();
        (same && deferred.topic == incoming.topic()).then_some(deferred.error)
    }

    fn log_skip(&self, py: Python<'_>, incoming: &Fetched, error: &MessageError) {
        let mut skip_log = self.skip_log.lock().unwrap_or_else(PoisonError::into_inner);
        if skip_log.logged_at.is_some_and(|at| at.elapsed() < LOG_EVERY) {
            skip_log.unlogged += 1;
            return;
        }
        skip_log.logged_at = Some(Instant::now());
        let unlogged = std::mem::take(&mut skip_log.unlogged);
        drop(skip_log);
        let before = if unlogged == 0 { String::new() } else { format!(" ({unlogged} more were skipped before it)") };
        warn(format!(
            "skipped the message at '{}' [{}] @{}, which cannot be decoded: {}{before}",
            incoming.topic(),
            incoming.partition(),
            incoming.offset(),
            error.discreet(py)
        ));
    }

    /// Logs how many skipped messages have not been logged.
    pub fn log_rest(&self) {
        let mut skip_log = self.skip_log.lock().unwrap_or_else(PoisonError::into_inner);
        let unlogged = std::mem::take(&mut skip_log.unlogged);
        drop(skip_log);
        if unlogged > 0 {
            warn(format!("skipped {unlogged} more messages that cannot be decoded"));
        }
    }
}

fn warn(text: String) {
    notifier::log(LogRecord { level: Level::Warning, text });
}
