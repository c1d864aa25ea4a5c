//! `Consumer` for Python.

mod batch;
mod core;
pub mod dead_letter;
mod decoding;
mod group;
mod offsets;
mod peek;
mod policy;
pub mod reading;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple, PyType};

use crate::bindings::blocking::{deadline, detached, seconds};
use crate::bindings::events::Events;
use crate::bindings::message::{generic_alias, KeyType};
use crate::bindings::partitions::{partition_of, TopicPartition};
use crate::bindings::shutdown;
use crate::bindings::{notifier, options};
use crate::error::Error;
use crate::json::DecodeOptions;
use crate::kafka::{self, ConsumerSettings, Role};

use core::{Core, CLOSE_TIMEOUT};
use decoding::{Decoder, Form};
use group::{list_of, ConsumerEvents, GroupCallbacks};
use policy::{Faults, Policy};

/// librdkafka wants a group id even from a consumer that joins none and commits nothing.
const NO_GROUP: &str = "kjson-no-group";

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
        unreachable_timeout=Some(60.0), on_decode_error=None, value_type=None, value_deserializer=None, key_type="auto",
        parse_float=None, on_assign=None, on_revoke=None, on_lost=None, on_commit=None, on_error=None, on_stats=None,
        config=None, **options
    ), text_signature = "(*topics, bootstrap_servers='localhost:9092', group_id=None, consumer_timeout_ms=None, \
        connect_timeout=10.0, unreachable_timeout=60.0, on_decode_error='raise', value_type=None, \
        value_deserializer=None, key_type='auto', parse_float=None, on_assign=None, on_revoke=None, on_lost=None, \
        on_commit=None, on_error=None, on_stats=None, config=None, **options)")]
    #[allow(clippy::too_many_arguments)]
    fn py_new(
        py: Python<'_>,
        topics: &Bound<'_, PyTuple>,
        bootstrap_servers: Option<&Bound<'_, PyAny>>,
        group_id: Option<&str>,
        consumer_timeout_ms: Option<f64>,
        connect_timeout: Option<f64>,
        unreachable_timeout: Option<f64>,
        on_decode_error: Option<&Bound<'_, PyAny>>,
        value_type: Option<&Bound<'_, PyAny>>,
        value_deserializer: Option<Py<PyAny>>,
        key_type: &str,
        parse_float: Option<Py<PyAny>>,
        on_assign: Option<Py<PyAny>>,
        on_revoke: Option<Py<PyAny>>,
        on_lost: Option<Py<PyAny>>,
        on_commit: Option<Py<PyAny>>,
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
            committed_only: config.get("isolation.level") != Some("read_uncommitted"),
        };
        let group = Arc::new(GroupCallbacks { on_assign, on_revoke, on_lost, on_commit, ..Default::default() });
        let hooks = ConsumerEvents { events: Events::new(on_error, on_stats), group: group.clone() };
        let decode = DecodeOptions { parse_float };
        let form = Form::new(py, value_type, value_deserializer, &decode)?;
        let core = Arc::new(Core {
            decoder: Decoder::new(key_of(key_type)?, decode, form),
            faults: Faults::new(Policy::new(on_decode_error)?, &config, group_id.as_deref()),
            idle: seconds("consumer_timeout_ms / 1000", consumer_timeout_ms.map(|millis| millis / 1000.0))?,
            servers: config.bootstrap_addresses().join(","),
            group_id,
            group,
            consumer: detached(py, |interrupt| {
                let consumer = kafka::Consumer::new(config, settings, hooks, interrupt)?;
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
    fn unsubscribe(&self, py: Python<'_>) -> PyResult<()> {
        self.core.usable()?;
        Ok(detached(py, |_| self.core.consumer.unsubscribe())?)
    }

    /// The topics that were asked for.
    fn subscription(&self) -> Vec<String> {
        self.core.consumer.subscription()
    }

    /// The partitions that are being read now.
    fn assignment<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.core.usable()?;
        list_of(py, &self.core.consumer.assignment().map_err(Error::from)?)
    }

    /// Read these partitions and no others, from their offsets if they have some, without sharing them with a group.
    fn assign(&self, py: Python<'_>, partitions: &Bound<'_, PyAny>) -> PyResult<()> {
        self.core.usable()?;
        let partitions: Vec<_> = if partitions.cast::<TopicPartition>().is_ok() {
            vec![partition_of("assign", partitions)?]
        } else {
            partitions.try_iter()?.map(|item| partition_of("assign", &item?)).collect::<PyResult<_>>()?
        };
        if let Some((_, offset)) = partitions.iter().find(|(_, offset)| offset.is_some_and(|offset| offset < 0)) {
            return Err(PyValueError::new_err(format!(
                "assign: offsets begin at 0; got {}",
                offset.unwrap_or_default()
            )));
        }
        Ok(detached(py, |_| self.core.consumer.assign(partitions))?)
    }

    /// Counts since the consumer was made, without asking a broker.
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.core.usable()?;
        let metrics = self.core.consumer.metrics();
        let dict = PyDict::new(py);
        dict.set_item("received", metrics.received)?;
        dict.set_item("received_bytes", metrics.received_bytes)?;
        dict.set_item("buffered", metrics.buffered)?;
        dict.set_item("rebalances", metrics.rebalances)?;
        let tally = &self.core.faults.tally;
        dict.set_item("decode_errors", tally.decode_errors.load(Ordering::Relaxed))?;
        dict.set_item("skipped", tally.skipped.load(Ordering::Relaxed))?;
        dict.set_item("dead_lettered", tally.dead_lettered.load(Ordering::Relaxed))?;
        dict.set_item("last_error", metrics.last_error)?;
        Ok(dict)
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
    fn close(slf: &Bound<'_, Self>, timeout: Option<f64>) -> PyResult<()> {
        let deadline = deadline(timeout)?;
        let (py, core) = (slf.py(), &slf.get().core);
        let handled = py.import("sys")?.call_method0("exc_info")?.get_item(0)?;
        if !handled.is_none() {
            core.consumer.abandon();
        }
        Ok(core.close_for(slf, deadline)?)
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
        slf: &Bound<'_, Self>,
        kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let core = &slf.get().core;
        if !kind.is_none() {
            if core.consumer.forked() {
                return Ok(());
            }
            core.consumer.abandon();
        }
        let deadline = deadline(Some(CLOSE_TIMEOUT))?;
        let closed = core.close_for(slf, deadline);
        if kind.is_none() {
            return Ok(closed?);
        }
        notifier::log_instead("consumer", closed)
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
