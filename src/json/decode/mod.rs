//! Decoding: bytes straight into Python objects. `reader` follows the grammar that jiter parses, `stack` holds the objects
//! until their container is complete, `slow` reads the strings and numbers that jiter refuses and `json` takes.
//!
//! `unsafe`: borrows the text of a str from it.
#![allow(unsafe_code)]

mod reader;
mod slow;
mod stack;

use std::sync::{Mutex, PoisonError, TryLockError};

use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::capi::CApi;
use super::key_cache::KeyCache;
use super::{DecodeError, DecodeOptions};

static KEYS: Mutex<KeyCache> = Mutex::new(KeyCache::new());

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
    // A `parse_float` that calls `loads` finds the cache taken, and does without.
    let mut spare = KeyCache::new();
    let mut shared = match KEYS.try_lock() {
        Ok(keys) => Some(keys),
        Err(TryLockError::Poisoned(poisoned)) => Some(PoisonError::into_inner(poisoned)),
        Err(TryLockError::WouldBlock) => None,
    };
    let keys = match shared.as_deref_mut() {
        Some(keys) => {
            keys.prepare();
            keys
        }
        None => &mut spare,
    };
    reader::Reader::new(py, bytes, start, options, keys).read().map_err(|halt| halt.into_error(bytes))
}
