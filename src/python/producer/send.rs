//! How a message becomes bytes and is handed over. Never waits.

use std::cell::Cell;
use std::sync::{Arc, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::error::Error;
use crate::json;
use crate::kafka::{self, DeliveryState, Header, MessageParts, Outgoing, SendError, TopicId};
use crate::python::callables::refuse_async_argument;
use crate::python::message_parts;

use super::core::Core;
use super::delivery::Callback;

thread_local! {
    /// The buffer that values are encoded into, kept from send to send. Taken out while in use, since a `default=` hook
    /// may send a message itself.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer that grew beyond this is not kept.
const BUFFER_KEPT: usize = 1 << 20;

/// The arguments of `send`.
pub struct Parts<'a, 'py> {
    pub topic: &'a Bound<'py, PyString>,
    pub value: &'a Bound<'py, PyAny>,
    pub key: Option<&'a Bound<'py, PyAny>>,
    pub headers: Option<&'a Bound<'py, PyAny>>,
    pub partition: Option<i32>,
    pub timestamp: Option<&'a Bound<'py, PyAny>>,
    pub on_delivery: Option<&'a Bound<'py, PyAny>>,
}

/// A message whose value and key lie in a buffer.
pub struct Encoded {
    pub topic: TopicId,
    partition: i32,
    parts: MessageParts,
    timestamp_ms: Option<i64>,
    headers: Vec<Header>,
    pub callback: Option<Callback>,
}

impl Encoded {
    pub fn payload<'a>(&'a self, bytes: &'a [u8]) -> Outgoing<'a> {
        Outgoing {
            partition: self.partition,
            value: self.parts.has_value.then(|| &bytes[..self.parts.middle]),
            key: self.parts.has_key.then(|| &bytes[self.parts.middle..]),
            timestamp_ms: self.timestamp_ms,
            headers: &self.headers,
            forwarded: None,
        }
    }
}

/// What tells of the fate of a message that was handed over.
pub type Taken = Arc<DeliveryState<Callback>>;

/// Runs `work` with an empty buffer that is used again and again.
pub fn with_buffer<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut buffer = BUFFER.take();
    buffer.clear();
    let result = work(&mut buffer);
    if buffer.capacity() <= BUFFER_KEPT {
        BUFFER.set(buffer);
    }
    result
}

impl Core {
    /// Writes a message's value and key to `buffer`, and reads the rest of it.
    pub fn prepare(&self, parts: &Parts<'_, '_>, buffer: &mut Vec<u8>) -> PyResult<Encoded> {
        self.usable()?;
        let topic = self.topic(parts.topic)?;
        if let Some(callback) = parts.on_delivery {
            refuse_async_argument("send", "on_delivery", callback, "producers call", &self.callbacks)?;
        }
        let encoded = self.encode(parts.value, parts.key, buffer)?;
        let given = parts.on_delivery.map(|callback| Callback::OnDelivery(callback.clone().unbind()));
        Ok(Encoded {
            topic,
            partition: message_parts::partition(parts.topic, parts.partition)?,
            parts: encoded,
            timestamp_ms: parts.timestamp.map(message_parts::timestamp_ms).transpose()?,
            headers: parts.headers.map_or_else(|| Ok(Vec::new()), message_parts::headers)?,
            callback: given.or_else(|| self.has_on_delivery.then_some(Callback::Default)),
        })
    }

    /// Hands a message over if there is room for it.
    pub fn try_send(&self, message: &mut Encoded, bytes: &[u8]) -> Result<Option<Taken>, kafka::Error> {
        let mut callback = message.callback.take();
        let sent = self.hand_over(message.topic, &message.payload(bytes), &mut callback);
        message.callback = callback;
        sent
    }

    /// The same for what is bytes already. The callback is left where there was no room.
    pub fn hand_over(
        &self,
        topic: TopicId,
        payload: &Outgoing<'_>,
        callback: &mut Option<Callback>,
    ) -> Result<Option<Taken>, kafka::Error> {
        match self.producer.try_send(topic, payload, callback.take()) {
            Ok(report) => Ok(Some(report)),
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
        // Not under the lock: to make an exception runs Python code, which may let another thread in here.
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

/// Takes what a serializer returned: bytes, or `None` for a tombstone or no key.
fn append(buffer: &mut Vec<u8>, bytes: &Bound<'_, PyAny>, who: &str) -> PyResult<bool> {
    if bytes.is_none() {
        return Ok(false);
    }
    let bytes = bytes.cast::<PyBytes>().map_err(|_| {
        let kind = bytes.get_type().name().map_or_else(|_| String::new(), |name| name.to_string());
        PyTypeError::new_err(format!("{who} must return bytes or None, not {kind}"))
    })?;
    buffer.extend_from_slice(bytes.as_bytes());
    Ok(true)
}
