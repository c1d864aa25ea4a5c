//! `Producer` for Python.

pub mod aio;
mod constructor;
mod core;
pub mod delivery;
pub mod delivery_batch;
mod events;
pub mod handle;
mod send;
mod send_many;
pub mod transaction;

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use super::blocking::{deadline, detached, seconds};
use super::construct::LateInit;
use super::group_metadata::GroupMetadata;
use super::notifier;
use crate::error::Error;

use core::{ProducerCore, CLOSE_TIMEOUT};
use delivery::{Delivery, RecordMetadata};
use delivery_batch::DeliveryBatch;
use handle::ProducerHandle;
use send::SendArgs;
use transaction::Transaction;

/// Sends Python objects as JSON to Kafka. Thread-safe: one producer serves a whole program.
#[pyclass(module = "kjson", frozen, subclass)]
pub struct Producer {
    handle: LateInit<Py<ProducerHandle>>,
}

#[pymethods]
impl Producer {
    #[new]
    #[classmethod]
    #[pyo3(
        signature = (*arguments, **options),
        text_signature = "(bootstrap_servers='localhost:9092', *, connect_timeout=10.0, max_block_ms=60000.0, \
        default=None, nan='error', value_serializer=None, key_serializer=None, on_delivery=None, on_error=None, \
        on_stats=None, config=None, **options)"
    )]
    fn py_new(
        class: &Bound<'_, PyType>,
        arguments: &Bound<'_, PyTuple>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let make = || Self::make(arguments, options);
        Ok(Producer { handle: LateInit::in_new::<Self>(class, "Producer", make)? })
    }

    #[pyo3(signature = (*arguments, **options))]
    fn __init__(&self, arguments: &Bound<'_, PyTuple>, options: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        self.handle.in_init(|| Self::make(arguments, options))
    }

    /// Enqueue one message and return its `Delivery`. Blocks only while the queue is full.
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
        let parts = SendArgs { topic, value, key, headers, partition, timestamp, on_delivery };
        let handle = slf.get().handle()?;
        Ok(Delivery::new(handle.get().send(slf.py(), &parts)?, handle.clone_ref(slf.py())))
    }

    /// Send a message and wait until it is acknowledged. Not delayed by `linger_ms`.
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

    /// Enqueue many messages in one call, at less cost for each than `send`.
    #[pyo3(signature = (topic, values, *, key=None, headers=None, partition=None))]
    fn send_many(
        slf: &Bound<'_, Self>,
        topic: &Bound<'_, PyString>,
        values: &Bound<'_, PyAny>,
        key: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
        partition: Option<i32>,
    ) -> PyResult<DeliveryBatch> {
        send_many::send_many(slf.py(), slf.get().handle()?, topic, values, key, headers, partition)
    }

    /// Counts since the producer was created, without asking a broker.
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let core = self.core()?;
        core.metrics(py)
    }

    /// Wait until every message is acknowledged or has failed, and its callbacks have returned.
    #[pyo3(signature = (timeout=None))]
    fn flush(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let core = self.core()?;
        core.usable()?;
        let deadline = deadline(timeout)?;
        Ok(detached(py, |interrupt| core.producer.flush(deadline, interrupt))?)
    }

    /// Flush, and close the client. Closing again does nothing.
    #[pyo3(signature = (timeout=Some(CLOSE_TIMEOUT)), text_signature = "($self, timeout=30.0)")]
    fn close(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let core = self.core()?;
        Ok(core.close(py, deadline(timeout)?)?)
    }

    /// A transaction as a `with` block: commits at its end, or aborts if an exception leaves it.
    fn transaction(&self) -> PyResult<Transaction> {
        Ok(Transaction { core: self.core()?.clone() })
    }

    /// Begin a transaction.
    fn begin_transaction(&self, py: Python<'_>) -> PyResult<()> {
        Ok(transaction::begin(py, self.core()?)?)
    }

    /// Flush and commit: consumers with `isolation_level="read_committed"` see all of it from now on.
    #[pyo3(signature = (timeout=Some(transaction::TIMEOUT)), text_signature = "($self, timeout=60.0)")]
    fn commit_transaction(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let core = self.core()?;
        Ok(transaction::commit(py, core, timeout)?)
    }

    /// Abort the open transaction: `read_committed` consumers see none of its messages.
    #[pyo3(signature = (timeout=Some(transaction::TIMEOUT)), text_signature = "($self, timeout=60.0)")]
    fn abort_transaction(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let core = self.core()?;
        Ok(transaction::abort(py, core, timeout)?)
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
        let core = self.core()?;
        transaction::send_offsets(py, core, offsets, group_metadata, timeout)
    }

    /// Ask a broker for an answer, for up to `timeout` seconds.
    #[pyo3(signature = (timeout=5.0))]
    fn ping(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
        let core = self.core()?;
        core.usable()?;
        let timeout = seconds("timeout", Some(timeout))?.unwrap_or(Duration::MAX);
        Ok(detached(py, |interrupt| core.producer.ping(timeout, interrupt))?)
    }

    /// The partition numbers of a topic, asked of a broker for up to `timeout` seconds.
    #[pyo3(signature = (topic, *, timeout=5.0))]
    fn partitions_for(&self, py: Python<'_>, topic: &str, timeout: f64) -> PyResult<Vec<i32>> {
        let core = self.core()?;
        core.usable()?;
        let timeout = seconds("timeout", Some(timeout))?.unwrap_or(Duration::MAX);
        let count = detached(py, |interrupt| core.producer.partition_count(topic, timeout, interrupt))?;
        Ok((0..i32::try_from(count).unwrap_or(i32::MAX)).collect())
    }

    /// The number of messages that are neither acknowledged nor failed yet.
    #[getter]
    fn pending(&self) -> PyResult<usize> {
        Ok(self.core()?.producer.pending())
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().core()?.open()?;
        Ok(slf)
    }

    /// If an exception leaves the block, one of the close is logged and does not replace it.
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let core = self.core()?;
        if core.producer.forked() && !kind.is_none() {
            return Ok(());
        }
        let closed = core.close(py, deadline(Some(CLOSE_TIMEOUT))?);
        if kind.is_none() {
            return Ok(closed?);
        }
        notifier::log_instead("producer", closed)
    }

    fn __repr__(&self) -> String {
        self.handle.repr(|handle| handle.get().core.repr("Producer"))
    }
}

impl Producer {
    fn make(arguments: &Bound<'_, PyTuple>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Py<ProducerHandle>> {
        constructor::make(arguments, options, false)
    }

    pub fn handle(&self) -> Result<&Py<ProducerHandle>, Error> {
        self.handle.get()
    }

    pub fn core(&self) -> Result<&Arc<ProducerCore>, Error> {
        Ok(&self.handle()?.get().core)
    }
}
