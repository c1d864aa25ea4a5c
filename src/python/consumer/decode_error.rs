//! Why a message cannot be decoded, and the `DecodeError` that says so.

use pyo3::exceptions::{PyException, PyMemoryError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::raise;
use crate::json::DecodeError;
use crate::kafka::{Code, Fetched};
use crate::python::message::header_pairs;

/// Why a message cannot be decoded: the text, the position in the JSON if known, and the exception that caused it.
pub struct MessageError {
    pub(super) message: String,
    position: Option<(usize, usize, usize)>,
    cause: Option<PyErr>,
    /// The text comes from other code and may quote the payload.
    quotes: bool,
}

impl MessageError {
    pub(super) fn new(message: String) -> Box<Self> {
        Box::new(MessageError { message, position: None, cause: None, quotes: false })
    }

    /// Ctrl-C and running out of memory are not errors of the message.
    pub fn interrupts(&self, py: Python<'_>) -> bool {
        self.cause.as_ref().is_some_and(|error| is_no_fault(py, error))
    }

    /// The text for a log, without any of the payload.
    pub fn discreet(&self, py: Python<'_>) -> String {
        match &self.cause {
            Some(cause) if self.quotes => {
                let class = cause.get_type(py).qualname().map_or_else(|_| String::new(), |name| name.to_string());
                format!("{class} was raised")
            }
            _ => self.message.clone(),
        }
    }

    /// The exception, with the message's position, headers and bytes. `note` is added to its text.
    pub fn into_error(self, py: Python<'_>, incoming: &Fetched, note: &str) -> PyErr {
        match self.cause {
            Some(cause) if is_no_fault(py, &cause) => cause,
            _ => decode_error(py, incoming, self, note),
        }
    }
}

fn is_no_fault(py: Python<'_>, error: &PyErr) -> bool {
    !error.is_instance_of::<PyException>(py) || error.is_instance_of::<PyMemoryError>(py)
}

impl From<DecodeError> for Box<MessageError> {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Malformed { message, line, column, byte_offset } => {
                let position = Some((line, column, byte_offset));
                Box::new(MessageError { message, position, cause: None, quotes: false })
            }
            DecodeError::Raised(error) => error.into(),
        }
    }
}

impl From<PyErr> for Box<MessageError> {
    fn from(error: PyErr) -> Self {
        Box::new(MessageError { message: error.to_string(), position: None, cause: Some(error), quotes: true })
    }
}

/// Schema Registry's serializers write a zero byte and a schema id of four bytes before the value.
#[cold]
pub(super) fn not_json(bytes: &[u8], error: DecodeError) -> Box<MessageError> {
    let mut error = Box::<MessageError>::from(error);
    if let ([0, a, b, c, d, _, ..], None) = (bytes, &error.cause) {
        let id = u32::from_be_bytes([*a, *b, *c, *d]);
        error.message.push_str(&format!(
            ". It begins as Schema Registry's serializers write it: a zero byte and the schema id {id}. For JSON \
             Schema, read it with value_deserializer=lambda value: kjson.loads(value[5:]); Avro and Protobuf need \
             deserializers of their own, and a key of this format needs key_type=\"bytes\""
        ));
    }
    error
}

#[cold]
pub(super) fn unreadable(incoming: &Fetched) -> Box<MessageError> {
    let message = match incoming.code() {
        Code::BAD_COMPRESSION => format!(
            "its batch cannot be decompressed: it is damaged, or larger than receive_message_max_bytes. To read it, \
             raise that option and seek to offset {}",
            incoming.offset()
        ),
        _ => format!("its batch is damaged: {}", incoming.reason()),
    };
    MessageError::new(message)
}

#[cold]
pub(super) fn too_large(incoming: &Fetched, size: usize, limit: usize) -> Box<MessageError> {
    MessageError::new(format!(
        "its value has {size} bytes, more than max_message_bytes={limit}. To read it, raise that option and seek to \
         offset {}",
        incoming.offset()
    ))
}

/// librdkafka parses no headers if they are damaged or more than 100,000.
#[cold]
pub(super) fn bad_headers(code: Code) -> Box<MessageError> {
    MessageError::new(format!("its headers cannot be read: they are damaged, or more than 100,000 ({})", code.name()))
}

/// The text of `kjson.typed.Mismatch` says what did not fit; its cause is the exception of the library that found it,
/// if any.
pub(super) fn unfit(py: Python<'_>, error: PyErr) -> Box<MessageError> {
    let ours = py.import("kjson.typed").and_then(|typed| typed.getattr("Mismatch"));
    if !ours.is_ok_and(|class| error.value(py).is_instance(&class).unwrap_or(false)) {
        return error.into();
    }
    let message = error.value(py).str().map_or_else(|_| String::new(), |text| text.to_string_lossy().into_owned());
    let quotes = error.value(py).getattr("quotes").and_then(|quotes| quotes.extract()).unwrap_or(true);
    Box::new(MessageError { message, position: None, cause: error.cause(py), quotes })
}

fn decode_error(py: Python<'_>, incoming: &Fetched, error: MessageError, note: &str) -> PyErr {
    // The payload is an attribute of the exception and not part of its text, which is logged.
    let message = format!(
        "cannot decode the message at '{}' [{}] @{}: {}{note}",
        incoming.topic(),
        incoming.partition(),
        incoming.offset(),
        error.message
    );
    let exception = raise("DecodeError", &message, |attributes| {
        let bytes = |bytes: Option<&[u8]>| bytes.map(|bytes| PyBytes::new(py, bytes));
        if let Some((line, column, byte_offset)) = error.position {
            attributes.set_item("line", line)?;
            attributes.set_item("column", column)?;
            attributes.set_item("byte_offset", byte_offset)?;
        }
        attributes.set_item("topic", &*incoming.topic())?;
        attributes.set_item("partition", incoming.partition())?;
        attributes.set_item("offset", incoming.offset())?;
        attributes.set_item("timestamp_ms", incoming.timestamp_ms())?;
        attributes.set_item("headers", header_pairs(py, &incoming.headers().unwrap_or_default())?)?;
        attributes.set_item("raw_key", bytes(incoming.key()))?;
        attributes.set_item("raw_value", bytes(incoming.value()))
    });
    exception.set_cause(py, error.cause);
    exception
}
