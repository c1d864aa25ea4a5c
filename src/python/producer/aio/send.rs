//! `AsyncProducer.send` and `send_and_wait`.

use std::future::Future;

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::python::aio::operation::Operation;
use crate::python::blocking::seconds;
use crate::python::producer::delivery::Delivery;
use crate::python::producer::send::{with_buffer, SendArgs};

use super::delivery::result;
use super::{backpressure, note_sent, raised, AsyncProducer};

impl AsyncProducer {
    /// Encodes a message and enqueues it. `then` makes the operation if the queue has space at once; otherwise the
    /// operation waits for space and then runs `later`.
    fn send_parts<T>(
        &self,
        py: Python<'_>,
        name: &'static str,
        parts: &SendArgs<'_, '_>,
        then: impl FnOnce(Python<'_>, Delivery) -> Operation,
        later: impl FnOnce(Delivery) -> T + Send + 'static,
    ) -> PyResult<Operation>
    where
        T: Future<Output = PyResult<Py<PyAny>>> + Send + 'static,
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
                    Ok(Some(state)) => {
                        note_sent(core);
                        return then(py, Delivery::new(state, producer));
                    }
                    Ok(None) => {}
                    Err(error) => return Operation::ready::<()>(py, name, Err(error)),
                }
            }
            let (core, bytes) = (core.clone(), buffer.clone());
            Operation::from_future(name, async move {
                let state = backpressure::send(&core, message, &bytes).await?;
                later(Delivery::new(state, producer)).await
            })
        }))
    }
}

#[pymethods]
impl AsyncProducer {
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
        let parts = SendArgs { topic, value, key, headers, partition, timestamp, on_delivery };
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
        let parts = SendArgs { topic, value, key, headers, partition, timestamp, on_delivery };
        let wait = move |delivery: Delivery| async move {
            let delivery = Python::attach(|py| Py::new(py, delivery))?;
            let metadata = result(delivery, timeout).await?;
            Python::attach(|py| Py::new(py, metadata).map(|metadata| metadata.into_any()))
        };
        let then = move |_: Python<'_>, delivery| Operation::from_future(NAME, wait(delivery));
        self.send_parts(py, NAME, &parts, then, wait)
    }
}
