//! Why a value could not be encoded or bytes not be decoded: plain data, turned into exceptions by the bindings.

use pyo3::PyErr;

/// Why a Python object has no JSON form.
#[derive(Debug)]
pub enum EncodeError {
    /// The codec refuses the value at `path`, such as `$.orders[3].ts`.
    Refused { path: String, message: String },
    /// Code of the user's raised (`default=`, an overridden `items`, ...): passed on as it is.
    Raised(PyErr),
}

/// Why bytes are not JSON.
#[derive(Debug)]
pub enum DecodeError {
    /// `line` and `column` count from 1, the column in bytes; `byte_offset` counts from 0.
    Malformed { message: String, line: usize, column: usize, byte_offset: usize },
    /// Code of the user's raised (`parse_float=`), or Python ran out of memory: passed on as it is.
    Raised(PyErr),
}

impl DecodeError {
    /// An error at `byte_offset` of `bytes`; finding the line costs a scan that only errors pay for.
    pub(super) fn at(bytes: &[u8], byte_offset: usize, cause: &str) -> Self {
        let byte_offset = byte_offset.min(bytes.len());
        let before = &bytes[..byte_offset];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = match before.iter().rposition(|byte| *byte == b'\n') {
            Some(newline) => byte_offset - newline,
            None => byte_offset + 1,
        };
        let message = format!("cannot decode JSON: {cause} at line {line} column {column} (byte {byte_offset})");
        DecodeError::Malformed { message, line, column, byte_offset }
    }
}
