//! From the bytes of a message to its Python objects, with where it lay in every error.

use std::str::Utf8Error;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyException, PyMemoryError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::bindings::message::{header_pairs, Key, KeyType, Message, RawKey};
use crate::error::{raise, Error};
use crate::json::{self, DecodeError, DecodeOptions};
use crate::kafka::{Code, Incoming};

pub struct Decoder {
    key_type: KeyType,
    options: DecodeOptions,
    form: Form,
    /// The topic's name as Python has it, shared by its messages.
    topic: Mutex<Option<(String, Py<PyString>)>>,
}

/// What values become.
pub enum Form {
    Json,
    /// What the user's function makes of the bytes.
    Custom(Py<PyAny>),
    /// What `convert` makes of the decoded JSON; or of its bytes, which have been found to be JSON.
    Typed {
        convert: Py<PyAny>,
        takes_bytes: bool,
    },
}

impl Form {
    pub fn new(
        py: Python<'_>,
        value_type: Option<&Bound<'_, PyAny>>,
        deserializer: Option<Py<PyAny>>,
        options: &DecodeOptions,
    ) -> PyResult<Self> {
        match (value_type, deserializer) {
            (None, None) => Ok(Form::Json),
            (None, Some(deserializer)) => Ok(Form::Custom(deserializer)),
            (Some(kind), None) => {
                let arguments = (kind, options.parse_float.is_some());
                let made = py.import("kjson.typed")?.call_method1("converter", arguments)?;
                let (convert, takes_bytes) = made.extract()?;
                Ok(Form::Typed { convert, takes_bytes })
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

/// What was wrong with a message: where in its text, if that is known, and the exception behind it.
pub struct Fault {
    message: String,
    position: Option<(usize, usize, usize)>,
    cause: Option<PyErr>,
    /// The words are another's and may quote the payload.
    quotes: bool,
}

impl Fault {
    /// Ctrl-C, a lack of memory and the like are not the message's fault.
    pub fn interrupts(&self, py: Python<'_>) -> bool {
        self.cause.as_ref().is_some_and(|error| is_no_fault(py, error))
    }

    /// What a log may say of it: nothing of the payload.
    pub fn discreet(&self, py: Python<'_>) -> String {
        match &self.cause {
            Some(cause) if self.quotes => {
                let class = cause.get_type(py).qualname().map_or_else(|_| String::new(), |name| name.to_string());
                format!("{class} was raised")
            }
            _ => self.message.clone(),
        }
    }

    /// The exception, with all that is known of the message. `told` is what became of it.
    pub fn into_error(self, py: Python<'_>, incoming: &Incoming, told: &str) -> PyErr {
        match self.cause {
            Some(cause) if is_no_fault(py, &cause) => cause,
            _ => error_at(py, incoming, self, told),
        }
    }
}

fn is_no_fault(py: Python<'_>, error: &PyErr) -> bool {
    !error.is_instance_of::<PyException>(py) || error.is_instance_of::<PyMemoryError>(py)
}

type Decoded = Result<Py<PyAny>, Box<Fault>>;
type Json<'py> = Result<Bound<'py, PyAny>, DecodeError>;

impl From<DecodeError> for Box<Fault> {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Malformed { message, line, column, byte_offset } => {
                let position = Some((line, column, byte_offset));
                Box::new(Fault { message, position, cause: None, quotes: false })
            }
            DecodeError::Raised(error) => error.into(),
        }
    }
}

impl From<PyErr> for Box<Fault> {
    fn from(error: PyErr) -> Self {
        Box::new(Fault { message: error.to_string(), position: None, cause: Some(error), quotes: true })
    }
}

impl Decoder {
    pub fn new(key_type: KeyType, options: DecodeOptions, form: Form) -> Self {
        Decoder { key_type, options, form, topic: Mutex::new(None) }
    }

    /// Whether no code of the user's has a part in it.
    pub fn is_plain(&self) -> bool {
        matches!(self.form, Form::Json) && self.options.parse_float.is_none()
    }

    pub fn message(&self, py: Python<'_>, incoming: &Incoming) -> Result<Message, Box<Fault>> {
        self.message_by(py, &mut |bytes| json::decode(py, bytes, &self.options), incoming)
    }

    /// The same as one of many: for a plain decoder, since code of the user's that decodes, too, would find the room taken.
    #[inline]
    pub fn message_in<'py>(
        &self,
        py: Python<'py>,
        texts: &mut json::Series<'py>,
        incoming: &Incoming,
    ) -> Result<Message, Box<Fault>> {
        self.message_by(py, &mut |bytes| texts.decode(bytes, &self.options), incoming)
    }

    #[inline]
    fn message_by<'py>(
        &self,
        py: Python<'py>,
        decode: &mut impl FnMut(&[u8]) -> Json<'py>,
        incoming: &Incoming,
    ) -> Result<Message, Box<Fault>> {
        if incoming.is_unreadable() {
            return Err(unreadable(incoming));
        }
        let value = self.value(py, decode, incoming)?;
        let key = self.key(py, decode, incoming)?;
        Ok(Message::new(py, self.topic(py, incoming), incoming, key, value, None))
    }

    /// A message that could not be decoded, with a value from elsewhere. A key that cannot be decoded either is None.
    pub fn substitute(
        &self,
        py: Python<'_>,
        incoming: &Incoming,
        value: Py<PyAny>,
        error: Option<Py<PyAny>>,
    ) -> Message {
        let decode = &mut |bytes: &[u8]| json::decode(py, bytes, &self.options);
        let key = self.key(py, decode, incoming).unwrap_or_else(|_| {
            let raw = incoming.key().map_or(RawKey::None, |bytes| RawKey::Bytes(PyBytes::new(py, bytes).unbind()));
            Key { object: py.None(), raw }
        });
        Message::new(py, self.topic(py, incoming), incoming, key, value, error)
    }

    #[inline]
    fn value<'py>(&self, py: Python<'py>, decode: &mut impl FnMut(&[u8]) -> Json<'py>, incoming: &Incoming) -> Decoded {
        match (incoming.value(), &self.form) {
            (None, _) => Ok(py.None()),
            (Some(bytes), Form::Json) => Ok(decode(bytes).map_err(|error| not_json(bytes, error))?.unbind()),
            (Some(bytes), Form::Custom(deserializer)) => Ok(deserializer.call1(py, (PyBytes::new(py, bytes),))?),
            (Some(bytes), Form::Typed { convert, takes_bytes }) => {
                let decoded = decode(bytes).map_err(|error| not_json(bytes, error))?;
                let converted = match takes_bytes {
                    true => convert.call1(py, (PyBytes::new(py, bytes),)),
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
        incoming: &Incoming,
    ) -> Result<Key, Box<Fault>> {
        let Some(bytes) = incoming.key() else { return Ok(Key { object: py.None(), raw: RawKey::None }) };
        let text = || {
            let text = PyString::new(py, std::str::from_utf8(bytes)?);
            Ok(Key { object: text.into_any().unbind(), raw: RawKey::OfText })
        };
        let same = || {
            let raw = PyBytes::new(py, bytes).unbind();
            Key { object: raw.clone_ref(py).into_any(), raw: RawKey::Bytes(raw) }
        };
        match self.key_type {
            KeyType::Bytes => Ok(same()),
            KeyType::Json => match decode(bytes) {
                Ok(key) => Ok(Key { object: key.unbind(), ..same() }),
                Err(error) => {
                    let mut fault = not_json(bytes, error);
                    fault.message.insert_str(0, "the key: ");
                    Err(fault)
                }
            },
            KeyType::Auto => Ok(text().unwrap_or_else(|_: Utf8Error| same())),
            KeyType::Text => text().map_err(|error| {
                let message = format!("the key is not UTF-8: {error}. Use key_type=\"bytes\" or \"auto\"");
                Box::new(Fault { message, position: None, cause: None, quotes: false })
            }),
        }
    }

    fn topic(&self, py: Python<'_>, incoming: &Incoming) -> Py<PyString> {
        let last = || self.topic.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |(known, _): &&(String, Py<PyString>)| known.as_bytes() == incoming.topic_bytes();
        let known = last().as_ref().filter(same).map(|(_, text)| text.clone_ref(py));
        known.unwrap_or_else(|| {
            let name = incoming.topic();
            let text = PyString::new(py, &name).unbind();
            let previous = last().replace((name.into_owned(), text.clone_ref(py)));
            drop(previous);
            text
        })
    }
}

/// Schema Registry's serializers put a zero byte and a schema's id of four bytes before what they write.
#[cold]
fn not_json(bytes: &[u8], error: DecodeError) -> Box<Fault> {
    let mut fault = Box::<Fault>::from(error);
    if let ([0, a, b, c, d, _, ..], None) = (bytes, &fault.cause) {
        let id = u32::from_be_bytes([*a, *b, *c, *d]);
        fault.message.push_str(&format!(
            ". It begins as Schema Registry's serializers write it: a zero byte and the schema id {id}. For JSON Schema, \
             read it with value_deserializer=lambda value: kjson.loads(value[5:]); Avro and Protobuf need deserializers \
             of their own, and a key of this form needs key_type=\"bytes\""
        ));
    }
    fault
}

#[cold]
fn unreadable(incoming: &Incoming) -> Box<Fault> {
    let message = match incoming.code() {
        Code::BAD_COMPRESSION => format!(
            "its batch cannot be decompressed: it is damaged, or larger than receive_message_max_bytes. To read it, raise \
             that option and seek to offset {}",
            incoming.offset()
        ),
        _ => format!("its batch is damaged: {}", incoming.reason()),
    };
    Box::new(Fault { message, position: None, cause: None, quotes: false })
}

/// `kjson.typed.Mismatch` says what did not fit; its cause, where a library found it, is the user's to see.
fn unfit(py: Python<'_>, error: PyErr) -> Box<Fault> {
    let ours = py.import("kjson.typed").and_then(|typed| typed.getattr("Mismatch"));
    if !ours.is_ok_and(|class| error.value(py).is_instance(&class).unwrap_or(false)) {
        return error.into();
    }
    let message = error.value(py).str().map_or_else(|_| String::new(), |text| text.to_string_lossy().into_owned());
    let quotes = error.value(py).getattr("quotes").and_then(|quotes| quotes.extract()).unwrap_or(true);
    Box::new(Fault { message, position: None, cause: error.cause(py), quotes })
}

fn error_at(py: Python<'_>, incoming: &Incoming, fault: Fault, told: &str) -> PyErr {
    // The payload stays out of the text, which ends up in logs; it is on the exception for who needs it.
    let message = format!(
        "cannot decode the message at '{}' [{}] @{}: {}{told}",
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
