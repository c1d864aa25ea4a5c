//! What a producer's deliveries and dead letters hold on to, which is not the object that Python code made and may subclass.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;

use crate::error::Error;
use crate::kafka::{Config, Deadline, DeliveryState, Outgoing, SendError, TopicId};
use crate::python::blocking::detached;

use super::core::Core;
use super::delivery::Callback;
use super::send::{with_buffer, Parts};

/// Counted by Python, which is cheaper than an atomic count for each delivery.
#[pyclass(module = "kjson", frozen, name = "_ProducerHandle")]
pub struct Handle {
    pub core: Arc<Core>,
}

impl Handle {
    pub fn new(py: Python<'_>, core: Arc<Core>) -> PyResult<Py<Self>> {
        Py::new(py, Handle { core })
    }

    /// A producer of kjson's own, for bytes that are ready, not connected yet.
    pub fn internal(py: Python<'_>, config: &Config, connect_timeout: Duration) -> PyResult<Py<Self>> {
        let core = Arc::new(Core::internal(config, connect_timeout)?);
        core.close_at_end(py)?;
        Self::new(py, core)
    }

    #[inline]
    pub fn enqueue(&self, py: Python<'_>, parts: &Parts<'_, '_>) -> PyResult<Arc<DeliveryState<Callback>>> {
        with_buffer(|buffer| {
            let mut message = self.core.prepare(parts, buffer)?;
            let callback = message.callback.take();
            self.hand_over(py, message.topic, &message.payload(buffer), callback)
        })
    }

    /// Waits for room, without the GIL, if the queue is full.
    #[inline]
    pub fn hand_over(
        &self,
        py: Python<'_>,
        topic: TopicId,
        payload: &Outgoing<'_>,
        mut callback: Option<Callback>,
    ) -> PyResult<Arc<DeliveryState<Callback>>> {
        let producer = &self.core.producer;
        let mut patience = None;
        loop {
            match producer.try_send(topic, payload, callback) {
                Ok(report) => return Ok(report),
                Err(SendError::Failed(error)) => return Err(Error::from(error).into()),
                Err(SendError::Full(back)) => callback = back,
            }
            let deadline = *patience.get_or_insert_with(|| Deadline::after(Some(producer.settings.max_block)));
            detached(py, |interrupt| producer.wait_for_room(topic, deadline, interrupt))?;
        }
    }
}
