//! `Message`: a message that was read. A value, not a handle: it outlives its consumer.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple, PyType};

use crate::json::{self, EncodeOptions, NanPolicy};
use crate::kafka::{Fetched, Header};
use crate::once::Once;

use super::message_parts;

/// How keys are decoded.
#[derive(Clone, Copy)]
pub enum KeyType {
    /// `str` if the bytes are UTF-8, else `bytes`.
    Auto,
    Text,
    Bytes,
    Json,
}

/// One message. Immutable, outlives its consumer, and pickles.
#[pyclass(module = "kjson", frozen)]
pub struct Message {
    #[pyo3(get)]
    topic: Py<PyString>,
    #[pyo3(get)]
    partition: i32,
    #[pyo3(get)]
    offset: i64,
    /// Milliseconds since 1970, or None.
    #[pyo3(get)]
    timestamp_ms: Option<i64>,
    #[pyo3(get)]
    key: Py<PyAny>,
    /// The decoded JSON; None for a tombstone.
    #[pyo3(get)]
    value: Py<PyAny>,
    /// The exception that decoding raised, with `on_decode_error="yield"`.
    #[pyo3(get)]
    error: Option<Py<PyAny>>,
    raw_key: RawKey,
    #[pyo3(get)]
    raw_value: Option<Py<PyBytes>>,
    raw_headers: Vec<Header>,
    headers: Once<Py<PyTuple>>,
}

/// A key and its bytes. The bytes of a text key are created when they are asked for.
pub struct Key {
    pub object: Py<PyAny>,
    pub raw: RawKey,
}

pub enum RawKey {
    None,
    /// The UTF-8 encoding of the key, which is a str.
    OfText,
    Bytes(Py<PyBytes>),
}

impl RawKey {
    fn new(bytes: Option<Py<PyBytes>>) -> Self {
        bytes.map_or(RawKey::None, RawKey::Bytes)
    }
}

impl Message {
    pub fn new(
        py: Python<'_>,
        topic: Py<PyString>,
        incoming: &Fetched,
        headers: Vec<Header>,
        key: Key,
        value: Py<PyAny>,
        error: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let raw_value = incoming.value().map(|value| json::new_bytes(py, value)).transpose()?.map(Bound::unbind);
        Ok(Message {
            topic,
            partition: incoming.partition(),
            offset: incoming.offset(),
            timestamp_ms: incoming.timestamp_ms(),
            key: key.object,
            value,
            error,
            raw_key: key.raw,
            // Python's allocator takes half the time of malloc for small objects.
            raw_value,
            raw_headers: headers,
            headers: Once::new(),
        })
    }

    pub fn into_value(self) -> Py<PyAny> {
        self.value
    }

    /// Sorts messages by time; those without a timestamp come first.
    pub fn moment_ms(&self) -> i64 {
        self.timestamp_ms.unwrap_or(-1)
    }

    pub fn position(&self) -> (&Py<PyString>, i32, i64) {
        (&self.topic, self.partition, self.offset)
    }
}

/// For annotations such as `Message[Order]`; CPython 3.8 has no such object at run time.
pub fn generic_alias<'py>(class: &Bound<'py, PyType>, item: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match class.py().import("types")?.getattr_opt("GenericAlias")? {
        Some(alias) => alias.call1((class, item)),
        None => Ok(class.clone().into_any()),
    }
}

/// Headers as a tuple of pairs.
pub fn header_pairs<'py>(py: Python<'py>, headers: &[Header]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, headers.iter().map(|(name, value)| (name, value.as_ref().map(|value| PyBytes::new(py, value)))))
}

fn bytes_of(value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Py<PyBytes>>> {
    value.map(|value| Ok(value.cast::<PyBytes>()?.clone().unbind())).transpose()
}

fn slice_of<'a>(py: Python<'a>, raw: &'a Option<Py<PyBytes>>) -> Option<&'a [u8]> {
    raw.as_ref().map(|raw| raw.as_bytes(py))
}

#[pymethods]
impl Message {
    #[new]
    #[pyo3(signature = (
        topic, partition=0, offset=0, *, key=None, value=None, headers=None, timestamp_ms=None, raw_key=None,
        raw_value=None, error=None
    ))]
    #[allow(clippy::too_many_arguments)]
    fn py_new(
        py: Python<'_>,
        topic: Py<PyString>,
        partition: i32,
        offset: i64,
        key: Option<&Bound<'_, PyAny>>,
        value: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
        timestamp_ms: Option<i64>,
        raw_key: Option<&Bound<'_, PyAny>>,
        raw_value: Option<&Bound<'_, PyAny>>,
        error: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let options = EncodeOptions { default: None, nan: NanPolicy::Allow };
        let encoded = |value: &Bound<'_, PyAny>| -> PyResult<Py<PyBytes>> {
            let mut out = Vec::new();
            json::encode(value, &options, &mut out)?;
            Ok(PyBytes::new(py, &out).unbind())
        };
        let raw_value = match (bytes_of(raw_value)?, value) {
            (None, Some(value)) => Some(encoded(value)?),
            (raw, _) => raw,
        };
        let raw_key = match (bytes_of(raw_key)?, key) {
            (None, Some(key)) => Some(match message_parts::raw_bytes(key, || "Message: the key".to_owned())? {
                Some(bytes) => PyBytes::new(py, &bytes).unbind(),
                None => encoded(key)?,
            }),
            (raw, _) => raw,
        };
        let object = |value: Option<&Bound<'_, PyAny>>| value.map_or_else(|| py.None(), |value| value.clone().unbind());
        Ok(Message {
            topic,
            partition,
            offset,
            timestamp_ms,
            key: object(key),
            value: object(value),
            error,
            raw_key: RawKey::new(raw_key),
            raw_value,
            raw_headers: headers.map_or_else(|| Ok(Vec::new()), message_parts::headers)?,
            headers: Once::new(),
        })
    }

    /// `timestamp_ms` as an aware datetime in UTC.
    #[getter]
    fn timestamp<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.timestamp_ms.map(|millis| message_parts::datetime_of(py, millis)).transpose()
    }

    #[getter]
    fn raw_key<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        match &self.raw_key {
            RawKey::None => Ok(None),
            RawKey::OfText => Ok(Some(self.key.bind(py).cast::<PyString>()?.encode_utf8()?)),
            RawKey::Bytes(bytes) => Ok(Some(bytes.bind(py).clone())),
        }
    }

    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let made = self.headers.get_or_try_init(py, || header_pairs(py, &self.raw_headers).map(Bound::unbind))?;
        Ok(made.bind(py).clone())
    }

    /// Whether the message has no value, which deletes its key in a compacted topic.
    #[getter]
    fn is_tombstone(&self) -> bool {
        self.raw_value.is_none()
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let Ok(other) = other.cast::<Message>() else { return Ok(py.NotImplemented()) };
        let other = other.get();
        let (raw_key, raw_key_of_other) = (self.raw_key(py)?, other.raw_key(py)?);
        let equal = self.partition == other.partition
            && self.offset == other.offset
            && self.timestamp_ms == other.timestamp_ms
            && raw_key.as_ref().map(|raw| raw.as_bytes()) == raw_key_of_other.as_ref().map(|raw| raw.as_bytes())
            && slice_of(py, &self.raw_value) == slice_of(py, &other.raw_value)
            && self.raw_headers == other.raw_headers
            && self.topic.bind(py).as_any().eq(other.topic.bind(py))?
            && self.value.bind(py).eq(other.value.bind(py))?;
        Ok(equal.into_pyobject(py)?.to_owned().into_any().unbind())
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        (&self.topic, self.partition, self.offset).into_pyobject(py)?.hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        const SHOWN: usize = 80;
        let value = self.value.bind(py).repr()?.to_string_lossy().into_owned();
        let shown = match value.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}...", &value[..end]),
            None => value,
        };
        Ok(format!(
            "Message(topic={}, partition={}, offset={}, key={}, value={shown})",
            self.topic.bind(py).repr()?.to_string_lossy(),
            self.partition,
            self.offset,
            self.key.bind(py).repr()?.to_string_lossy(),
        ))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let (py, this) = (slf.py(), slf.get());
        let state = (
            (&this.topic, this.partition, this.offset, this.timestamp_ms),
            (&this.key, &this.value, &this.error),
            (this.raw_key(py)?, &this.raw_value, this.headers(py)?),
        );
        (slf.get_type().getattr("_restore")?, (state,)).into_pyobject(py)
    }

    #[classmethod]
    fn __class_getitem__<'py>(class: &Bound<'py, PyType>, item: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        generic_alias(class, item)
    }

    #[classmethod]
    fn _restore(_class: &Bound<'_, PyType>, state: RestoredMessage) -> PyResult<Self> {
        let ((topic, partition, offset, timestamp_ms), (key, value, error), (raw_key, raw_value, headers)) = state;
        Ok(Message {
            topic,
            partition,
            offset,
            timestamp_ms,
            key,
            value,
            error,
            raw_key: RawKey::new(raw_key),
            raw_value,
            raw_headers: headers,
            headers: Once::new(),
        })
    }
}

type RestoredMessage = (
    (Py<PyString>, i32, i64, Option<i64>),
    (Py<PyAny>, Py<PyAny>, Option<Py<PyAny>>),
    (Option<Py<PyBytes>>, Option<Py<PyBytes>>, Vec<Header>),
);
