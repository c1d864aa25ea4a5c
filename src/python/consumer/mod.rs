//! The `Consumer` class.

pub mod aio;
mod arena_pins;
mod batch;
mod calls;
mod close;
pub mod constructor;
mod core;
pub mod dead_letter;
mod decode;
mod decode_error;
mod decode_session;
mod handled_exception;
mod offsets;
mod peek;
mod policy;
pub mod reading;
mod rebalance;
mod retry_budget;

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};

use super::blocking::deadline;
use super::construct::LateInit;
use super::message::generic_alias;
use super::notifier;
use crate::error::Error;

use self::core::ConsumerCore;
use close::CLOSE_TIMEOUT;
use rebalance::list_of;

/// Reads JSON from Kafka as Python objects, at least once. For one thread at a time.
#[pyclass(module = "kjson", frozen, subclass)]
pub struct Consumer {
    core: LateInit<Arc<ConsumerCore>>,
}

#[pymethods]
impl Consumer {
    #[new]
    #[classmethod]
    #[pyo3(
        signature = (*arguments, **options),
        text_signature = "(*topics, bootstrap_servers='localhost:9092', group_id=None, consumer_timeout_ms=None, \
        connect_timeout=10.0, unreachable_timeout=60.0, on_decode_error='raise', value_type=None, \
        value_deserializer=None, key_type='auto', max_message_bytes=16777216, parse_float=None, on_assign=None, \
        on_revoke=None, on_lost=None, on_commit=None, on_error=None, on_stats=None, config=None, **options)"
    )]
    fn py_new(
        class: &Bound<'_, PyType>,
        arguments: &Bound<'_, PyTuple>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let make = || Self::make(arguments, options);
        Ok(Consumer { core: LateInit::in_new::<Self>(class, "Consumer", make)? })
    }

    #[pyo3(signature = (*arguments, **options))]
    fn __init__(&self, arguments: &Bound<'_, PyTuple>, options: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        self.core.in_init(|| Self::make(arguments, options))
    }

    /// Subscribe to topics, or, with a group, to all topics whose names match a regular expression.
    #[pyo3(signature = (topics=None, *, pattern=None))]
    fn subscribe(
        &self,
        py: Python<'_>,
        topics: Option<&Bound<'_, PyAny>>,
        pattern: Option<&str>,
    ) -> PyResult<Py<PyAny>> {
        calls::subscribe(self.core()?, topics, pattern)?.run_blocking(py, self.core()?)
    }

    /// Unsubscribe from all topics, and end an assignment. Reads nothing until the next `subscribe` or `assign`.
    fn unsubscribe(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let core = slf.get().core()?;
        calls::unsubscribe(core)?.run_with_callbacks(slf, core)
    }

    /// The topics, or the pattern, that were subscribed to. Does not block.
    fn subscription(&self) -> PyResult<Vec<String>> {
        Ok(self.core()?.consumer.subscription())
    }

    /// The partitions that are assigned to this consumer now. Does not block. `rd_kafka_assignment`.
    fn assignment<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.core()?.usable()?;
        list_of(py, &self.core()?.consumer.assignment().map_err(Error::from)?)
    }

    /// Read these partitions and no others, from their offsets if given, without sharing them with a group.
    fn assign(slf: &Bound<'_, Self>, partitions: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let core = slf.get().core()?;
        calls::assign(core, partitions)?.run_with_callbacks(slf, core)
    }

    /// Counts since the consumer was created, without asking a broker.
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.core()?.metrics(py)
    }

    /// Ask a broker for an answer, for up to `timeout` seconds.
    #[pyo3(signature = (timeout=5.0))]
    fn ping(&self, py: Python<'_>, timeout: f64) -> PyResult<Py<PyAny>> {
        calls::ping(self.core()?, timeout)?.run_blocking(py, self.core()?)
    }

    /// Commit processed messages, leave the group, and close the client. Closing again does nothing.
    #[pyo3(signature = (timeout=Some(CLOSE_TIMEOUT)), text_signature = "($self, timeout=10.0)")]
    fn close(slf: &Bound<'_, Self>, timeout: Option<f64>) -> PyResult<()> {
        let deadline = deadline(timeout)?;
        let core = slf.get().core()?;
        if core.handled_exception.is_new(slf.py())? {
            core.consumer.mark_unprocessed();
        }
        core.handled_exception.forget();
        Ok(core.close_for(slf, deadline)?)
    }

    #[classmethod]
    fn __class_getitem__<'py>(class: &Bound<'py, PyType>, item: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        generic_alias(class, item)
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().core()?.open()?;
        Ok(slf)
    }

    fn __exit__(
        slf: &Bound<'_, Self>,
        kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let core = slf.get().core()?;
        if !kind.is_none() {
            if core.consumer.forked() {
                return Ok(());
            }
            core.consumer.mark_unprocessed();
        }
        let deadline = deadline(Some(CLOSE_TIMEOUT))?;
        let closed = core.close_for(slf, deadline);
        if kind.is_none() {
            return Ok(closed?);
        }
        notifier::log_instead("consumer", closed)
    }

    fn __repr__(&self) -> String {
        self.core.repr(|core| core.repr())
    }
}

impl Consumer {
    /// Calls the constructor with the arguments of the class.
    fn make(arguments: &Bound<'_, PyTuple>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Arc<ConsumerCore>> {
        constructor::make(arguments, options, false)
    }

    pub fn core(&self) -> Result<&Arc<ConsumerCore>, Error> {
        self.core.get()
    }
}
