//! `kjson.dumps` and `kjson.loads`: the codec of producers and consumers without Kafka.

use std::sync::{Mutex, MutexGuard, TryLockError};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView, PyString};

use crate::error::Error;
use crate::json::{self, DecodeOptions, EncodeOptions, NanPolicy};

use super::callables::{refuse_async_argument, PlainFunctionCache};

/// The output is built here and copied to a bytes object, so that only the first calls allocate.
static BUFFER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// A larger buffer is freed after use, so that one large message does not keep memory for ever.
const MAX_RETAINED: usize = 1 << 20;

/// Encode an object as compact UTF-8 JSON, with the encoder of `Producer.send`.
///
/// Args:
///     obj: What `json.dumps` takes, dates, UUID, Decimal, Enum, mappings, sequences, dataclasses, objects of attrs,
///         pydantic and msgspec.
///     default: Called with each object that has no JSON form; its result is encoded instead.
///     nan: How NaN and the infinities are encoded: "error" refuses them, "null" writes null, "allow" writes `NaN`,
///         `Infinity` and `-Infinity` as `json.dumps` does, which is not JSON.
///
/// Raises:
///     EncodeError: A value has no JSON form, contains itself, or is nested deeper than 512 levels. `path` says where.
///     ConfigError: `nan` is none of the three.
#[pyfunction]
#[pyo3(signature = (obj, *, default=None, nan="error"))]
pub fn dumps<'py>(obj: &Bound<'py, PyAny>, default: Option<Py<PyAny>>, nan: &str) -> PyResult<Bound<'py, PyBytes>> {
    if let Some(default) = &default {
        static CHECKED: PlainFunctionCache = PlainFunctionCache::empty();
        refuse_async_argument("dumps", "default", default.bind(obj.py()), "dumps calls", &CHECKED)?;
    }
    let options = EncodeOptions { default, nan: nan_policy(nan)? };
    // The buffer may be in use: by another thread, or by a call whose `default` calls `dumps`.
    let mut own = Vec::new();
    let mut shared = try_lock(&BUFFER);
    let out = shared.as_deref_mut().unwrap_or(&mut own);
    out.clear();
    json::encode(obj, &options, out)?;
    let bytes = json::new_bytes(obj.py(), out)?;
    if out.capacity() > MAX_RETAINED {
        *out = Vec::new();
    }
    Ok(bytes)
}

/// Decode JSON into Python objects, as `json.loads` does, with the decoder of `Message.value`.
///
/// Args:
///     data: UTF-8 bytes, or a str.
///     parse_float: Called with the text of each number that has a fraction or an exponent, such as `decimal.Decimal`.
///
/// Raises:
///     DecodeError: The data is not JSON, or nested deeper than 512 levels. `line`, `column`, `byte_offset` say where.
#[pyfunction]
#[pyo3(signature = (data, *, parse_float=None))]
pub fn loads<'py>(data: &Bound<'py, PyAny>, parse_float: Option<Py<PyAny>>) -> PyResult<Bound<'py, PyAny>> {
    let py = data.py();
    if let Some(parse_float) = &parse_float {
        static CHECKED: PlainFunctionCache = PlainFunctionCache::empty();
        refuse_async_argument("loads", "parse_float", parse_float.bind(py), "loads calls", &CHECKED)?;
    }
    let options = DecodeOptions { parse_float };
    if let Ok(bytes) = data.cast::<PyBytes>() {
        Ok(json::decode(py, bytes.as_bytes(), &options)?)
    } else if let Ok(text) = data.cast::<PyString>() {
        Ok(json::decode_text(text, &options)?)
    } else if data.is_instance_of::<PyByteArray>() || data.is_instance_of::<PyMemoryView>() {
        // A copy, because parse_float could change the buffer meanwhile.
        let copy = py.get_type::<PyBytes>().call1((data,))?;
        Ok(json::decode(py, copy.cast::<PyBytes>()?.as_bytes(), &options)?)
    } else {
        Err(PyTypeError::new_err(format!(
            "loads() takes bytes, bytearray, memoryview or str, not {}: pass the JSON text itself",
            data.get_type().name()?
        )))
    }
}

/// Encode with pythonize and serde_json, for tests to compare with.
#[pyfunction]
pub fn _reference_dumps<'py>(obj: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(obj.py(), &json::reference_encode(obj)?))
}

/// Decode with serde_json and pythonize, for tests to compare with.
#[pyfunction]
pub fn _reference_loads<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    json::reference_decode(py, data)
}

pub fn nan_policy(name: &str) -> PyResult<NanPolicy> {
    match name {
        "error" => Ok(NanPolicy::Error),
        "null" => Ok(NanPolicy::Null),
        "allow" => Ok(NanPolicy::Allow),
        _ => {
            let message = format!("nan must be \"error\", \"null\" or \"allow\", not {name:?}");
            Err(Error::Config { message, option: "nan".to_owned() }.into())
        }
    }
}

/// The content of a lock that is free, also after a panic: the buffer is cleared before use.
fn try_lock<T>(lock: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match lock.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
