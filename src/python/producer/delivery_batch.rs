//! `DeliveryBatch`: the deliveries of one `send_many`, for Python.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::error::{failed_records, Error};
use crate::kafka::BatchState;
use crate::python::blocking::{deadline, detached};

use super::aio::refuse_on_loop;
use super::core::ProducerCore;
use super::delivery::{timeout_error, RecordMetadata};
use super::events::KafkaProducer;
use super::handle::ProducerHandle;

/// The future results of the messages of one `send_many`.
#[pyclass(module = "kjson", frozen)]
pub struct DeliveryBatch {
    pub batch: Arc<BatchState>,
    pub producer: Py<ProducerHandle>,
}

impl DeliveryBatch {
    pub fn core(&self) -> &Arc<ProducerCore> {
        &self.producer.get().core
    }

    fn topic(&self) -> Arc<str> {
        self.core().producer.topic_name(self.batch.topic)
    }

    /// Waits for every message. The inner error is the batch's.
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> Result<Result<(), Error>, Error> {
        if !self.batch.done() {
            let core = self.core();
            core.usable()?;
            refuse_on_loop(py, core, "this batch")?;
            let deadline = deadline(timeout)?;
            if !detached(py, |interrupt| core.producer.wait_until(deadline, interrupt, || self.batch.done()))? {
                let message = format!(
                    "the {} messages to '{}' were not all acknowledged or failed within {} s. They are still in \
                     flight: call again",
                    self.batch.len(),
                    self.topic(),
                    timeout.unwrap_or(0.0),
                );
                return Err(Error::Python(timeout_error(&message)));
            }
        }
        Ok(self.error().map_or(Ok(()), Err))
    }

    fn error(&self) -> Option<Error> {
        KafkaProducer::batch_error(&self.batch).map(Error::from)
    }

    /// Where the messages of a batch that is done are stored, or its error.
    pub fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        if let Some(error) = self.error() {
            return Err(error.into());
        }
        let topic = self.topic();
        let positions = self.batch.positions();
        PyList::new(py, positions.iter().map(|at| RecordMetadata::new(&topic, *at)))
    }
}

#[pymethods]
impl DeliveryBatch {
    /// Wait for all acknowledgements and return each message's metadata, in the order of `values`.
    #[pyo3(signature = (timeout=None))]
    fn result<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyList>> {
        self.wait(py, timeout)??;
        self.metadata(py)
    }

    /// As `result`, but return the `DeliveryError`, or None if all messages are acknowledged.
    #[pyo3(signature = (timeout=None))]
    fn exception(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Py<PyAny>>> {
        Ok(self.wait(py, timeout)?.err().map(|error| PyErr::from(error).into_value(py).into_any()))
    }

    /// Whether every message is acknowledged or has failed. Does not block.
    fn done(&self) -> bool {
        self.batch.done()
    }

    /// The messages that have failed so far.
    #[getter]
    fn failed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        failed_records(py, &self.batch.failures().0)
    }

    fn __len__(&self) -> usize {
        self.batch.len()
    }

    fn __repr__(&self) -> String {
        let state = match (self.batch.done(), self.batch.failed()) {
            (false, 0) => "in flight".to_owned(),
            (false, failed) => format!("in flight, {failed} failed"),
            (true, 0) => "delivered".to_owned(),
            (true, failed) => format!("{failed} failed"),
        };
        format!("<DeliveryBatch of {} messages to '{}': {state}>", self.batch.len(), self.topic())
    }
}
