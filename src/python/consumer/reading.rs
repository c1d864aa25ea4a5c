//! The ways to read: iteration, `poll`, `consume`, `until_end` and `values`.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::json;
use crate::kafka::{Deadline, UntilEnd};
use crate::python::blocking::{deadline, seconds};
use crate::python::message::Message;

use super::batch::ConsumeBatch;
use super::decode::Convert;
use super::retry_budget::RetryBudget;
use super::Consumer;

#[pymethods]
impl Consumer {
    /// Return the next message, or None if there is none within `timeout` seconds.
    #[pyo3(signature = (timeout=Some(1.0)), text_signature = "($self, timeout=1.0)")]
    fn poll(slf: &Bound<'_, Self>, timeout: Option<f64>) -> PyResult<Option<Py<Message>>> {
        let deadline = deadline(timeout)?;
        slf.get().core()?.next_message(slf, || deadline, Py::new)
    }

    /// Return up to `max_messages`: wait for the first, and take those that are fetched already.
    #[pyo3(
        signature = (max_messages=500, timeout=Some(1.0)),
        text_signature = "($self, max_messages=500, timeout=1.0)"
    )]
    fn consume(slf: &Bound<'_, Self>, max_messages: isize, timeout: Option<f64>) -> PyResult<Py<PyList>> {
        let max_messages = at_least_one(max_messages)?;
        let (py, core) = (slf.py(), slf.get().core()?);
        let deadline = deadline(timeout)?;
        let mut budget = RetryBudget::default();
        loop {
            let mut incoming = core.next(slf, max_messages, deadline)?.into_iter();
            if incoming.len() == 0 {
                return nothing(py);
            }
            let mut batch = ConsumeBatch::of(core, incoming.len());
            let raised = batch.fill(py, core, &mut incoming);
            let raised = raised.and(batch.await_dead_letters(py, core));
            core.consumer.put_back(std::mem::take(&mut batch.unread).into_iter().chain(incoming));
            if raised.is_ok() && !batch.messages.is_empty() {
                return batch.hand_out(py, core);
            }
            core.consumer.mark_returned(batch.taken);
            raised?;
            if budget.exhausted(py, || deadline)? {
                return nothing(py);
            }
        }
    }

    fn __iter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().core()?.handled_exception.note(slf.py())?;
        Ok(slf)
    }

    fn __next__(slf: &Bound<'_, Self>) -> PyResult<Option<Py<Message>>> {
        let core = slf.get().core()?;
        core.next_message(slf, || Deadline::after(core.idle_timeout), Py::new)
    }

    /// Iterate over the messages up to the current end of each partition, and stop.
    #[pyo3(signature = (*, timeout=30.0))]
    fn until_end(slf: &Bound<'_, Self>, timeout: f64) -> PyResult<MessagesUntilEnd> {
        Self::until_end_within(slf, seconds("timeout", Some(timeout))?.unwrap_or(Duration::MAX))
    }

    /// Iterate over the values alone. Raises what `poll` raises.
    fn values(slf: Bound<'_, Self>) -> Values {
        Values { consumer: slf.unbind() }
    }
}

/// Checks `max_messages` of `consume`.
pub fn at_least_one(max_messages: isize) -> PyResult<usize> {
    match usize::try_from(max_messages) {
        Ok(count @ 1..) => Ok(count),
        _ => Err(PyValueError::new_err(format!("consume: max_messages must be at least 1, not {max_messages}"))),
    }
}

impl Consumer {
    pub fn until_end_within(slf: &Bound<'_, Self>, timeout: Duration) -> PyResult<MessagesUntilEnd> {
        let core = slf.get().core()?;
        core.handled_exception.note(slf.py())?;
        let until = core.with_callbacks(slf, |interrupt| core.consumer.until_end(timeout, interrupt))?;
        Ok(MessagesUntilEnd { consumer: slf.clone().unbind(), until })
    }
}

/// What `Consumer.until_end` returns.
#[pyclass(module = "kjson", name = "_MessagesUntilEnd")]
pub struct MessagesUntilEnd {
    consumer: Py<Consumer>,
    until: UntilEnd,
}

#[pymethods]
impl MessagesUntilEnd {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Option<Py<Message>>> {
        self.next(py, Py::new)
    }
}

impl MessagesUntilEnd {
    pub fn next<T>(&mut self, py: Python<'_>, make: Convert<T>) -> PyResult<Option<T>> {
        let consumer = self.consumer.bind(py);
        let core = consumer.get().core()?;
        loop {
            let until = &mut self.until;
            let incoming = core.with_callbacks(consumer, |interrupt| core.consumer.next_until(until, interrupt))?;
            let Some(incoming) = incoming else { return Ok(None) };
            if let Err(raised) = py.check_signals() {
                core.consumer.put_back([incoming]);
                return Err(raised);
            }
            if let Some(message) = core.decode(py, incoming, make)? {
                return Ok(Some(message));
            }
        }
    }
}

/// What `Consumer.values` returns.
#[pyclass(module = "kjson", frozen, name = "_Values")]
pub struct Values {
    consumer: Py<Consumer>,
}

#[pymethods]
impl Values {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let consumer = self.consumer.bind(py);
        let core = consumer.get().core()?;
        core.next_message(consumer, || Deadline::after(core.idle_timeout), |_, message| Ok(message.into_value()))
    }
}

fn nothing(py: Python<'_>) -> PyResult<Py<PyList>> {
    json::new_list::<PyAny>(py, Vec::new()).map(Bound::unbind).map_err(|(error, _)| error)
}
