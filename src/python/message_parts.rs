//! Parses the parts of a message: key, headers, partition and timestamp.

use std::borrow::Cow;

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyUnicodeEncodeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyInt, PyList, PyMapping, PyString, PyTuple};

use crate::kafka::Header;

/// The text as UTF-8. `what` names it in the error if it has none: half a surrogate pair, which JSON may contain.
pub fn utf8<'a>(text: &'a Bound<'_, PyString>, what: impl FnOnce() -> String) -> PyResult<Cow<'a, str>> {
    text.to_cow().map_err(|error| {
        let py = text.py();
        if !error.is_instance_of::<PyUnicodeEncodeError>(py) {
            return error;
        }
        let refused = PyValueError::new_err(format!(
            "{}: {} holds a lone surrogate, which UTF-8 has no bytes for. Repair the text, or pass bytes where they \
             are taken: text.encode(\"utf-8\", \"surrogatepass\")",
            what(),
            text.as_any().repr().map_or_else(|_| "the text".to_owned(), |shown| shown.to_string_lossy().into_owned()),
        ));
        refused.set_cause(py, Some(error));
        refused
    })
}

/// Bytes, or text encoded as UTF-8, as keys and header values. `what` names the value in errors.
pub fn raw_bytes<'a>(value: &'a Bound<'_, PyAny>, what: impl FnOnce() -> String) -> PyResult<Option<Cow<'a, [u8]>>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Some(Cow::Borrowed(bytes.as_bytes())));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Some(Cow::Owned(utf8(text, what)?.into_owned().into_bytes())));
    }
    Ok(None)
}

/// The partition for librdkafka: -1 if the partitioner chooses it.
pub fn partition(topic: &Bound<'_, PyString>, partition: Option<i32>) -> PyResult<i32> {
    match partition {
        None => Ok(-1),
        Some(partition) if partition >= 0 => Ok(partition),
        Some(_) => Err(PyValueError::new_err(format!(
            "cannot send to '{}': partition must not be negative",
            topic.to_string_lossy()
        ))),
    }
}

/// Headers from a mapping or from pairs, in which a name may repeat. Values are `str`, `bytes` or `None`.
pub fn headers(headers: &Bound<'_, PyAny>) -> PyResult<Vec<Header>> {
    let pairs = if let Ok(mapping) = headers.cast::<PyDict>() {
        mapping.items().into_any()
    } else if let Ok(mapping) = headers.cast::<PyMapping>() {
        mapping.items()?.into_any()
    } else {
        headers.clone()
    };
    pairs.try_iter().map_err(|_| shape(headers))?.map(|pair| header(&pair?)).collect()
}

fn header(pair: &Bound<'_, PyAny>) -> PyResult<Header> {
    // A pair that went through JSON is a list.
    let items = if pair.is_instance_of::<PyTuple>() || pair.is_instance_of::<PyList>() {
        pair.try_iter()?
    } else {
        return Err(shape(pair));
    };
    let items = items.collect::<PyResult<Vec<_>>>()?;
    let [name, value] = <[Bound<'_, PyAny>; 2]>::try_from(items).map_err(|_| shape(pair))?;
    let name = name.cast::<PyString>().map_err(|_| shape(pair))?;
    let name = utf8(name, || "cannot send the name of a header".to_owned())?.into_owned();
    if name.contains('\0') {
        return Err(PyValueError::new_err(format!(
            "header name {name:?} holds a NUL character, which librdkafka cuts at"
        )));
    }
    if value.is_none() {
        return Ok((name, None));
    }
    match raw_bytes(&value, || format!("cannot send the value of header {name:?}"))? {
        Some(bytes) => Ok((name, Some(bytes.into_owned()))),
        None => Err(PyTypeError::new_err(format!(
            "header {name:?}: the value must be str, bytes or None, not {}. Encode it first, for example \
             with kjson.dumps",
            value.get_type().name()?
        ))),
    }
}

fn shape(given: &Bound<'_, PyAny>) -> PyErr {
    let kind = given.get_type().name().map_or_else(|_| String::new(), |name| name.to_string());
    PyTypeError::new_err(format!("headers must be a mapping or an iterable of (str, value) pairs; got {kind}"))
}

/// Milliseconds since the epoch, from an int or an aware datetime, from 1970 on.
pub fn timestamp_ms(timestamp: &Bound<'_, PyAny>) -> PyResult<i64> {
    let py = timestamp.py();
    let is_whole =
        || !timestamp.is_instance_of::<PyBool>() && timestamp.hasattr(intern!(py, "__index__")).unwrap_or(false);
    let millis = if timestamp.is_exact_instance_of::<PyInt>() {
        timestamp.clone()
    } else if is_whole() {
        py.import(intern!(py, "operator"))?.getattr(intern!(py, "index"))?.call1((timestamp,))?
    } else if timestamp.is_instance(&py.import(intern!(py, "datetime"))?.getattr(intern!(py, "datetime"))?)? {
        if timestamp.call_method0("utcoffset")?.is_none() {
            return Err(PyValueError::new_err(
                "timestamp is a datetime without a time zone, so it names no point in time: use \
                 datetime.now(timezone.utc)",
            ));
        }
        // Integer arithmetic: datetime.timestamp() is a float and loses 1 ms now and then.
        let millisecond = py.import(intern!(py, "datetime"))?.getattr(intern!(py, "timedelta"))?.call1((0, 0, 0, 1))?;
        timestamp.sub(epoch(py)?)?.floor_div(millisecond)?
    } else {
        return Err(PyTypeError::new_err(format!(
            "timestamp must be an int of milliseconds or an aware datetime, not {}",
            timestamp.get_type().name()?
        )));
    };
    match millis.extract::<i64>() {
        Ok(millis @ 0..) => Ok(millis),
        Ok(_) => Err(PyValueError::new_err(format!("timestamp must not be before 1970; got {} ms", digits(&millis)))),
        Err(_) => Err(PyValueError::new_err(format!(
            "timestamp must be below 2**63 ms, which is all Kafka has; got {}",
            digits(&millis)
        ))),
    }
}

/// An int for an error text. Python refuses to convert those of more than 4,300 digits.
fn digits(int: &Bound<'_, PyAny>) -> String {
    int.str().map_or_else(|_| "more than 4,300 digits".to_owned(), |text| text.to_string_lossy().into_owned())
}

/// Milliseconds since the epoch as an aware datetime in UTC. Raises OverflowError after the year 9999.
pub fn datetime_of(py: Python<'_>, millis: i64) -> PyResult<Bound<'_, PyAny>> {
    let timedelta = py.import("datetime")?.getattr("timedelta")?;
    timedelta.call1((0, 0, 0, millis)).and_then(|since| epoch(py)?.add(since)).map_err(|error| {
        if !error.is_instance_of::<PyOverflowError>(py) {
            return error;
        }
        let text =
            format!("timestamp_ms={millis} is after the year 9999, where datetime ends: read timestamp_ms instead");
        PyOverflowError::new_err(text)
    })
}

fn epoch(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let datetime = py.import("datetime")?;
    let utc = datetime.getattr("timezone")?.getattr("utc")?;
    datetime.getattr("datetime")?.call1((1970, 1, 1, 0, 0, 0, 0, utc))
}
