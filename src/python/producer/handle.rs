//! The producer that deliveries and dead letters keep alive, without the Python object, which a program may subclass.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;

use crate::error::Error;
use crate::kafka::{Config, Deadline, Payload, SendError, TopicId};
use crate::python::blocking::detached;

use super::core::ProducerCore;
use super::delivery::{DeliveryCallback, SharedDelivery};
use super::send::{with_buffer, SendArgs};

/// A Python object, whose reference count is cheaper than an atomic count for each delivery.
#[pyclass(module = "kjson", frozen, name = "_ProducerHandle")]
pub struct ProducerHandle {
    pub core: Arc<ProducerCore>,
}

impl ProducerHandle {
    pub fn new(py: Python<'_>, core: Arc<ProducerCore>) -> PyResult<Py<Self>> {
        Py::new(py, ProducerHandle { core })
    }

    /// A producer without serializers, used for dead letters, not connected yet.
    pub fn internal(py: Python<'_>, config: &Config, connect_timeout: Duration) -> PyResult<Py<Self>> {
        let core = Arc::new(ProducerCore::internal(config, connect_timeout)?);
        core.close_at_end(py)?;
        Self::new(py, core)
    }

    /// Encodes a message and enqueues it as `send_bytes` does.
    #[inline]
    pub fn send(&self, py: Python<'_>, parts: &SendArgs<'_, '_>) -> PyResult<SharedDelivery> {
        with_buffer(|buffer| {
            let mut message = self.core.prepare(parts, buffer)?;
            let callback = message.callback.take();
            self.send_bytes(py, message.topic, &message.payload(buffer), callback)
        })
    }

    /// Enqueues a message. While the queue is full, waits for up to `max_block_ms`, without the GIL.
    #[inline]
    pub fn send_bytes(
        &self,
        py: Python<'_>,
        topic: TopicId,
        payload: &Payload<'_>,
        mut callback: Option<DeliveryCallback>,
    ) -> PyResult<SharedDelivery> {
        let producer = &self.core.producer;
        let mut timeout = None;
        loop {
            match producer.try_send(topic, payload, callback) {
                Ok(state) => return Ok(state),
                Err(SendError::Failed(error)) => return Err(Error::from(error).into()),
                Err(SendError::Full(back)) => callback = back,
            }
            let deadline = *timeout.get_or_insert_with(|| Deadline::after(Some(producer.settings.max_block)));
            detached(py, |interrupt| producer.wait_for_space(topic, deadline, interrupt))?;
        }
    }
}
