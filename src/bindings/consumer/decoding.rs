//! From the bytes of a message to its Python objects, with where it lay in every error.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::bindings::message::{header_pairs, KeyType, Message};
use crate::error::raise;
use crate::json::{self, DecodeError, DecodeOptions};
use crate::kafka::Incoming;

pub struct Decoder {
    key_type: KeyType,
    options: DecodeOptions,
    deserializer: Option<Py<PyAny>>,
    /// The topic's name as Python has it, shared by its messages.
    topic: Mutex<Option<(String, Py<PyString>)>>,
}

/// What was wrong with a message: where in its text, if that is known, and the exception behind it.
struct Fault {
    message: String,
    position: Option<(usize, usize, usize)>,
    cause: Option<PyErr>,
}

type Decoded = Result<Py<PyAny>, Box<Fault>>;

impl From<DecodeError> for Box<Fault> {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Malformed { message, line, column, byte_offset } => {
                Box::new(Fault { message, position: Some((line, column, byte_offset)), cause: None })
            }
            DecodeError::Raised(error) => error.into(),
        }
    }
}

impl From<PyErr> for Box<Fault> {
    fn from(error: PyErr) -> Self {
        Box::new(Fault { message: error.to_string(), position: None, cause: Some(error) })
    }
}

impl Decoder {
    pub fn new(key_type: KeyType, options: DecodeOptions, deserializer: Option<Py<PyAny>>) -> Self {
        Decoder { key_type, options, deserializer, topic: Mutex::new(None) }
    }

    pub fn message(&self, py: Python<'_>, incoming: &Incoming) -> PyResult<Message> {
        let decoded = self.value(py, incoming).and_then(|value| Ok((value, self.key(py, incoming)?)));
        match decoded {
            Ok((value, key)) => Ok(Message::new(self.topic(py, &incoming.topic()), incoming, key, value, None)),
            Err(fault) => match *fault {
                // Ctrl-C and the like are not the message's fault.
                Fault { cause: Some(error), .. } if !error.is_instance_of::<PyException>(py) => Err(error),
                fault => Err(error_at(py, incoming, fault)),
            },
        }
    }

    fn value(&self, py: Python<'_>, incoming: &Incoming) -> Decoded {
        match (incoming.value(), &self.deserializer) {
            (None, _) => Ok(py.None()),
            (Some(bytes), Some(deserializer)) => Ok(deserializer.call1(py, (PyBytes::new(py, bytes),))?),
            (Some(bytes), None) => Ok(json::decode(py, bytes, &self.options)?.unbind()),
        }
    }

    fn key(&self, py: Python<'_>, incoming: &Incoming) -> Decoded {
        let Some(bytes) = incoming.key() else { return Ok(py.None()) };
        let text = || std::str::from_utf8(bytes).map(|text| PyString::new(py, text).into_any().unbind());
        match self.key_type {
            KeyType::Bytes => Ok(PyBytes::new(py, bytes).into_any().unbind()),
            KeyType::Json => Ok(json::decode(py, bytes, &self.options)?.unbind()),
            KeyType::Auto => Ok(text().unwrap_or_else(|_| PyBytes::new(py, bytes).into_any().unbind())),
            KeyType::Text => text().map_err(|error| {
                let message = format!("the key is not UTF-8: {error}. Use key_type=\"bytes\" or \"auto\"");
                Box::new(Fault { message, position: None, cause: None })
            }),
        }
    }

    fn topic(&self, py: Python<'_>, name: &str) -> Py<PyString> {
        let mut topic = self.topic.lock().unwrap_or_else(PoisonError::into_inner);
        match &*topic {
            Some((known, text)) if known == name => text.clone_ref(py),
            _ => {
                let text = PyString::new(py, name).unbind();
                *topic = Some((name.to_owned(), text.clone_ref(py)));
                text
            }
        }
    }
}

fn error_at(py: Python<'_>, incoming: &Incoming, fault: Fault) -> PyErr {
    // The payload stays out of the text, which ends up in logs; it is on the exception for who needs it.
    let message = format!(
        "cannot decode the message at '{}' [{}] @{}: {}. The consumer has moved past it",
        incoming.topic(),
        incoming.partition(),
        incoming.offset(),
        fault.message
    );
    let error = raise("DecodeError", &message, |attributes| {
        let bytes = |bytes: Option<&[u8]>| bytes.map(|bytes| PyBytes::new(py, bytes));
        if let Some((line, column, byte_offset)) = fault.position {
            attributes.set_item("line", line)?;
            attributes.set_item("column", column)?;
            attributes.set_item("byte_offset", byte_offset)?;
        }
        attributes.set_item("topic", &*incoming.topic())?;
        attributes.set_item("partition", incoming.partition())?;
        attributes.set_item("offset", incoming.offset())?;
        attributes.set_item("timestamp_ms", incoming.timestamp_ms())?;
        attributes.set_item("headers", header_pairs(py, &incoming.headers())?)?;
        attributes.set_item("raw_key", bytes(incoming.key()))?;
        attributes.set_item("raw_value", bytes(incoming.value()))
    });
    error.set_cause(py, fault.cause);
    error
}
