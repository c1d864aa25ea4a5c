//! `AsyncProducer` for Python.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use crate::error::Error;
use crate::kafka::{self, Deadline, Interrupt};
use crate::python::aio::connection::connect;
use crate::python::aio::operation::Operation;
use crate::python::aio::spawn_blocking::spawn_blocking;
use crate::python::blocking::{deadline, seconds};
use crate::python::construct::LateInit;
use crate::python::group_metadata::GroupMetadata;
use crate::python::notifier;
use crate::python::partitions::offsets_of;
use crate::python::producer::batch::DeliveryBatch;
use crate::python::producer::constructor;
use crate::python::producer::core::{Core, CLOSE_TIMEOUT};
use crate::python::producer::delivery::Delivery;
use crate::python::producer::handle::Handle;
use crate::python::producer::send::{with_buffer, Parts};
use crate::python::producer::send_many::Sender;
use crate::python::producer::transaction::TIMEOUT;

use super::delivery::result;
use super::send_many::send_all;
use super::transaction::{self, AsyncTransaction};
use super::{backpressure, raised, sent};

/// Sends Python objects as JSON to Kafka, on an event loop.
#[pyclass(module = "kjson", frozen, subclass)]
pub struct AsyncProducer {
    handle: LateInit<Py<Handle>>,
}

type Engine = kafka::Producer<crate::python::producer::events::ProducerEvents>;

impl AsyncProducer {
    fn make(arguments: &Bound<'_, PyTuple>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Py<Handle>> {
        constructor::make(arguments, options, true)
    }

    pub fn handle(&self) -> Result<&Py<Handle>, Error> {
        self.handle.get()
    }

    fn core(&self) -> Result<&Arc<Core>, Error> {
        Ok(&self.handle()?.get().core)
    }

    /// A call that blocks, on a thread.
    fn offloaded<T>(
        &self,
        name: &'static str,
        prepare: impl FnOnce() -> PyResult<Duration> + Send + 'static,
        work: impl FnOnce(&Engine, Duration, Interrupt<'_>) -> Result<T, kafka::Error> + Send + 'static,
    ) -> PyResult<Operation>
    where
        T: for<'py> IntoPyObject<'py> + Send + 'static,
    {
        let core = self.core()?.clone();
        Ok(Operation::from_future(name, async move {
            core.usable()?;
            let timeout = prepare()?;
            raised(spawn_blocking(move |interrupt| work(&core.producer, timeout, interrupt)).await)
        }))
    }

    /// Encodes and, if there is room, hands over at once: an operation that is over then, or one that waits.
    fn send_parts<T>(
        &self,
        py: Python<'_>,
        name: &'static str,
        parts: &Parts<'_, '_>,
        then: impl FnOnce(Python<'_>, Delivery) -> Operation,
        later: impl FnOnce(Delivery) -> T + Send + 'static,
    ) -> PyResult<Operation>
    where
        T: std::future::Future<Output = PyResult<Py<PyAny>>> + Send + 'static,
    {
        let handle = self.handle()?;
        let core = &handle.get().core;
        Ok(with_buffer(|buffer| {
            let mut message = match core.prepare(parts, buffer) {
                Ok(message) => message,
                Err(error) => return Operation::ready::<()>(py, name, Err(error)),
            };
            let producer = handle.clone_ref(py);
            if core.aio.connection.is_connected() {
                match raised(core.try_send(&mut message, buffer)) {
                    Ok(Some(report)) => {
                        sent(core);
                        return then(py, Delivery::new(report, producer));
                    }
                    Ok(None) => {}
                    Err(error) => return Operation::ready::<()>(py, name, Err(error)),
                }
            }
            let (core, bytes) = (core.clone(), buffer.clone());
            Operation::from_future(name, async move {
                let report = backpressure::send(&core, message, &bytes).await?;
                later(Delivery::new(report, producer)).await
            })
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

    /// Enqueue one message and return its `Delivery`, which may be awaited. Waits only while the queue is full.
    #[pyo3(signature = (topic, value, *, key=None, headers=None, partition=None, timestamp=None, on_delivery=None))]
    #[allow(clippy::too_many_arguments)]
    fn send(
        &self,
        py: Python<'_>,
        topic: &Bound<'_, PyString>,
        value: &Bound<'_, PyAny>,
        key: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
        partition: Option<i32>,
        timestamp: Option<&Bound<'_, PyAny>>,
        on_delivery: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Operation> {
        const NAME: &str = "AsyncProducer.send";
        let parts = Parts { topic, value, key, headers, partition, timestamp, on_delivery };
        let then = |py: Python<'_>, delivery| Operation::ready(py, NAME, Ok(delivery));
        let later = |delivery| async { Python::attach(|py| Py::new(py, delivery).map(|delivery| delivery.into_any())) };
        self.send_parts(py, NAME, &parts, then, later)
    }

    /// Send a message and wait until it is acknowledged. Not delayed by `linger_ms`.
    #[pyo3(signature = (
        topic, value, *, timeout=None, key=None, headers=None, partition=None, timestamp=None, on_delivery=None
    ))]
    #[allow(clippy::too_many_arguments)]
    fn send_and_wait(
        &self,
        py: Python<'_>,
        topic: &Bound<'_, PyString>,
        value: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        key: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
        partition: Option<i32>,
        timestamp: Option<&Bound<'_, PyAny>>,
        on_delivery: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Operation> {
        const NAME: &str = "AsyncProducer.send_and_wait";
        if let Err(error) = seconds("timeout", timeout) {
            return Ok(Operation::ready::<()>(py, NAME, Err(error)));
        }
        let parts = Parts { topic, value, key, headers, partition, timestamp, on_delivery };
        let wait = move |delivery: Delivery| async move {
            let delivery = Python::attach(|py| Py::new(py, delivery))?;
            let metadata = result(delivery, timeout).await?;
            Python::attach(|py| Py::new(py, metadata).map(|metadata| metadata.into_any()))
        };
        let then = move |_: Python<'_>, delivery| Operation::from_future(NAME, wait(delivery));
        self.send_parts(py, NAME, &parts, then, wait)
    }

    /// Enqueue many messages in one call, at less cost for each than `send`.
    #[pyo3(signature = (topic, values, *, key=None, headers=None, partition=None))]
    fn send_many(
        &self,
        py: Python<'_>,
        topic: &Bound<'_, PyString>,
        values: &Bound<'_, PyAny>,
        key: Option<Py<PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
        partition: Option<i32>,
    ) -> PyResult<Operation> {
        const NAME: &str = "AsyncProducer.send_many";
        let producer = self.handle()?.clone_ref(py);
        let begin = || {
            let key = key.as_ref().map(|key| key.bind(py));
            Ok((values.try_iter()?.unbind(), Sender::new(self.core()?, topic, values, key, headers, partition)?))
        };
        Ok(match begin() {
            Err(error) => Operation::ready::<()>(py, NAME, Err(error)),
            Ok((items, sender)) => Operation::from_future(NAME, async move {
                Ok(DeliveryBatch { batch: send_all(sender, items, key).await?, producer })
            }),
        })
    }

    /// Counts since the producer was created, without asking a broker.
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.core()?.metrics(py)
    }

    /// Wait until every message is acknowledged or has failed, and its callbacks have returned.
    #[pyo3(signature = (timeout=None))]
    fn flush(&self, timeout: Option<f64>) -> PyResult<Operation> {
        self.offloaded(
            "AsyncProducer.flush",
            move || Ok(seconds("timeout", timeout)?.unwrap_or(Duration::MAX)),
            |producer, timeout, interrupt| producer.flush(Deadline::after(Some(timeout)), interrupt),
        )
    }

    /// Flush, and close the client. Closing again does nothing.
    #[pyo3(signature = (timeout=Some(CLOSE_TIMEOUT)), text_signature = "($self, timeout=30.0)")]
    fn close(&self, timeout: Option<f64>) -> PyResult<Operation> {
        self.offloaded(
            "AsyncProducer.close",
            move || Ok(seconds("timeout", timeout)?.unwrap_or(Duration::MAX)),
            |producer, timeout, interrupt| producer.close(Deadline::after(Some(timeout)), interrupt),
        )
    }

    /// A transaction as an `async with` block: commits at its end, or aborts if an exception leaves it.
    fn transaction(&self) -> PyResult<AsyncTransaction> {
        Ok(AsyncTransaction { core: self.core()?.clone() })
    }

    /// Begin a transaction.
    fn begin_transaction(&self) -> PyResult<Operation> {
        let core = self.core()?.clone();
        Ok(Operation::from_future(
            "AsyncProducer.begin_transaction",
            async move { Ok(transaction::begin(&core).await?) },
        ))
    }

    /// Flush and commit: consumers with `isolation_level="read_committed"` see all of it from now on.
    #[pyo3(signature = (timeout=Some(TIMEOUT)), text_signature = "($self, timeout=60.0)")]
    fn commit_transaction(&self, timeout: Option<f64>) -> PyResult<Operation> {
        let core = self.core()?.clone();
        Ok(Operation::from_future("AsyncProducer.commit_transaction", async move {
            Ok(transaction::commit(&core, timeout).await?)
        }))
    }

    /// Abort the open transaction: `read_committed` consumers see none of its messages.
    #[pyo3(signature = (timeout=Some(TIMEOUT)), text_signature = "($self, timeout=60.0)")]
    fn abort_transaction(&self, timeout: Option<f64>) -> PyResult<Operation> {
        let core = self.core()?.clone();
        Ok(Operation::from_future("AsyncProducer.abort_transaction", async move {
            Ok(transaction::abort(&core, timeout).await?)
        }))
    }

    /// Commit a consumer's offsets with the transaction: exactly once from topic to topic (KIP-98, KIP-447).
    #[pyo3(
        signature = (offsets, group_metadata, *, timeout=Some(TIMEOUT)),
        text_signature = "($self, offsets, group_metadata, *, timeout=60.0)"
    )]
    fn send_offsets_to_transaction(
        &self,
        py: Python<'_>,
        offsets: &Bound<'_, PyAny>,
        group_metadata: &GroupMetadata,
        timeout: Option<f64>,
    ) -> PyResult<Operation> {
        const NAME: &str = "AsyncProducer.send_offsets_to_transaction";
        let offsets: Vec<_> = match offsets_of("send_offsets_to_transaction", offsets) {
            Ok(offsets) => offsets.into_iter().collect(),
            Err(error) => return Ok(Operation::ready::<()>(py, NAME, Err(error))),
        };
        let (core, group) = (self.core()?.clone(), group_metadata.0.clone());
        Ok(Operation::from_future(NAME, async move {
            core.usable()?;
            let deadline = deadline(timeout)?;
            let send = move |core: &Core, interrupt: Interrupt<'_>| {
                core.producer.send_offsets(offsets, group, deadline, interrupt)
            };
            Ok(transaction::step(&core, send).await?)
        }))
    }

    /// Ask a broker for an answer, for up to `timeout` seconds.
    #[pyo3(signature = (timeout=5.0))]
    fn ping(&self, timeout: f64) -> PyResult<Operation> {
        self.offloaded(
            "AsyncProducer.ping",
            move || Ok(seconds("timeout", Some(timeout))?.unwrap_or(Duration::MAX)),
            |producer, timeout, interrupt| producer.ping(timeout, interrupt),
        )
    }

    /// The partition numbers of a topic, asked of a broker for up to `timeout` seconds.
    #[pyo3(signature = (topic, *, timeout=5.0))]
    fn partitions_for(&self, topic: String, timeout: f64) -> PyResult<Operation> {
        self.offloaded(
            "AsyncProducer.partitions_for",
            move || Ok(seconds("timeout", Some(timeout))?.unwrap_or(Duration::MAX)),
            move |producer, timeout, interrupt| {
                let count = producer.partition_count(&topic, timeout, interrupt)?;
                Ok((0..i32::try_from(count).unwrap_or(i32::MAX)).collect::<Vec<_>>())
            },
        )
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

    /// An exception on its way out of the block is not replaced by one of the close, which is logged then.
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
