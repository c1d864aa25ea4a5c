//! What a producer is made of on this side, shared by the class, its deliveries and the end of the interpreter; and how a
//! value and its key become bytes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::bindings::blocking::detached;
use crate::bindings::shutdown::Closable;
use crate::bindings::{notifier, outgoing};
use crate::error::Error;
use crate::json::{self, EncodeOptions};
use crate::kafka::{self, Deadline, Level, LogRecord, TopicId};

use super::events::ProducerEvents;

/// At exit and where the user gives no time.
pub const CLOSE_TIMEOUT: f64 = 30.0;

pub struct Core {
    pub producer: kafka::Producer<ProducerEvents>,
    pub encode: EncodeOptions,
    pub value_serializer: Option<Py<PyAny>>,
    pub key_serializer: Option<Py<PyAny>>,
    pub has_on_delivery: bool,
    /// The topic of the last message. Programs send to the same `str` object again and again, and knowing it by its
    /// address saves reading its text and looking that up.
    pub last_topic: Mutex<Option<(Py<PyString>, TopicId)>>,
}

impl Core {
    pub fn usable(&self) -> Result<(), Error> {
        if self.producer.forked() {
            return Err(Error::Forked { object: "Producer" });
        }
        Ok(())
    }

    pub fn topic(&self, topic: &Bound<'_, PyString>) -> PyResult<TopicId> {
        let mut last = self.last_topic.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, id)) = &*last {
            if known.as_ptr() == topic.as_ptr() {
                return Ok(*id);
            }
        }
        let id = self.producer.topic(&topic.to_cow()?).map_err(Error::from)?;
        let previous = last.replace((topic.clone().unbind(), id));
        drop(last);
        drop(previous);
        Ok(id)
    }

    /// Appends the value and then the key to `buffer`. Returns where the value ends, and which of the two there are.
    pub fn encode(
        &self,
        value: &Bound<'_, PyAny>,
        key: Option<&Bound<'_, PyAny>>,
        buffer: &mut Vec<u8>,
    ) -> PyResult<(usize, bool, bool)> {
        let py = value.py();
        let has_value = match &self.value_serializer {
            Some(serializer) => append(buffer, &serializer.bind(py).call1((value,))?, "value_serializer")?,
            None if value.is_none() => false,
            None => {
                json::encode(value, &self.encode, buffer)?;
                true
            }
        };
        let value_end = buffer.len();
        let has_key = match (&self.key_serializer, key) {
            (_, None) => false,
            (Some(serializer), Some(key)) => append(buffer, &serializer.bind(py).call1((key,))?, "key_serializer")?,
            (None, Some(key)) => {
                match outgoing::raw_bytes(key)? {
                    Some(bytes) => buffer.extend_from_slice(&bytes),
                    None => json::encode(key, &self.encode, buffer)?,
                }
                true
            }
        };
        Ok((value_end, has_value, has_key))
    }

    pub fn close(&self, py: Python<'_>, deadline: Deadline) -> Result<(), Error> {
        self.usable()?;
        detached(py, |interrupt| self.producer.close(deadline, interrupt))
    }
}

impl Closable for Core {
    fn close_at_exit(&self, py: Python<'_>) {
        if self.producer.forked() {
            return;
        }
        let deadline = Deadline::after(Some(Duration::from_secs_f64(CLOSE_TIMEOUT)));
        if let Err(error) = self.close(py, deadline) {
            notifier::log(LogRecord { level: Level::Error, text: format!("producer, closed at exit: {error}") });
        }
    }
}

/// Takes what a serializer returned: bytes, or `None` for a tombstone or no key.
fn append(buffer: &mut Vec<u8>, bytes: &Bound<'_, PyAny>, who: &str) -> PyResult<bool> {
    if bytes.is_none() {
        return Ok(false);
    }
    let bytes = bytes.cast::<PyBytes>().map_err(|_| {
        let kind = bytes.get_type().name().map_or_else(|_| String::new(), |name| name.to_string());
        pyo3::exceptions::PyTypeError::new_err(format!("{who} must return bytes or None, not {kind}"))
    })?;
    buffer.extend_from_slice(bytes.as_bytes());
    Ok(true)
}
