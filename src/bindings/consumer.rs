//! `Consumer` for Python.

use std::sync::{Arc, Weak};
use std::time::Duration;

use pyo3::exceptions::{PyException, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use crate::error::Error;
use crate::json::DecodeOptions;
use crate::kafka::{self, Code, ConsumerHooks, ConsumerSettings, Deadline, Incoming, Level, LogRecord, LogSink, Role};

use super::blocking::{deadline, detached, seconds};
use super::decoding::Decoder;
use super::events::Events;
use super::message::{generic_alias, KeyType, Message};
use super::partitions::{offsets_of, TopicPartition};
use super::shutdown::{self, Closable};
use super::transaction::GroupMetadata;
use super::{notifier, options};

const CLOSE_TIMEOUT: f64 = 10.0;

/// librdkafka wants a group id even from a consumer that joins none and commits nothing.
const NO_GROUP: &str = "kjson-no-group";

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

struct Core {
    consumer: kafka::Consumer<Events>,
    decoder: Decoder,
    servers: String,
    group_id: Option<String>,
    /// How long iteration waits for a message before it ends.
    idle: Option<Duration>,
}

impl Core {
    fn usable(&self) -> Result<(), Error> {
        if self.consumer.forked() {
            return Err(Error::Forked { object: "Consumer" });
        }
        Ok(())
    }

    fn next(&self, py: Python<'_>, limit: usize, deadline: Deadline) -> PyResult<Vec<Incoming>> {
        self.usable()?;
        Ok(detached(py, |interrupt| self.consumer.next(limit, deadline, interrupt))?)
    }

    /// One message, decoded. What cannot be decoded has been passed by all the same: the next call goes on behind it.
    fn next_message(&self, py: Python<'_>, deadline: impl FnOnce() -> Deadline) -> PyResult<Option<Message>> {
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

    fn close(&self, py: Python<'_>, deadline: Deadline) -> Result<(), Error> {
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

/// Reads JSON from Kafka as Python objects, at least once. For one thread at a time.
#[pyclass(module = "kjson", frozen, subclass)]
pub struct Consumer {
    core: Arc<Core>,
}

#[pymethods]
impl Consumer {
    #[new]
    #[pyo3(signature = (
        *topics, bootstrap_servers=None, group_id=None, consumer_timeout_ms=None, connect_timeout=Some(10.0),
        unreachable_timeout=Some(60.0), key_type="auto", parse_float=None, value_deserializer=None, on_error=None,
        on_stats=None, config=None, **options
    ), text_signature = "(*topics, bootstrap_servers='localhost:9092', group_id=None, consumer_timeout_ms=None, \
        connect_timeout=10.0, unreachable_timeout=60.0, key_type='auto', parse_float=None, value_deserializer=None, \
        on_error=None, on_stats=None, config=None, **options)")]
    #[allow(clippy::too_many_arguments)]
    fn py_new(
        py: Python<'_>,
        topics: &Bound<'_, PyTuple>,
        bootstrap_servers: Option<&Bound<'_, PyAny>>,
        group_id: Option<&str>,
        consumer_timeout_ms: Option<f64>,
        connect_timeout: Option<f64>,
        unreachable_timeout: Option<f64>,
        key_type: &str,
        parse_float: Option<Py<PyAny>>,
        value_deserializer: Option<Py<PyAny>>,
        on_error: Option<Py<PyAny>>,
        on_stats: Option<Py<PyAny>>,
        config: Option<&Bound<'_, PyDict>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let topics = topic_names(topics.as_any())?;
        let mut config = options::config(Role::Consumer, bootstrap_servers, config, options)?;
        if let Some(group_id) = group_id {
            config.set("group_id", group_id.to_owned(), &[]).map_err(Error::from)?;
        }
        let group_id = config.get("group.id").map(str::to_owned);
        if group_id.is_none() {
            config.set_default("group.id", NO_GROUP);
            config.set_default("enable.auto.commit", "false");
        }
        let from_end = matches!(config.get("auto.offset.reset"), Some("latest" | "largest" | "end"));
        let settings = ConsumerSettings {
            connect_timeout: options::connect_timeout(connect_timeout)?,
            unreachable_timeout: seconds("unreachable_timeout", unreachable_timeout)?,
            grouped: group_id.is_some(),
            auto_commit: config.get("enable.auto.commit") != Some("false"),
            from_end,
        };
        let core = Arc::new(Core {
            decoder: Decoder::new(key_of(key_type)?, DecodeOptions { parse_float }, value_deserializer),
            idle: seconds("consumer_timeout_ms / 1000", consumer_timeout_ms.map(|millis| millis / 1000.0))?,
            servers: config.bootstrap_addresses().join(","),
            group_id,
            consumer: detached(py, |interrupt| {
                let consumer = kafka::Consumer::new(config, settings, Events::new(on_error, on_stats), interrupt)?;
                if !topics.is_empty() {
                    consumer.subscribe(topics, interrupt)?;
                }
                Ok(consumer)
            })?,
        });
        let closable: Weak<Core> = Arc::downgrade(&core);
        shutdown::register(closable);
        Ok(Consumer { core })
    }

    /// Read these topics from now on, or those whose names match a regular expression (with a group only).
    #[pyo3(signature = (topics=None, *, pattern=None))]
    fn subscribe(&self, py: Python<'_>, topics: Option<&Bound<'_, PyAny>>, pattern: Option<&str>) -> PyResult<()> {
        self.core.usable()?;
        let topics = match (topics, pattern) {
            (Some(topics), None) if topics.is_instance_of::<PyString>() => vec![topics.extract()?],
            (Some(topics), None) => topic_names(topics)?,
            (None, Some(pattern)) if self.core.group_id.is_some() => {
                vec![if pattern.starts_with('^') { pattern.to_owned() } else { format!("^{pattern}") }]
            }
            (None, Some(_)) => {
                return Err(PyValueError::new_err("subscribe: a pattern needs a consumer with a group_id"));
            }
            _ => return Err(PyTypeError::new_err("subscribe takes either topics or pattern=")),
        };
        Ok(detached(py, |interrupt| self.core.consumer.subscribe(topics, interrupt))?)
    }

    /// Read nothing any more, until the next `subscribe`.
    fn unsubscribe(&self) -> PyResult<()> {
        self.core.usable()?;
        Ok(self.core.consumer.unsubscribe().map_err(Error::from)?)
    }

    /// The topics that were asked for.
    fn subscription(&self) -> Vec<String> {
        self.core.consumer.subscription()
    }

    /// The partitions that are being read now.
    fn assignment(&self) -> PyResult<Vec<TopicPartition>> {
        self.core.usable()?;
        let mut partitions: Vec<TopicPartition> = self
            .core
            .consumer
            .assignment()
            .map_err(Error::from)?
            .into_iter()
            .map(|partition| TopicPartition {
                topic: partition.topic.to_string(),
                partition: partition.id,
                offset: None,
            })
            .collect();
        partitions.sort();
        Ok(partitions)
    }

    /// The next message, or None when there was none for `timeout` seconds. None waits for ever.
    #[pyo3(signature = (timeout=Some(1.0)), text_signature = "($self, timeout=1.0)")]
    fn poll(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Message>> {
        let deadline = deadline(timeout)?;
        self.core.next_message(py, || deadline)
    }

    /// Up to `max_messages`: waits for the first, and takes what is there. Asking again means that all are worked on.
    #[pyo3(signature = (max_messages=500, timeout=Some(1.0)), text_signature = "($self, max_messages=500, timeout=1.0)")]
    fn consume(&self, py: Python<'_>, max_messages: usize, timeout: Option<f64>) -> PyResult<Vec<Message>> {
        if max_messages == 0 {
            return Err(PyValueError::new_err("consume: max_messages must be at least 1"));
        }
        let mut incoming = self.core.next(py, max_messages, deadline(timeout)?)?.into_iter();
        let mut messages = Vec::with_capacity(incoming.len());
        let mut passed_on = Vec::with_capacity(incoming.len());
        let (mut unread, mut failed) = (None, None);
        for next in incoming.by_ref() {
            match self.core.decoder.message(py, &next) {
                Ok(message) => {
                    messages.push(message);
                    passed_on.push(next);
                }
                // The first of all is bad: it is passed by, and raised.
                Err(error) if messages.is_empty() && error.is_instance_of::<PyException>(py) => {
                    passed_on.push(next);
                    failed = Some(error);
                    break;
                }
                // The good ones go out first; this one is met, and raised, at the head of the next call.
                Err(error) => {
                    unread = Some(next);
                    failed = Some(error).filter(|_| messages.is_empty());
                    break;
                }
            }
        }
        self.core.consumer.handed_out(passed_on);
        self.core.consumer.give_back(unread.into_iter().chain(incoming));
        if let Some(error) = failed {
            return Err(error);
        }
        Ok(messages)
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Message>> {
        self.core.next_message(py, || Deadline::after(self.core.idle))
    }

    /// Commit what was handed out so far, or the messages or offsets given, and wait for the broker's answer.
    #[pyo3(signature = (what=None, *, timeout=Some(10.0)), text_signature = "($self, what=None, *, timeout=10.0)")]
    fn commit(&self, py: Python<'_>, what: Option<&Bound<'_, PyAny>>, timeout: Option<f64>) -> PyResult<()> {
        self.core.usable()?;
        let deadline = deadline(timeout)?;
        let offsets = what.map(|what| offsets_of("commit", what)).transpose()?;
        Ok(detached(py, |interrupt| self.core.consumer.commit(offsets, deadline, interrupt))?)
    }

    /// For `Producer.send_offsets_to_transaction`.
    fn group_metadata(&self) -> PyResult<GroupMetadata> {
        self.core.usable()?;
        Ok(GroupMetadata(self.core.consumer.group_metadata().map_err(Error::from)?))
    }

    /// Ask a broker for an answer, or raise `KafkaConnectionError`.
    #[pyo3(signature = (timeout=5.0))]
    fn ping(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
        self.core.usable()?;
        let timeout = seconds("timeout", Some(timeout))?.unwrap_or(Duration::MAX);
        Ok(detached(py, |interrupt| self.core.consumer.ping(timeout, interrupt))?)
    }

    /// Commit what is done, leave the group, and end the client. Closing again does nothing.
    // While an exception is on its way (a `finally` block), the message handed out last counts as not worked on.
    #[pyo3(signature = (timeout=Some(CLOSE_TIMEOUT)), text_signature = "($self, timeout=10.0)")]
    fn close(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let deadline = deadline(timeout)?;
        let handled = py.import("sys")?.call_method0("exc_info")?.get_item(0)?;
        if !handled.is_none() {
            self.core.consumer.abandon();
        }
        Ok(self.core.close(py, deadline)?)
    }

    #[classmethod]
    fn __class_getitem__<'py>(class: &Bound<'py, PyType>, item: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        generic_alias(class, item)
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().core.usable()?;
        if slf.get().core.consumer.closed() {
            return Err(Error::from(kafka::Error::Closed { operation: "with", object: "consumer" }).into());
        }
        Ok(slf)
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if kind.is_none() {
            return Ok(self.core.close(py, deadline(Some(CLOSE_TIMEOUT))?)?);
        }
        if self.core.consumer.forked() {
            return Ok(());
        }
        self.core.consumer.abandon();
        notifier::log_instead("consumer", self.core.close(py, deadline(Some(CLOSE_TIMEOUT))?))
    }

    fn __repr__(&self) -> String {
        let group = self.core.group_id.as_ref().map_or_else(|| "no group".to_owned(), |id| format!("group '{id}'"));
        let state = match (self.core.consumer.forked(), self.core.consumer.closed()) {
            (true, _) => "of another process".to_owned(),
            (_, true) => "closed".to_owned(),
            _ => self.core.consumer.subscription().join(", "),
        };
        format!("<kjson.Consumer at {}, {group}: {state}>", self.core.servers)
    }
}

fn topic_names(topics: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    topics
        .try_iter()?
        .map(|topic| {
            topic?.extract::<String>().map_err(|_| {
                PyTypeError::new_err("topics are str: Consumer(\"orders\", bootstrap_servers=\"localhost:9092\")")
            })
        })
        .collect()
}

fn key_of(name: &str) -> PyResult<KeyType> {
    match name {
        "auto" => Ok(KeyType::Auto),
        "str" => Ok(KeyType::Text),
        "bytes" => Ok(KeyType::Bytes),
        "json" => Ok(KeyType::Json),
        _ => Err(PyValueError::new_err(format!(
            "key_type must be \"auto\", \"str\", \"bytes\" or \"json\", not {name:?}"
        ))),
    }
}
