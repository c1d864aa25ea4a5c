//! `AsyncProducer` for Python.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::error::Error;
use crate::kafka::{self, Deadline, Interrupt};
use crate::python::aio::connection::connect;
use crate::python::aio::operation::Operation;
use crate::python::aio::spawn_blocking::spawn_blocking;
use crate::python::blocking::{deadline, seconds};
use crate::python::construct::LateInit;
use crate::python::notifier;
use crate::python::producer::constructor;
use crate::python::producer::core::{ProducerCore, CLOSE_TIMEOUT};
use crate::python::producer::events::KafkaProducer;
use crate::python::producer::handle::ProducerHandle;

use super::raised;

/// Sends Python objects as JSON to Kafka, on an event loop.
#[pyclass(module = "kjson", frozen, subclass)]
pub struct AsyncProducer {
    handle: LateInit<Py<ProducerHandle>>,
}

impl AsyncProducer {
    fn make(arguments: &Bound<'_, PyTuple>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Py<ProducerHandle>> {
        constructor::make(arguments, options, true)
    }

    pub fn handle(&self) -> Result<&Py<ProducerHandle>, Error> {
        self.handle.get()
    }

    pub fn core(&self) -> Result<&Arc<ProducerCore>, Error> {
        Ok(&self.handle()?.get().core)
    }

    /// Runs a blocking call on a thread.
    fn offloaded<T>(
        &self,
        name: &'static str,
        timeout: Option<f64>,
        work: impl FnOnce(&KafkaProducer, Duration, Interrupt<'_>) -> Result<T, kafka::Error> + Send + 'static,
    ) -> PyResult<Operation>
    where
        T: for<'py> IntoPyObject<'py> + Send + 'static,
    {
        let core = self.core()?.clone();
        Ok(Operation::from_future(name, async move {
            core.usable()?;
            let timeout = seconds("timeout", timeout)?.unwrap_or(Duration::MAX);
            raised(spawn_blocking(move |interrupt| work(&core.producer, timeout, interrupt)).await)
        }))
    }
}

#[pymethods]
impl AsyncProducer {
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
        Ok(AsyncProducer { handle: LateInit::in_new::<Self>(class, "AsyncProducer", make)? })
    }

    #[pyo3(signature = (*arguments, **options))]
    fn __init__(&self, arguments: &Bound<'_, PyTuple>, options: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        self.handle.in_init(|| Self::make(arguments, options))
    }

    /// Connect. `async with` and the first send do it, too.
    fn start(&self) -> PyResult<Operation> {
        let core = self.core()?.clone();
        Ok(Operation::from_future("AsyncProducer.start", async move {
            core.usable()?;
            raised(connect(&core).await)
        }))
    }

    /// Counts since the producer was created, without asking a broker.
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.core()?.metrics(py)
    }

    /// Wait until every message is acknowledged or has failed, and its callbacks have returned.
    #[pyo3(signature = (timeout=None))]
    fn flush(&self, timeout: Option<f64>) -> PyResult<Operation> {
        self.offloaded("AsyncProducer.flush", timeout, |producer, timeout, interrupt| {
            producer.flush(Deadline::after(Some(timeout)), interrupt)
        })
    }

    /// Flush, and close the client. Closing again does nothing.
    #[pyo3(signature = (timeout=Some(CLOSE_TIMEOUT)), text_signature = "($self, timeout=30.0)")]
    fn close(&self, timeout: Option<f64>) -> PyResult<Operation> {
        self.offloaded("AsyncProducer.close", timeout, |producer, timeout, interrupt| {
            producer.close(Deadline::after(Some(timeout)), interrupt)
        })
    }

    /// Ask a broker for an answer, for up to `timeout` seconds.
    #[pyo3(signature = (timeout=5.0))]
    fn ping(&self, timeout: f64) -> PyResult<Operation> {
        self.offloaded("AsyncProducer.ping", Some(timeout), |producer, timeout, interrupt| {
            producer.ping(timeout, interrupt)
        })
    }

    /// The partition numbers of a topic, asked of a broker for up to `timeout` seconds.
    #[pyo3(signature = (topic, *, timeout=5.0))]
    fn partitions_for(&self, topic: String, timeout: f64) -> PyResult<Operation> {
        self.offloaded("AsyncProducer.partitions_for", Some(timeout), move |producer, timeout, interrupt| {
            let count = producer.partition_count(&topic, timeout, interrupt)?;
            Ok((0..i32::try_from(count).unwrap_or(i32::MAX)).collect::<Vec<_>>())
        })
    }

    /// The number of messages that are neither acknowledged nor failed yet.
    #[getter]
    fn pending(&self) -> PyResult<usize> {
        Ok(self.core()?.producer.pending())
    }

    fn __aenter__(slf: &Bound<'_, Self>) -> PyResult<Operation> {
        let this = slf.clone().unbind();
        Ok(Operation::from_future("AsyncProducer.__aenter__", async move {
            let core = this.get().core()?;
            core.open()?;
            raised(connect(core).await)?;
            Ok(this)
        }))
    }

    /// If an exception leaves the block, one of the close is logged and does not replace it.
    fn __aexit__(
        &self,
        kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<Operation> {
        let (core, failed) = (self.core()?.clone(), !kind.is_none());
        Ok(Operation::from_future("AsyncProducer.__aexit__", async move {
            if failed && core.producer.forked() {
                return Ok(());
            }
            core.usable()?;
            let deadline = deadline(Some(CLOSE_TIMEOUT))?;
            let closed = spawn_blocking(move |interrupt| core.producer.close(deadline, interrupt)).await;
            if failed {
                return notifier::log_instead("producer", closed.map_err(Error::from));
            }
            raised(closed)
        }))
    }

    fn __repr__(&self) -> String {
        self.handle.repr(|handle| handle.get().core.repr("AsyncProducer"))
    }
}
