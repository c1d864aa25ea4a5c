//! Encodes a message and enqueues it, without waiting.

use std::cell::Cell;
use std::sync::PoisonError;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::error::Error;
use crate::json;
use crate::kafka::{self, Header, MessageParts, Payload, SendError, TopicId};
use crate::python::callables::refuse_async_argument;
use crate::python::message_parts;

use super::core::ProducerCore;
use super::delivery::{DeliveryCallback, SharedDelivery};

thread_local! {
    /// The buffer that values are encoded into, reused by the next send. Taken out while in use, since a `default=`
    /// hook may send a message itself.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer that grew beyond this is freed.
const BUFFER_KEPT: usize = 1 << 20;

/// The arguments of `send`.
pub struct SendArgs<'a, 'py> {
    pub topic: &'a Bound<'py, PyString>,
    pub value: &'a Bound<'py, PyAny>,
    pub key: Option<&'a Bound<'py, PyAny>>,
    pub headers: Option<&'a Bound<'py, PyAny>>,
    pub partition: Option<i32>,
    pub timestamp: Option<&'a Bound<'py, PyAny>>,
    pub on_delivery: Option<&'a Bound<'py, PyAny>>,
}

/// A message whose value and key are in a buffer.
pub struct EncodedMessage {
    pub topic: TopicId,
    partition: i32,
    parts: MessageParts,
    timestamp_ms: Option<i64>,
    headers: Vec<Header>,
    pub callback: Option<DeliveryCallback>,
}

impl EncodedMessage {
    pub fn payload<'a>(&'a self, bytes: &'a [u8]) -> Payload<'a> {
        Payload {
            partition: self.partition,
            value: self.parts.has_value.then(|| &bytes[..self.parts.middle]),
            key: self.parts.has_key.then(|| &bytes[self.parts.middle..]),
            timestamp_ms: self.timestamp_ms,
            headers: &self.headers,
            forwarded: None,
        }
    }
}

/// Runs `work` with the thread's buffer, which is empty.
pub fn with_buffer<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut buffer = BUFFER.take();
    buffer.clear();
    let result = work(&mut buffer);
    if buffer.capacity() <= BUFFER_KEPT {
        BUFFER.set(buffer);
    }
    result
}

impl ProducerCore {
    /// Encodes the value and the key into `buffer` and checks the other arguments.
    pub fn prepare(&self, parts: &SendArgs<'_, '_>, buffer: &mut Vec<u8>) -> PyResult<EncodedMessage> {
        self.usable()?;
        let topic = self.topic(parts.topic)?;
        if let Some(callback) = parts.on_delivery {
            refuse_async_argument("send", "on_delivery", callback, "producers call", &self.callbacks)?;
        }
        let encoded = self.encode(parts.value, parts.key, buffer)?;
        let given = parts.on_delivery.map(|callback| DeliveryCallback::OnDelivery(callback.clone().unbind()));
        Ok(EncodedMessage {
            topic,
            partition: message_parts::partition(parts.topic, parts.partition)?,
            parts: encoded,
            timestamp_ms: parts.timestamp.map(message_parts::timestamp_ms).transpose()?,
            headers: parts.headers.map_or_else(|| Ok(Vec::new()), message_parts::headers)?,
            callback: given.or_else(|| self.has_on_delivery.then_some(DeliveryCallback::Default)),
        })
    }

    /// Enqueues a message, or returns None while the queue is full.
    pub fn try_send(&self, message: &mut EncodedMessage, bytes: &[u8]) -> Result<Option<SharedDelivery>, kafka::Error> {
        let mut callback = message.callback.take();
        let sent = self.try_send_bytes(message.topic, &message.payload(bytes), &mut callback);
        message.callback = callback;
        sent
    }

    /// The same for a message that is bytes. The callback is taken unless the queue is full.
    pub fn try_send_bytes(
        &self,
        topic: TopicId,
        payload: &Payload<'_>,
        callback: &mut Option<DeliveryCallback>,
    ) -> Result<Option<SharedDelivery>, kafka::Error> {
        match self.producer.try_send(topic, payload, callback.take()) {
            Ok(state) => Ok(Some(state)),
            Err(SendError::Failed(error)) => Err(error),
            Err(SendError::Full(back)) => {
                *callback = back;
                Ok(None)
            }
        }
    }

    pub fn topic(&self, topic: &Bound<'_, PyString>) -> PyResult<TopicId> {
        let last = || self.last_topic.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last().as_ref().filter(|(known, _)| known.as_ptr() == topic.as_ptr()).map(|(_, id)| *id);
        if let Some(id) = known {
            return Ok(id);
        }
        // Not under the lock: creating an exception runs Python code, which may let another thread in here.
        let id = self
            .producer
            .topic(&message_parts::utf8(topic, || "cannot send to this topic".to_owned())?)
            .map_err(Error::from)?;
        let previous = last().replace((topic.clone().unbind(), id));
        drop(previous);
        Ok(id)
    }

    /// Appends the value and then the key to `buffer`.
    pub fn encode(
        &self,
        value: &Bound<'_, PyAny>,
        key: Option<&Bound<'_, PyAny>>,
        buffer: &mut Vec<u8>,
    ) -> PyResult<MessageParts> {
        let py = value.py();
        let has_value = match &self.value_serializer {
            Some(serializer) => append(buffer, &serializer.bind(py).call1((value,))?, "value_serializer")?,
            None if value.is_none() => false,
            None => {
                json::encode(value, &self.encode, buffer)?;
                true
            }
        };
        let middle = buffer.len();
        let has_key = match (&self.key_serializer, key) {
            (_, None) => false,
            (Some(serializer), Some(key)) => append(buffer, &serializer.bind(py).call1((key,))?, "key_serializer")?,
            (None, Some(key)) => {
                match message_parts::raw_bytes(key, || "cannot send the key".to_owned())? {
                    Some(bytes) => buffer.extend_from_slice(&bytes),
                    None => json::encode(key, &self.encode, buffer)?,
                }
                true
            }
        };
        Ok(MessageParts { middle, has_value, has_key })
    }
}

/// Appends what a serializer returned: bytes, or `None` for a tombstone or no key.
fn append(buffer: &mut Vec<u8>, bytes: &Bound<'_, PyAny>, serializer: &str) -> PyResult<bool> {
    if bytes.is_none() {
        return Ok(false);
    }
    let bytes = bytes.cast::<PyBytes>().map_err(|_| {
        let kind = bytes.get_type().name().map_or_else(|_| String::new(), |name| name.to_string());
        PyTypeError::new_err(format!("{serializer} must return bytes or None, not {kind}"))
    })?;
    buffer.extend_from_slice(bytes.as_bytes());
    Ok(true)
}
