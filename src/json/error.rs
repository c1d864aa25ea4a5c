//! The codec's errors as plain data, from which `crate::error` makes exceptions.

use pyo3::PyErr;

/// Why a Python object has no JSON form.
#[derive(Debug)]
pub enum EncodeError {
    /// The value at `path`, such as `$.orders[3].ts`, has none.
    NoJsonForm { path: String, message: String },
    /// User code raised (`default=`, an overridden `items`, ...), or Python ran out of memory or stack.
    Raised(PyErr),
}

/// Why bytes are not JSON.
#[derive(Debug)]
pub enum DecodeError {
    /// `line` and `column` count from 1, the column in bytes; `byte_offset` counts from 0.
    Malformed { message: String, line: usize, column: usize, byte_offset: usize },
    /// User code raised (`parse_float=`), or Python ran out of memory or stack.
    Raised(PyErr),
}

impl DecodeError {
    /// An error at `byte_offset` of `bytes`. The line is counted here, so that only errors cost a scan.
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
