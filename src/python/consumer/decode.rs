//! Decodes the bytes of a message into Python objects. Every error names the message's position.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::error::Error;
use crate::json::{self, DecodeError, DecodeOptions};
use crate::kafka::Fetched;
use crate::python::message::{Key, KeyType, Message, RawKey};

use super::decode_error::{bad_headers, not_json, too_large, unfit, unreadable, MessageError};

/// Converts a message into what a call returns. Allocates all that takes memory: afterwards the message counts as
/// returned.
pub type Convert<T> = fn(Python<'_>, Message) -> PyResult<T>;

pub struct Decoder {
    key_type: KeyType,
    options: DecodeOptions,
    format: ValueFormat,
    /// Larger values are not decoded: a few bytes on the wire may become gigabytes of objects.
    limit: usize,
    /// The topic's name as a Python string, shared by its messages.
    topic: Mutex<Option<(String, Py<PyString>)>>,
}

/// How values are decoded.
pub enum ValueFormat {
    Json,
    /// By a function of the program that takes the bytes.
    Custom(Py<PyAny>),
    /// By `convert`, which takes the decoded JSON, or its bytes after they were checked to be JSON.
    Typed {
        convert: Py<PyAny>,
        takes_bytes: bool,
        options: DecodeOptions,
    },
}

impl ValueFormat {
    pub fn new(
        py: Python<'_>,
        value_type: Option<&Bound<'_, PyAny>>,
        deserializer: Option<Py<PyAny>>,
        options: &DecodeOptions,
    ) -> PyResult<Self> {
        match (value_type, deserializer) {
            (None, None) => Ok(ValueFormat::Json),
            (None, Some(deserializer)) => Ok(ValueFormat::Custom(deserializer)),
            (Some(kind), None) => {
                let arguments = (kind, options.parse_float.is_some());
                let made = py.import("kjson.typed")?.call_method1("converter", arguments)?;
                let (convert, takes_bytes, exact): (_, _, Option<Py<PyAny>>) = made.extract()?;
                let parse_float = exact.or_else(|| options.parse_float.as_ref().map(|parse| parse.clone_ref(py)));
                Ok(ValueFormat::Typed { convert, takes_bytes, options: DecodeOptions { parse_float } })
            }
            (Some(_), Some(_)) => Err(Error::Config {
                message: "Consumer: value_type and value_deserializer both say what values become. Give one of them"
                    .to_owned(),
                option: "value_type".to_owned(),
            }
            .into()),
        }
    }
}

type Decoded = Result<Py<PyAny>, Box<MessageError>>;
type Json<'py> = Result<Bound<'py, PyAny>, DecodeError>;

impl Decoder {
    pub fn new(key_type: KeyType, options: DecodeOptions, format: ValueFormat, limit: Option<usize>) -> Self {
        Decoder { key_type, options, format, limit: limit.unwrap_or(usize::MAX), topic: Mutex::new(None) }
    }

    /// Whether decoding runs no code of the program.
    pub fn is_plain(&self) -> bool {
        matches!(self.format, ValueFormat::Json) && self.options.parse_float.is_none()
    }

    pub fn message(&self, py: Python<'_>, incoming: &Fetched) -> Result<Message, Box<MessageError>> {
        self.message_by(py, &mut |bytes| json::decode(py, bytes, &self.options), incoming)
    }

    /// As `message`, in a decode session. For a plain decoder only: code of the program might decode, too, while the
    /// caches are in use.
    #[inline]
    pub fn message_in<'py>(
        &self,
        py: Python<'py>,
        texts: &mut json::ValueDecoder<'py>,
        incoming: &Fetched,
    ) -> Result<Message, Box<MessageError>> {
        self.message_by(py, &mut |bytes| texts.decode(bytes, &self.options), incoming)
    }

    #[inline]
    fn message_by<'py>(
        &self,
        py: Python<'py>,
        decode: &mut impl FnMut(&[u8]) -> Json<'py>,
        incoming: &Fetched,
    ) -> Result<Message, Box<MessageError>> {
        if incoming.is_unreadable() {
            return Err(unreadable(incoming));
        }
        let value = self.value(py, decode, incoming)?;
        let key = self.key(py, decode, incoming)?;
        let headers = incoming.headers().map_err(bad_headers)?;
        Ok(Message::new(py, self.topic(py, incoming)?, incoming, headers, key, value, None)?)
    }

    /// A message that could not be decoded, with a value from the program. A key that cannot be decoded is None.
    pub fn substitute(
        &self,
        py: Python<'_>,
        incoming: &Fetched,
        value: Py<PyAny>,
        error: Option<Py<PyAny>>,
    ) -> PyResult<Message> {
        let decode = &mut |bytes: &[u8]| json::decode(py, bytes, &self.options);
        let key = match (self.key(py, decode, incoming), incoming.key()) {
            (Ok(key), _) => key,
            (Err(_), Some(bytes)) => {
                Key { object: py.None(), raw: RawKey::Bytes(json::new_bytes(py, bytes)?.unbind()) }
            }
            (Err(_), None) => Key { object: py.None(), raw: RawKey::None },
        };
        let headers = incoming.headers().unwrap_or_default();
        Message::new(py, self.topic(py, incoming)?, incoming, headers, key, value, error)
    }

    #[inline]
    fn value<'py>(&self, py: Python<'py>, decode: &mut impl FnMut(&[u8]) -> Json<'py>, incoming: &Fetched) -> Decoded {
        match (incoming.value(), &self.format) {
            (None, _) => Ok(py.None()),
            (Some(bytes), _) if bytes.len() > self.limit => Err(too_large(incoming, bytes.len(), self.limit)),
            (Some(bytes), ValueFormat::Json) => Ok(decode(bytes).map_err(|error| not_json(bytes, error))?.unbind()),
            (Some(bytes), ValueFormat::Custom(deserializer)) => {
                Ok(deserializer.call1(py, (json::new_bytes(py, bytes)?,))?)
            }
            (Some(bytes), ValueFormat::Typed { convert, takes_bytes, options }) => {
                let decoded = json::decode(py, bytes, options).map_err(|error| not_json(bytes, error))?;
                let converted = match takes_bytes {
                    true => convert.call1(py, (json::new_bytes(py, bytes)?,)),
                    false => convert.call1(py, (decoded,)),
                };
                converted.map_err(|error| unfit(py, error))
            }
        }
    }

    #[inline]
    fn key<'py>(
        &self,
        py: Python<'py>,
        decode: &mut impl FnMut(&[u8]) -> Json<'py>,
        incoming: &Fetched,
    ) -> Result<Key, Box<MessageError>> {
        let Some(bytes) = incoming.key() else { return Ok(Key { object: py.None(), raw: RawKey::None }) };
        let same = || {
            let raw = json::new_bytes(py, bytes)?.unbind();
            PyResult::Ok(Key { object: raw.clone_ref(py).into_any(), raw: RawKey::Bytes(raw) })
        };
        match self.key_type {
            KeyType::Bytes => Ok(same()?),
            KeyType::Json => match decode(bytes) {
                Ok(key) => Ok(Key { object: key.unbind(), ..same()? }),
                Err(error) => {
                    let mut error = not_json(bytes, error);
                    error.message.insert_str(0, "the key: ");
                    Err(error)
                }
            },
            KeyType::Auto | KeyType::Text => match std::str::from_utf8(bytes) {
                Ok(_) => {
                    let text = PyString::from_bytes(py, bytes)?;
                    Ok(Key { object: text.into_any().unbind(), raw: RawKey::OfText })
                }
                Err(_) if matches!(self.key_type, KeyType::Auto) => Ok(same()?),
                Err(error) => {
                    let message = format!("the key is not UTF-8: {error}. Use key_type=\"bytes\" or \"auto\"");
                    Err(MessageError::new(message))
                }
            },
        }
    }

    fn topic(&self, py: Python<'_>, incoming: &Fetched) -> PyResult<Py<PyString>> {
        let last = || self.topic.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |(known, _): &&(String, Py<PyString>)| known.as_bytes() == incoming.topic_bytes();
        let known = last().as_ref().filter(same).map(|(_, text)| text.clone_ref(py));
        if let Some(text) = known {
            return Ok(text);
        }
        let name = incoming.topic();
        let text = PyString::from_bytes(py, name.as_bytes())?.unbind();
        let previous = last().replace((name.into_owned(), text.clone_ref(py)));
        drop(previous);
        Ok(text)
    }
}
