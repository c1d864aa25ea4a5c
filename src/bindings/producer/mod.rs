//! `Producer` for Python.

pub mod batch;
mod core;
pub mod delivery;
mod events;
mod send_many;
pub mod transaction;

use std::cell::Cell;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::bindings::blocking::{deadline, detached, seconds};
use crate::bindings::codec::nan_policy;
use crate::bindings::events::Events;
use crate::bindings::group::GroupMetadata;
use crate::bindings::shutdown;
use crate::bindings::{notifier, options, outgoing};
use crate::error::Error;
use crate::json::EncodeOptions;
use crate::kafka::{self, Config, Deadline, Outgoing, ProducerSettings, Refusal, Report, Role, TopicId};

use batch::DeliveryBatch;
use core::{Core, CLOSE_TIMEOUT};
use delivery::{Callback, Delivery, RecordMetadata};
use events::ProducerEvents;
use transaction::Transaction;

thread_local! {
    /// The buffer that values are encoded into, kept from send to send. Taken out while in use, since a `default=` hook
    /// may send a message itself.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer that grew beyond this is not kept.
const BUFFER_KEPT: usize = 1 << 20;

/// Sends Python objects as JSON to Kafka. Thread-safe: one producer serves a whole program.
#[pyclass(module = "kjson", frozen, subclass)]
pub struct Producer {
    core: Arc<Core>,
}

#[pymethods]
impl Producer {
    #[new]
    #[pyo3(signature = (
        bootstrap_servers=None, *, connect_timeout=Some(10.0), max_block_ms=60_000.0, default=None, nan="error",
        value_serializer=None, key_serializer=None, on_delivery=None, on_error=None, on_stats=None, config=None, **options
    ), text_signature = "(bootstrap_servers='localhost:9092', *, connect_timeout=10.0, max_block_ms=60000.0, \
        default=None, nan='error', value_serializer=None, key_serializer=None, on_delivery=None, on_error=None, \
        on_stats=None, config=None, **options)")]
    #[allow(clippy::too_many_arguments)]
    fn py_new(
        py: Python<'_>,
        bootstrap_servers: Option<&Bound<'_, PyAny>>,
        connect_timeout: Option<f64>,
        max_block_ms: f64,
        default: Option<Py<PyAny>>,
        nan: &str,
        value_serializer: Option<Py<PyAny>>,
        key_serializer: Option<Py<PyAny>>,
        on_delivery: Option<Py<PyAny>>,
        on_error: Option<Py<PyAny>>,
        on_stats: Option<Py<PyAny>>,
        config: Option<&Bound<'_, PyDict>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let config = options::config(Role::Producer, bootstrap_servers, config, options)?;
        let encode = EncodeOptions { default, nan: nan_policy(nan)? };
        let settings = ProducerSettings {
            connect_timeout: options::connect_timeout(connect_timeout)?,
            max_block: seconds("max_block_ms / 1000", Some(max_block_ms / 1000.0))?.unwrap_or(Duration::MAX),
        };
        let has_on_delivery = on_delivery.is_some();
        let hooks = ProducerEvents { events: Events::new(on_error, on_stats), on_delivery };
        let producer = detached(py, |interrupt| kafka::Producer::new(&config, settings, hooks, interrupt))?;
        let last_topic = Mutex::new(None);
        let core = Arc::new(Core { producer, encode, value_serializer, key_serializer, has_on_delivery, last_topic });
        let closable: Weak<Core> = Arc::downgrade(&core);
        shutdown::register(closable);
        Ok(Producer { core })
    }

    /// Hand one message over for sending, and return at once unless the queue is full.
    #[pyo3(signature = (topic, value, *, key=None, headers=None, partition=None, timestamp=None, on_delivery=None))]
    #[allow(clippy::too_many_arguments)]
    fn send(
        slf: &Bound<'_, Self>,
        topic: &Bound<'_, PyString>,
        value: &Bound<'_, PyAny>,
        key: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
        partition: Option<i32>,
        timestamp: Option<&Bound<'_, PyAny>>,
        on_delivery: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Delivery> {
        let parts = Parts { topic, value, key, headers, partition, timestamp, on_delivery };
        Ok(Delivery { report: slf.get().enqueue(slf.py(), &parts)?, producer: slf.clone().unbind() })
    }

    /// `send` and `Delivery.result(timeout)` in one: returns where the message lies. Does not sit out `linger_ms`.
    #[pyo3(signature = (
        topic, value, *, timeout=None, key=None, headers=None, partition=None, timestamp=None, on_delivery=None
    ))]
    #[allow(clippy::too_many_arguments)]
    fn send_and_wait(
        slf: &Bound<'_, Self>,
        topic: &Bound<'_, PyString>,
        value: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        key: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
        partition: Option<i32>,
        timestamp: Option<&Bound<'_, PyAny>>,
        on_delivery: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<RecordMetadata> {
        seconds("timeout", timeout)?;
        let delivery = Self::send(slf, topic, value, key, headers, partition, timestamp, on_delivery)?;
        delivery.result(slf.py(), timeout)
    }

    /// Hand many messages over in one call, with less work for each than `send`.
    #[pyo3(signature = (topic, values, *, key=None, headers=None, partition=None))]
    fn send_many(
        slf: &Bound<'_, Self>,
        topic: &Bound<'_, PyString>,
        values: &Bound<'_, PyAny>,
        key: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
        partition: Option<i32>,
    ) -> PyResult<DeliveryBatch> {
        send_many::send_many(slf, topic, values, key, headers, partition)
    }

    /// Counts since the producer was made, without asking a broker.
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.core.usable()?;
        let metrics = self.core.producer.metrics();
        let dict = PyDict::new(py);
        dict.set_item("sent", metrics.sent)?;
        dict.set_item("delivered", metrics.delivered)?;
        dict.set_item("failed", metrics.failed)?;
        dict.set_item("pending", metrics.pending)?;
        dict.set_item("delivered_bytes", metrics.delivered_bytes)?;
        dict.set_item("last_error", metrics.last_error)?;
        Ok(dict)
    }

    /// Wait until every message is confirmed or has failed, its callbacks included.
    #[pyo3(signature = (timeout=None))]
    fn flush(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        self.core.usable()?;
        let deadline = deadline(timeout)?;
        Ok(detached(py, |interrupt| self.core.producer.flush(deadline, interrupt))?)
    }

    /// Flush, and end the client. Raises what `flush` raises. Closing again does nothing.
    #[pyo3(signature = (timeout=Some(CLOSE_TIMEOUT)), text_signature = "($self, timeout=30.0)")]
    fn close(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        Ok(self.core.close(py, deadline(timeout)?)?)
    }

    /// `with producer.transaction():` begins, and commits at the end, or aborts if an exception leaves the block.
    fn transaction(slf: Bound<'_, Self>) -> Transaction {
        Transaction { producer: slf.unbind() }
    }

    /// Begin a transaction. Raises `TransactionError` if one is open.
    fn begin_transaction(&self, py: Python<'_>) -> PyResult<()> {
        Ok(transaction::begin(py, &self.core)?)
    }

    /// Flush and commit. Readers with `isolation_level="read_committed"` see all of it from now on.
    #[pyo3(signature = (timeout=Some(transaction::TIMEOUT)), text_signature = "($self, timeout=60.0)")]
    fn commit_transaction(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        Ok(transaction::commit(py, &self.core, timeout)?)
    }

    /// Give up the open transaction: none of its messages will be seen.
    #[pyo3(signature = (timeout=Some(transaction::TIMEOUT)), text_signature = "($self, timeout=60.0)")]
    fn abort_transaction(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        Ok(transaction::abort(py, &self.core, timeout)?)
    }

    /// Commit a consumer's offsets with the transaction: exactly once from topic to topic (KIP-98, KIP-447).
    #[pyo3(
        signature = (offsets, group_metadata, *, timeout=Some(transaction::TIMEOUT)),
        text_signature = "($self, offsets, group_metadata, *, timeout=60.0)"
    )]
    fn send_offsets_to_transaction(
        &self,
        py: Python<'_>,
        offsets: &Bound<'_, PyAny>,
        group_metadata: &GroupMetadata,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        transaction::send_offsets(py, &self.core, offsets, group_metadata, timeout)
    }

    /// Ask a broker for an answer, or raise `KafkaConnectionError`.
    #[pyo3(signature = (timeout=5.0))]
    fn ping(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
        self.core.usable()?;
        let timeout = seconds("timeout", Some(timeout))?.unwrap_or(Duration::MAX);
        Ok(detached(py, |interrupt| self.core.producer.ping(timeout, interrupt))?)
    }

    /// The partition numbers of a topic. Raises `UnknownTopicError` if there is no such topic.
    #[pyo3(signature = (topic, *, timeout=5.0))]
    fn partitions_for(&self, py: Python<'_>, topic: &str, timeout: f64) -> PyResult<Vec<i32>> {
        self.core.usable()?;
        let timeout = seconds("timeout", Some(timeout))?.unwrap_or(Duration::MAX);
        let count = detached(py, |interrupt| self.core.producer.partition_count(topic, timeout, interrupt))?;
        Ok((0..i32::try_from(count).unwrap_or(i32::MAX)).collect())
    }

    /// How many messages are neither confirmed nor failed.
    #[getter]
    fn pending(&self) -> usize {
        self.core.producer.pending()
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().core.usable()?;
        if slf.get().core.producer.closed() {
            return Err(Error::from(kafka::Error::Closed { operation: "with", object: "producer" }).into());
        }
        Ok(slf)
    }

    /// An exception on its way out of the block is not replaced by one of the close, which is logged then.
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if self.core.producer.forked() && !kind.is_none() {
            return Ok(());
        }
        let closed = self.core.close(py, deadline(Some(CLOSE_TIMEOUT))?);
        if kind.is_none() {
            return Ok(closed?);
        }
        notifier::log_instead("producer", closed)
    }

    fn __repr__(&self) -> String {
        let state = match (self.core.producer.forked(), self.core.producer.closed()) {
            (true, _) => "of another process".to_owned(),
            (_, true) => "closed".to_owned(),
            _ => format!("{} pending", self.core.producer.pending()),
        };
        format!("<kjson.Producer to {}: {state}>", self.core.producer.servers().join(","))
    }
}

struct Parts<'a, 'py> {
    topic: &'a Bound<'py, PyString>,
    value: &'a Bound<'py, PyAny>,
    key: Option<&'a Bound<'py, PyAny>>,
    headers: Option<&'a Bound<'py, PyAny>>,
    partition: Option<i32>,
    timestamp: Option<&'a Bound<'py, PyAny>>,
    on_delivery: Option<&'a Bound<'py, PyAny>>,
}

impl Producer {
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// A producer of kjson's own, for bytes that are ready.
    pub fn internal(py: Python<'_>, config: &Config, connect_timeout: Duration) -> PyResult<Py<Self>> {
        let settings = ProducerSettings { connect_timeout: Some(connect_timeout), max_block: connect_timeout };
        let hooks = ProducerEvents { events: Events::new(None, None), on_delivery: None };
        let core = Arc::new(Core {
            producer: detached(py, |interrupt| kafka::Producer::new(config, settings, hooks, interrupt))?,
            encode: EncodeOptions { default: None, nan: nan_policy("error")? },
            value_serializer: None,
            key_serializer: None,
            has_on_delivery: false,
            last_topic: Mutex::new(None),
        });
        let closable: Weak<Core> = Arc::downgrade(&core);
        shutdown::register(closable);
        Py::new(py, Producer { core })
    }

    fn enqueue(&self, py: Python<'_>, parts: &Parts<'_, '_>) -> PyResult<Arc<Report<Callback>>> {
        self.core.usable()?;
        let mut buffer = BUFFER.take();
        buffer.clear();
        let result = self.encode_and_send(py, parts, &mut buffer);
        if buffer.capacity() <= BUFFER_KEPT {
            BUFFER.set(buffer);
        }
        result
    }

    fn encode_and_send(
        &self,
        py: Python<'_>,
        parts: &Parts<'_, '_>,
        buffer: &mut Vec<u8>,
    ) -> PyResult<Arc<Report<Callback>>> {
        let core = &self.core;
        let topic = core.topic(parts.topic)?;
        let (value_end, has_value, has_key) = core.encode(parts.value, parts.key, buffer)?;
        let headers = parts.headers.map_or_else(|| Ok(Vec::new()), outgoing::headers)?;
        let timestamp_ms = parts.timestamp.map_or(Ok(0), outgoing::timestamp_ms)?;
        let payload = Outgoing {
            partition: outgoing::partition(parts.topic, parts.partition)?,
            value: has_value.then_some(&buffer[..value_end]),
            key: has_key.then_some(&buffer[value_end..]),
            timestamp_ms,
            headers: &headers,
            forwarded: None,
        };
        let given = parts.on_delivery.map(|callback| Callback::OnDelivery(callback.clone().unbind()));
        let callback = given.or_else(|| core.has_on_delivery.then_some(Callback::Default));
        self.hand_over(py, topic, &payload, callback)
    }

    /// Waits for room, without the GIL, if the queue is full.
    pub fn hand_over(
        &self,
        py: Python<'_>,
        topic: TopicId,
        payload: &Outgoing<'_>,
        mut callback: Option<Callback>,
    ) -> PyResult<Arc<Report<Callback>>> {
        let producer = &self.core.producer;
        let mut patience = None;
        loop {
            match producer.try_send(topic, payload, callback) {
                Ok(report) => return Ok(report),
                Err(Refusal::Failed(error)) => return Err(Error::from(error).into()),
                Err(Refusal::Full(back)) => callback = back,
            }
            let deadline = *patience.get_or_insert_with(|| Deadline::after(Some(producer.settings.max_block)));
            detached(py, |interrupt| producer.wait_for_room(topic, deadline, interrupt))?;
        }
    }
}
