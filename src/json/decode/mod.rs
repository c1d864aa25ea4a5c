//! Decoding: bytes straight into Python objects. `scan` looks at bytes, `reader` follows the grammar, `stack` makes the
//! objects, `slow` does what is rare, `halt` and `trouble` say what is wrong.
//!
//! `unsafe`: borrows the text of a str, and keeps room for object pointers in a static.
#![allow(unsafe_code)]

mod halt;
mod reader;
mod scan;
mod slow;
mod stack;
mod trouble;

use std::sync::{Mutex, TryLockError};

use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::capi::CApi;
use super::key_cache::KeyCache;
use super::value_cache::ValueCache;
use super::{DecodeError, DecodeOptions};

/// What calls share, so that a small message allocates nothing but its objects.
struct Workroom {
    keys: KeyCache,
    values: ValueCache,
    objects: Vec<*mut PyObject>,
    names: Vec<*mut PyObject>,
    text: Vec<u8>,
}

// SAFETY: `objects` and `names` are empty between calls, and the caches are Send.
unsafe impl Send for Workroom {}

impl Workroom {
    const fn new() -> Self {
        Workroom {
            keys: KeyCache::new(),
            values: ValueCache::new(),
            objects: Vec::new(),
            names: Vec::new(),
            text: Vec::new(),
        }
    }

    /// Larger vectors are given back after use: one large message must not hold on to memory for ever.
    fn tidy(&mut self) {
        const KEPT: usize = 1 << 16;
        if self.objects.capacity() > KEPT {
            self.objects = Vec::new();
        }
        if self.names.capacity() > KEPT {
            self.names = Vec::new();
        }
        if self.text.capacity() > KEPT {
            self.text = Vec::new();
        }
    }
}

static SHARED: Mutex<Workroom> = Mutex::new(Workroom::new());

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn decode<'py>(
    py: Python<'py>,
    bytes: &[u8],
    options: &DecodeOptions,
) -> Result<Bound<'py, PyAny>, DecodeError> {
    // `json.loads` skips the mark in bytes, and RFC 8259 lets a reader do that.
    let start = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    decode_from(py, bytes, start, options)
}

pub(super) fn decode_text<'py>(
    text: &Bound<'py, PyString>,
    options: &DecodeOptions,
) -> Result<Bound<'py, PyAny>, DecodeError> {
    let py = text.py();
    // SAFETY: `text` is a str, and outlives the slice.
    if let Some(utf8) = unsafe { CApi::get(py).borrow_utf8(text.as_ptr()) } {
        return decode_from(py, utf8, 0, options);
    }
    // SAFETY: `text` is a str.
    match unsafe { CApi::copy_utf8(py, text.as_ptr()) } {
        Ok(copy) => decode_from(py, copy.as_bytes(), 0, options),
        Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(py) => Err(DecodeError::at(
            b"",
            0,
            "the str holds a lone surrogate, which no UTF-8 text can: pass the bytes that it came from",
        )),
        Err(error) => Err(DecodeError::Raised(error)),
    }
}

fn decode_from<'py>(
    py: Python<'py>,
    bytes: &[u8],
    start: usize,
    options: &DecodeOptions,
) -> Result<Bound<'py, PyAny>, DecodeError> {
    // A `parse_float` that calls `loads`, or another thread meanwhile, finds the room taken and does without a cache.
    let mut own = Workroom::new();
    let mut shared = match SHARED.try_lock() {
        Ok(room) => Some(room),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    };
    let room = match shared.as_deref_mut() {
        Some(room) => {
            room.keys.prepare();
            room.values.prepare();
            room
        }
        None => &mut own,
    };
    let stack = stack::Stack::new(py, &mut room.objects, &mut room.names, &mut room.keys, &mut room.values);
    let value =
        reader::Reader::new(bytes, start, options, stack, &mut room.text).read().map_err(|halt| halt.into_error(bytes));
    room.tidy();
    value
}
