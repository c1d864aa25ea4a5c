//! Encoding: Python objects straight into the caller's buffer.
//!
//! `writer` dispatches on exact builtin types and owns the builtin containers, `containers` the others, `text` and
//! `number` write the leaves, `key` the keys, `types` the types beyond `json`'s; `error` has the errors and their
//! paths.

mod containers;
mod error;
mod key;
mod number;
mod text;
mod types;
mod writer;

use pyo3::prelude::*;

use super::{EncodeError, EncodeOptions};

pub(super) fn encode(value: &Bound<'_, PyAny>, options: &EncodeOptions, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let before = out.len();
    writer::JsonWriter::new(value.py(), options, out)
        .write(value)
        .map(|()| {
            out.pop(); // the comma
        })
        .map_err(|error| {
            out.truncate(before);
            error.into_encode_error()
        })
}
