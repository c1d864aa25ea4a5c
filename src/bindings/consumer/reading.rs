//! The ways to read: iteration, `poll` and `consume`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::bindings::blocking::deadline;
use crate::bindings::message::Message;
use crate::kafka::Deadline;

use super::batch::Batch;
use super::core::Row;
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
        let deadline = deadline(timeout)?;
        let mut row = Row::default();
        loop {
            let mut batch = Batch::default();
            let mut incoming = self.core.next(py, max_messages, deadline)?.into_iter();
            if incoming.len() == 0 {
                return Ok(Vec::new());
            }
            batch.messages.reserve(incoming.len());
            batch.taken.reserve(incoming.len());
            let raised = batch.fill(py, &self.core, &mut incoming);
            let raised = raised.and(batch.await_dead_letters(py, &self.core));
            self.core.consumer.give_back(batch.unread.into_iter().chain(incoming));
            self.core.consumer.handed_out(batch.taken);
            raised?;
            if !batch.messages.is_empty() || row.over(py, || deadline)? {
                return Ok(batch.messages);
            }
        }
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Message>> {
        self.core.next_message(py, || Deadline::after(self.core.idle))
    }
}
