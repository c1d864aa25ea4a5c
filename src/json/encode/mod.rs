//! Encoding: one walk over a Python object, straight into the caller's buffer.
//!
//! `walk` dispatches on exact builtin types and owns the builtin containers, `containers` the others, `text` and `number` write
//! the leaves, `key` the keys, `types` knows the types beyond `json`'s, `refuse` says why not, `stop` carries an error and its
//! path back up.

mod containers;
mod key;
mod number;
mod refuse;
mod stop;
mod text;
mod types;
mod walk;

use pyo3::prelude::*;

use super::{EncodeError, EncodeOptions};

pub(super) fn encode(value: &Bound<'_, PyAny>, options: &EncodeOptions, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let before = out.len();
    walk::Walker::new(value.py(), options, out)
        .root(value)
        .map(|()| {
            out.pop(); // the comma after the value
        })
        .map_err(|stop| {
            out.truncate(before);
            stop.into_error()
        })
}
