//! The ways to read: iteration, `poll` and `consume`.

use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;

use crate::bindings::blocking::deadline;
use crate::bindings::message::Message;
use crate::kafka::Deadline;

use super::Consumer;

#[pymethods]
impl Consumer {
    /// The next message, or None when there was none for `timeout` seconds. None waits for ever.
    #[pyo3(signature = (timeout=Some(1.0)), text_signature = "($self, timeout=1.0)")]
    fn poll(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Message>> {
        let deadline = deadline(timeout)?;
        self.core.next_message(py, || deadline)
    }

    /// Up to `max_messages`: waits for the first, and takes what is there. Asking again means that all are worked on.
    #[pyo3(signature = (max_messages=500, timeout=Some(1.0)), text_signature = "($self, max_messages=500, timeout=1.0)")]
    fn consume(&self, py: Python<'_>, max_messages: usize, timeout: Option<f64>) -> PyResult<Vec<Message>> {
        if max_messages == 0 {
            return Err(PyValueError::new_err("consume: max_messages must be at least 1"));
        }
        let mut incoming = self.core.next(py, max_messages, deadline(timeout)?)?.into_iter();
        let mut messages = Vec::with_capacity(incoming.len());
        let mut passed_on = Vec::with_capacity(incoming.len());
        let (mut unread, mut failed) = (None, None);
        for next in incoming.by_ref() {
            match self.core.decoder.message(py, &next) {
                Ok(message) => {
                    messages.push(message);
                    passed_on.push(next);
                }
                // The first of all is bad: it is passed by, and raised.
                Err(error) if messages.is_empty() && error.is_instance_of::<PyException>(py) => {
                    passed_on.push(next);
                    failed = Some(error);
                    break;
                }
                // The good ones go out first; this one is met, and raised, at the head of the next call.
                Err(error) => {
                    unread = Some(next);
                    failed = Some(error).filter(|_| messages.is_empty());
                    break;
                }
            }
        }
        self.core.consumer.handed_out(passed_on);
        self.core.consumer.give_back(unread.into_iter().chain(incoming));
        if let Some(error) = failed {
            return Err(error);
        }
        Ok(messages)
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Message>> {
        self.core.next_message(py, || Deadline::after(self.core.idle))
    }
}
