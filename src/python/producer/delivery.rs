//! `Delivery` and `RecordMetadata`: whether and where a message was stored, for Python.

use std::sync::atomic::AtomicBool;
use std::sync::Arc;
use std::task::Waker;

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::error::{delivery_error, raise, Error};
use crate::kafka::{Delivered, DeliveryState, Failure};
use crate::python::blocking::{deadline, detached};
use crate::python::callables::refuse_async_argument;
use crate::python::message_parts::datetime_of;

use super::aio::{refuse_on_loop, DoneCallback};
use super::core::ProducerCore;
use super::handle::ProducerHandle;

pub type SharedDelivery = Arc<DeliveryState<DeliveryCallback>>;

/// What a message's completion calls.
pub enum DeliveryCallback {
    /// The producer's `on_delivery(error, metadata)`.
    Default,
    /// The message's own.
    OnDelivery(Py<PyAny>),
    /// `add_done_callback(fn)`: called with the `Delivery`.
    Done(Py<PyAny>, Py<Delivery>),
    /// Wakes a task on an event loop, without Python.
    Wake(Waker),
    /// `add_done_callback(fn)` on an event loop.
    OnLoop(Arc<DoneCallback>),
}

impl DeliveryCallback {
    /// An exception of the user's code goes to `sys.unraisablehook`, and the next callback runs.
    pub fn call(&self, py: Python<'_>, state: &DeliveryState<Self>, topic: &str, default: Option<&Py<PyAny>>) {
        let function = match (self, default) {
            (Self::Default, None) | (Self::Wake(_) | Self::OnLoop(_), _) => return,
            (Self::Default, Some(function)) => function,
            (Self::OnDelivery(function) | Self::Done(function, _), _) => function,
        };
        let result = if let Self::Done(_, delivery) = self {
            function.call1(py, (delivery,))
        } else {
            let (error, metadata) = match state.completion() {
                Some(Ok(at)) => (None, Some(RecordMetadata::new(topic, at))),
                Some(Err(failure)) => (Some(failed(failure).into_value(py)), None),
                None => (None, None),
            };
            function.call1(py, (error, metadata))
        };
        if let Err(error) = result {
            error.write_unraisable(py, Some(function.bind(py)));
        }
    }
}

fn failed(failure: &Failure) -> PyErr {
    delivery_error(&failure.message, std::slice::from_ref(failure))
}

/// The future result of one message. It need not be kept: `flush` and `close` raise failures that were not seen.
#[pyclass(module = "kjson", frozen)]
pub struct Delivery {
    pub state: SharedDelivery,
    pub producer: Py<ProducerHandle>,
    /// Waits by callback were cancelled, and there was no new one.
    pub cancelled: AtomicBool,
}

impl Delivery {
    pub fn new(state: SharedDelivery, producer: Py<ProducerHandle>) -> Self {
        Delivery { state, producer, cancelled: AtomicBool::new(false) }
    }

    pub fn core(&self) -> &Arc<ProducerCore> {
        &self.producer.get().core
    }

    fn topic(&self) -> Arc<str> {
        self.core().producer.topic_name(self.state.topic)
    }

    pub fn outcome(&self) -> Option<PyResult<RecordMetadata>> {
        let completion = self.state.completion()?;
        self.state.see();
        Some(match completion {
            Ok(at) => Ok(RecordMetadata::new(&self.topic(), at)),
            Err(failure) => Err(failed(failure)),
        })
    }

    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> Result<PyResult<RecordMetadata>, Error> {
        if let Some(outcome) = self.outcome() {
            return Ok(outcome);
        }
        self.core().usable()?;
        self.raise_cancelled(py)?;
        refuse_on_loop(py, self.core(), "this delivery")?;
        let deadline = deadline(timeout)?;
        let producer = &self.core().producer;
        let done = || self.state.completion().is_some();
        detached(py, |interrupt| producer.wait_until(deadline, interrupt, done))?;
        self.outcome().ok_or_else(|| Error::Python(self.timeout_error(timeout)))
    }

    /// The error of a wait that ended before the message was complete.
    pub fn timeout_error(&self, timeout: Option<f64>) -> PyErr {
        timeout_error(&format!(
            "the message to '{}' was neither acknowledged nor failed within {} s. It is still in flight: call again",
            self.topic(),
            timeout.unwrap_or(0.0)
        ))
    }
}

#[pymethods]
impl Delivery {
    /// Wait for the acknowledgement and return the message's partition, offset and timestamp.
    #[pyo3(signature = (timeout=None))]
    pub fn result(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<RecordMetadata> {
        self.wait(py, timeout)?
    }

    /// As `result`, but return the `DeliveryError`, or None for an acknowledged message.
    #[pyo3(signature = (timeout=None))]
    fn exception(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Py<PyAny>>> {
        Ok(self.wait(py, timeout)?.err().map(|error| error.into_value(py).into_any()))
    }

    /// Whether the message is acknowledged or has failed. Does not block.
    fn done(&self) -> bool {
        self.state.completion().is_some()
    }

    /// Call `callback(delivery)` when the outcome is known, on a thread of kjson, or now if it is known already.
    // With an `AsyncProducer` and a running loop: on that loop.
    #[pyo3(signature = (callback, *, context=None))]
    fn add_done_callback(slf: &Bound<'_, Self>, callback: Py<PyAny>, context: Option<Py<PyAny>>) -> PyResult<()> {
        let known = &slf.get().core().callbacks;
        let function = callback.bind(slf.py());
        let code = refuse_async_argument("add_done_callback", "callback", function, "deliveries call", known)?;
        if Self::call_on_loop(slf, &callback, code.as_ref(), context)? {
            return Ok(());
        }
        let state = &slf.get().state;
        state.see();
        if let Err(now) = state.when_done(DeliveryCallback::Done(callback, slf.clone().unbind())) {
            now.call(slf.py(), state, &slf.get().topic(), None);
        }
        Ok(())
    }

    fn __repr__(&self) -> String {
        let state = match self.state.completion() {
            None => "in flight".to_owned(),
            Some(Ok(at)) => format!("delivered to partition {} at offset {}", at.partition, at.offset),
            Some(Err(failure)) => format!("failed: {}", failure.code.name()),
        };
        format!("<Delivery to '{}': {state}>", self.topic())
    }
}

pub fn timeout_error(message: &str) -> PyErr {
    raise("KafkaTimeoutError", message, |attributes| attributes.set_item("retriable", true))
}

/// The topic, partition, offset and timestamp of an acknowledged message.
#[pyclass(module = "kjson", frozen, eq, hash, get_all)]
#[derive(PartialEq, Eq, Hash)]
pub struct RecordMetadata {
    topic: String,
    partition: i32,
    offset: i64,
    /// Milliseconds since 1970, as the broker stored it, or None.
    timestamp_ms: Option<i64>,
}

impl RecordMetadata {
    pub fn new(topic: &str, at: Delivered) -> Self {
        let timestamp_ms = (at.timestamp_ms >= 0).then_some(at.timestamp_ms);
        RecordMetadata { topic: topic.to_owned(), partition: at.partition, offset: at.offset, timestamp_ms }
    }
}

#[pymethods]
impl RecordMetadata {
    #[new]
    #[pyo3(signature = (topic, partition, offset, timestamp_ms=None))]
    fn py_new(topic: String, partition: i32, offset: i64, timestamp_ms: Option<i64>) -> Self {
        RecordMetadata { topic, partition, offset, timestamp_ms }
    }

    /// `timestamp_ms` as an aware datetime in UTC.
    #[getter]
    fn timestamp<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.timestamp_ms.map(|millis| datetime_of(py, millis)).transpose()
    }

    fn __repr__(&self) -> String {
        format!(
            "RecordMetadata(topic='{}', partition={}, offset={}, timestamp_ms={})",
            self.topic,
            self.partition,
            self.offset,
            self.timestamp_ms.map_or_else(|| "None".to_owned(), |millis| millis.to_string())
        )
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let this = slf.get();
        let arguments = (&this.topic, this.partition, this.offset, this.timestamp_ms);
        (slf.get_type(), arguments).into_pyobject(slf.py())
    }
}
