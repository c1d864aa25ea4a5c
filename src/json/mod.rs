//! The JSON codec: Python objects to bytes (`encode`) and bytes to Python objects (`decode`), as exact as the standard
//! library's `json`. Nothing here knows about Kafka. What each type becomes is the table of docs/json.md.

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
pub use decode::{Series, Unseen};
pub use error::{DecodeError, EncodeError};
pub use reference::{reference_decode, reference_encode};

/// How deep arrays and objects may be nested, the same in both directions: what one side writes, the other reads.
/// `json` stops near 1,000 and serde_json at 128; 512 frames of either walk take less than 384 KiB of stack.
pub const MAX_DEPTH: usize = 512;

/// What NaN and the infinities become, none of which JSON can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NanPolicy {
    /// Refuse the value, with its path.
    Error,
    /// Write `null`.
    Null,
    /// Write `NaN`, `Infinity`, `-Infinity`, as `json.dumps` does: readers that follow the RFC refuse that.
    Allow,
}

/// How Python objects become JSON.
pub struct EncodeOptions {
    /// Called with each object that has no JSON form of its own; what it returns is encoded instead.
    pub default: Option<Py<PyAny>>,
    pub nan: NanPolicy,
}

/// How JSON becomes Python objects.
pub struct DecodeOptions {
    /// Called with the text of each number that has a fraction or an exponent, as in `json.loads`.
    pub parse_float: Option<Py<PyAny>>,
}

/// Appends the JSON form of `value` to `out`. After an error, `out` is as long as it was before.
pub fn encode(value: &Bound<'_, PyAny>, options: &EncodeOptions, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    encode::encode(value, options, out)
}

/// Builds the Python object that `bytes` describe.
pub fn decode<'py>(py: Python<'py>, bytes: &[u8], options: &DecodeOptions) -> Result<Bound<'py, PyAny>, DecodeError> {
    decode::decode(py, bytes, options)
}

/// The same for a `str`. A byte order mark is refused there, as `json.loads` does: it belongs to bytes.
pub fn decode_text<'py>(
    text: &Bound<'py, PyString>,
    options: &DecodeOptions,
) -> Result<Bound<'py, PyAny>, DecodeError> {
    decode::decode_text(text, options)
}
