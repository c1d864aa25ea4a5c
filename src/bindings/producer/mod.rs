//! `Producer` for Python.

pub mod aio;
pub mod batch;
mod core;
pub mod delivery;
mod events;
mod message;
mod send_many;
pub mod transaction;

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::bindings::blocking::{deadline, detached, seconds};
use crate::bindings::group::GroupMetadata;
use crate::bindings::notifier;
use crate::error::Error;
use crate::kafka::{Config, Deadline, Outgoing, Refusal, Report, TopicId};

use batch::DeliveryBatch;
use core::{Core, Given, CLOSE_TIMEOUT};
use delivery::{Callback, Delivery, RecordMetadata};
use message::{with_buffer, Parts};
use transaction::Transaction;

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
        let given = Given {
            bootstrap_servers,
            connect_timeout,
            max_block_ms,
            default,
            nan,
            value_serializer,
            key_serializer,
            on_delivery,
            on_error,
            on_stats,
            config,
            options,
        };
        let core = Arc::new(Core::new(py, given, false)?);
        let producer = Producer { core };
        producer.connect(py)?;
        producer.core.close_at_end(py)?;
        Ok(producer)
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
        Ok(Delivery::new(slf.get().enqueue(slf.py(), &parts)?, slf.clone().unbind()))
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
        self.core.metrics(py)
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
        slf.get().core.open()?;
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
        self.core.repr("Producer")
    }
}

impl Producer {
    pub fn of(core: Arc<Core>) -> Self {
        Producer { core }
    }

    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// A producer of kjson's own, for bytes that are ready, not connected yet.
    pub fn internal(py: Python<'_>, config: &Config, connect_timeout: Duration) -> PyResult<Py<Self>> {
        let core = Arc::new(Core::internal(config, connect_timeout)?);
        core.close_at_end(py)?;
        Py::new(py, Producer { core })
    }

    pub fn connect(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, |interrupt| self.core.producer.connect(interrupt))?;
        self.core.aio.connection.made();
        Ok(())
    }

    fn enqueue(&self, py: Python<'_>, parts: &Parts<'_, '_>) -> PyResult<Arc<Report<Callback>>> {
        with_buffer(|buffer| {
            let mut message = self.core.prepare(parts, buffer)?;
            let callback = message.callback.take();
            self.hand_over(py, message.topic, &message.payload(buffer), callback)
        })
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
