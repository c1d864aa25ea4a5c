//! `DeadLetter`: sends messages that cannot be decoded to another topic, with their origin in headers.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::{PyException, PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::error::Error;
use crate::kafka::{self, Config, Deadline, Fetched, Header, Role};
use crate::python::blocking::{milliseconds, seconds};
use crate::python::callables::{refuse_async_argument, PlainFunctionCache};
use crate::python::dead_letter_producer::{DeadLetterDelivery, DeadLetterProducer};

/// The largest limit that librdkafka accepts: a message that was read must fit, whatever the limit for new ones is.
const MESSAGE_MAX_BYTES: &str = "1000000000";
/// Longer exception texts are truncated in the header: some quote the whole value.
const REASON_BYTES: usize = 4096;
/// Replaced by the name of the original topic.
const PLACEHOLDER: &str = "{topic}";

/// `on_decode_error=DeadLetter("orders.dlq")`: send what cannot be decoded to a dead letter topic, and read on.
#[pyclass(module = "kjson", frozen)]
pub struct DeadLetter {
    #[pyo3(get)]
    topic: String,
    #[pyo3(get)]
    producer: Option<Py<PyAny>>,
    #[pyo3(get)]
    pub handler: Option<Py<PyAny>>,
    #[pyo3(get)]
    pub retries: u32,
    #[pyo3(get)]
    retry_backoff_ms: f64,
    #[pyo3(get)]
    timeout: f64,
    pub backoff: Duration,
    delivery_timeout: Duration,
}

#[pymethods]
impl DeadLetter {
    #[new]
    #[pyo3(signature = (topic, *, producer=None, handler=None, retries=0, retry_backoff_ms=100.0, timeout=30.0))]
    fn py_new(
        topic: String,
        producer: Option<Bound<'_, PyAny>>,
        handler: Option<Bound<'_, PyAny>>,
        retries: u32,
        retry_backoff_ms: f64,
        timeout: f64,
    ) -> PyResult<Self> {
        let fixed = topic.replace(PLACEHOLDER, "");
        let possible = fixed.is_empty() || kafka::refuse_impossible(&fixed.replace('.', "_")).is_ok();
        if topic.is_empty() || !possible {
            return Err(PyValueError::new_err(format!(
                "DeadLetter: {topic:?} is no topic name. Give one such as \"orders.dlq\" or \"{PLACEHOLDER}.dlq\""
            )));
        }
        if fixed.is_empty() {
            return Err(PyValueError::new_err(format!(
                "DeadLetter: {topic:?} is the topic that the messages come from. Add to it, such as \
                 \"{PLACEHOLDER}.dlq\""
            )));
        }
        if let Some(producer) = &producer {
            DeadLetterProducer::over(producer)?;
        }
        match &handler {
            Some(handler) if !handler.is_callable() => {
                return Err(PyTypeError::new_err(
                    "DeadLetter: handler is called with a DecodeError; it must be callable",
                ));
            }
            None if retries > 0 => {
                return Err(PyValueError::new_err(
                    "DeadLetter: retries are tries of the handler, and there is none. Decoding again changes nothing",
                ));
            }
            Some(handler) => {
                refuse_async_argument(
                    "DeadLetter",
                    "handler",
                    handler,
                    "consumers call",
                    &PlainFunctionCache::empty(),
                )?;
            }
            None => {}
        }
        let backoff = milliseconds("retry_backoff_ms", Some(retry_backoff_ms))?;
        let delivery_timeout = seconds("timeout", Some(timeout))?.filter(|timeout| !timeout.is_zero());
        let (Some(backoff), Some(delivery_timeout)) = (backoff, delivery_timeout) else {
            return Err(PyValueError::new_err(
                "DeadLetter: timeout and retry_backoff_ms must be finite, and timeout not 0",
            ));
        };
        let (producer, handler) = (producer.map(Bound::unbind), handler.map(Bound::unbind));
        Ok(DeadLetter { topic, producer, handler, retries, retry_backoff_ms, timeout, backoff, delivery_timeout })
    }

    fn __repr__(&self) -> String {
        match &self.handler {
            None => format!("DeadLetter({:?})", self.topic),
            Some(_) => format!("DeadLetter({:?}, handler=..., retries={})", self.topic, self.retries),
        }
    }
}

/// A message for the dead letter topic, and why it goes there.
pub struct DeadLetterRecord {
    pub topic: String,
    headers: Vec<Header>,
    /// The `DecodeError`.
    why: PyErr,
}

impl DeadLetter {
    /// None for a message in its own dead letter topic: sending it there again would never end.
    pub fn topic_for(&self, topic: &str) -> Option<String> {
        Some(self.topic.replace(PLACEHOLDER, topic)).filter(|target| target != topic)
    }
}

impl DeadLetterRecord {
    /// `last` is the exception raised last: the handler's, or the `DecodeError` itself.
    pub fn new(
        py: Python<'_>,
        topic: String,
        incoming: &Fetched,
        group_id: Option<&str>,
        why: PyErr,
        last: &PyErr,
    ) -> Self {
        let class = last.get_type(py).qualname().map_or_else(|_| String::new(), |name| name.to_string());
        let mut reason =
            last.value(py).str().map_or_else(|_| String::new(), |text| text.to_string_lossy().into_owned());
        reason.truncate(
            (0..=REASON_BYTES.min(reason.len())).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or(0),
        );
        let parts = [
            ("original-topic", Some(incoming.topic().into_owned())),
            ("original-partition", Some(incoming.partition().to_string())),
            ("original-offset", Some(incoming.offset().to_string())),
            ("original-timestamp", incoming.timestamp_ms().map(|millis| millis.to_string())),
            ("consumer-group", group_id.map(str::to_owned)),
            ("error-class", Some(class)),
            ("error-message", Some(reason)),
        ];
        let headers = parts
            .into_iter()
            .filter_map(|(name, text)| Some((format!("kjson-dlt-{name}"), Some(text?.into_bytes()))))
            .collect();
        DeadLetterRecord { topic, headers, why }
    }

    /// The error of a failed delivery, with the `DecodeError` as its cause.
    pub fn undelivered(self, py: Python<'_>, error: PyErr) -> PyErr {
        if error.is_instance_of::<PyException>(py) {
            error.set_cause(py, Some(self.why));
        }
        error
    }
}

/// Sends dead letters, with the program's producer or one of its own.
pub struct DeadLetterSender {
    /// The configuration of its own producer.
    config: Config,
    producer: Mutex<Option<DeadLetterProducer>>,
}

impl DeadLetterSender {
    pub fn new(consumer: &Config) -> Self {
        DeadLetterSender { config: consumer.sibling(Role::Producer), producer: Mutex::new(None) }
    }

    /// Blocks while the queue is full, and the first time until a broker answers.
    pub fn send(
        &self,
        py: Python<'_>,
        to: &DeadLetter,
        incoming: &Fetched,
        record: &DeadLetterRecord,
    ) -> PyResult<DeadLetterDelivery> {
        self.producer(py, to)?.send(py, &record.topic, incoming, &record.headers)
    }

    /// Waits until the dead letter topic has the message.
    pub fn wait(&self, py: Python<'_>, to: &DeadLetter, sent: &DeadLetterDelivery) -> PyResult<()> {
        // librdkafka reports a timed-out message up to a second late, and its error says more than ours.
        let deadline = Deadline::after(Some(to.delivery_timeout + Duration::from_secs(2)));
        self.producer(py, to)?.wait(py, sent, deadline)
    }

    /// `send` and `wait` on an event loop.
    pub async fn deliver(&self, to: &DeadLetter, incoming: &Fetched, record: &DeadLetterRecord) -> PyResult<()> {
        let producer = Python::attach(|py| self.prepared(py, to))?;
        producer.deliver(&record.topic, incoming, &record.headers, to.delivery_timeout + Duration::from_secs(2)).await
    }

    fn producer(&self, py: Python<'_>, to: &DeadLetter) -> PyResult<DeadLetterProducer> {
        let producer = self.prepared(py, to)?;
        producer.connected(py)?;
        Ok(producer)
    }

    /// The producer, which may not be connected yet.
    fn prepared(&self, py: Python<'_>, to: &DeadLetter) -> PyResult<DeadLetterProducer> {
        if let Some(producer) = &to.producer {
            return DeadLetterProducer::over(producer.bind(py));
        }
        if let Some(known) = &*self.producer.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(known.clone_ref(py));
        }
        let mut config = self.config.sibling(Role::Producer);
        config.set_default("message.timeout.ms", &to.delivery_timeout.as_millis().max(1).to_string());
        config.set_default("message.max.bytes", MESSAGE_MAX_BYTES);
        let made = DeadLetterProducer::new(py, &config, to.delivery_timeout)?;
        let kept = made.clone_ref(py);
        let replaced = self.producer.lock().unwrap_or_else(PoisonError::into_inner).replace(kept);
        drop(replaced);
        Ok(made)
    }

    /// Takes its own producer, to close it.
    pub fn take(&self) -> Option<DeadLetterProducer> {
        self.producer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub fn close(&self, py: Python<'_>, deadline: Deadline) -> Result<(), Error> {
        self.take().map_or(Ok(()), |made| made.close(py, deadline))
    }
}
