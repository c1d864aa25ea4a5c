//! The codec's errors as Python exceptions.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use crate::json::{DecodeError, EncodeError};

static ENCODE_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static DECODE_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();

impl From<EncodeError> for PyErr {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::Raised(error) => error,
            EncodeError::Refused { path, message } => {
                raise(&ENCODE_ERROR, "EncodeError", message, |attributes| attributes.set_item("path", path))
            }
        }
    }
}

impl From<DecodeError> for PyErr {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Raised(error) => error,
            DecodeError::Malformed { message, line, column, byte_offset } => {
                raise(&DECODE_ERROR, "DecodeError", message, |attributes| {
                    attributes.set_item("line", line)?;
                    attributes.set_item("column", column)?;
                    attributes.set_item("byte_offset", byte_offset)
                })
            }
        }
    }
}

/// The exception `kjson.exceptions.<name>(message, **attributes)`, or what went wrong when it was made.
fn raise(
    class: &PyOnceLock<Py<PyType>>,
    name: &str,
    message: String,
    describe: impl FnOnce(&Bound<'_, PyDict>) -> PyResult<()>,
) -> PyErr {
    Python::attach(|py| {
        let attributes = PyDict::new(py);
        let made = describe(&attributes)
            .and_then(|()| class.import(py, "kjson.exceptions", name))
            .and_then(|class| class.call((message,), Some(&attributes)));
        match made {
            Ok(exception) => PyErr::from_value(exception),
            Err(error) => error,
        }
    })
}
