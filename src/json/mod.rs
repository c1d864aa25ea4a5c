//! The JSON codec: Python objects to bytes (`encode`) and bytes to Python objects (`decode`), as exact as the standard
//! library's `json`. Knows nothing of Kafka. docs/json.md has the table of types.

mod callback;
mod capi;
mod decode;
mod encode;
mod error;
mod key_cache;
mod pep393;
mod recursion;
mod reference;
mod short_key;
mod value_cache;

use pyo3::prelude::*;
use pyo3::types::PyString;

pub use capi::{new_bytes, new_list};
pub use decode::{Untracked, ValueDecoder};
pub use error::{DecodeError, EncodeError};
pub use reference::{reference_decode, reference_encode};

/// How deep arrays and objects may be nested, the same in both directions, so that what is written can be read.
/// `json` stops near 1,000 and serde_json at 128; 512 levels take less than 384 KiB of stack in either direction.
pub const MAX_DEPTH: usize = 512;

/// What NaN and the infinities become, which JSON does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NanPolicy {
    /// Raise an EncodeError with the path.
    Error,
    /// Write `null`.
    Null,
    /// Write `NaN`, `Infinity`, `-Infinity`, as `json.dumps` does: readers that follow the RFC reject them.
    Allow,
}

/// How Python objects become JSON.
pub struct EncodeOptions {
    /// Called with each object that has no JSON form; what it returns is encoded instead.
    pub default: Option<Py<PyAny>>,
    pub nan: NanPolicy,
}

/// How JSON becomes Python objects.
pub struct DecodeOptions {
    /// Called with the text of each number that has a fraction or an exponent, as in `json.loads`.
    pub parse_float: Option<Py<PyAny>>,
}

/// Appends `value` as JSON to `out`, whose length is unchanged after an error.
pub fn encode(value: &Bound<'_, PyAny>, options: &EncodeOptions, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    encode::encode(value, options, out)
}

/// Builds the Python object that `bytes` represent.
pub fn decode<'py>(py: Python<'py>, bytes: &[u8], options: &DecodeOptions) -> Result<Bound<'py, PyAny>, DecodeError> {
    decode::decode(py, bytes, options)
}

/// Decodes a `str`. A byte order mark is an error there, as in `json.loads`: it belongs to bytes.
pub fn decode_text<'py>(
    text: &Bound<'py, PyString>,
    options: &DecodeOptions,
) -> Result<Bound<'py, PyAny>, DecodeError> {
    decode::decode_text(text, options)
}
