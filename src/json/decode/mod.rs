//! Decoding: bytes straight into Python objects. `scan` reads bytes, `parser` follows the grammar, `stack` builds the
//! objects, `untracked` hides those of a batch from Python's cycle collector, `rare` has the rare cases, `error` the
//! errors.
//!
//! `unsafe`: borrows the text of a str, and keeps vectors of object pointers in a static.
#![allow(unsafe_code)]

mod error;
mod parser;
mod rare;
mod scan;
mod stack;
mod untracked;

use std::sync::{Mutex, MutexGuard, TryLockError};

use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::capi::CApi;
use super::key_cache::KeyCache;
use super::value_cache::ValueCache;
use super::{DecodeError, DecodeOptions};

pub use untracked::Untracked;

/// Caches and buffers that calls share, so that a small message allocates nothing but its objects.
struct Scratch {
    key_cache: KeyCache,
    value_cache: ValueCache,
    objects: Vec<*mut PyObject>,
    keys: Vec<*mut PyObject>,
    text: Vec<u8>,
}

// SAFETY: `objects` and `keys` are empty between calls, and the caches are Send.
unsafe impl Send for Scratch {}

impl Scratch {
    const fn new() -> Self {
        Scratch {
            key_cache: KeyCache::new(),
            value_cache: ValueCache::new(),
            objects: Vec::new(),
            keys: Vec::new(),
            text: Vec::new(),
        }
    }

    /// Frees large vectors, so that one large message does not keep memory for ever.
    fn shrink(&mut self) {
        const MAX_RETAINED: usize = 1 << 16;
        if self.objects.capacity() > MAX_RETAINED {
            self.objects = Vec::new();
        }
        if self.keys.capacity() > MAX_RETAINED {
            self.keys = Vec::new();
        }
        if self.text.capacity() > MAX_RETAINED {
            self.text = Vec::new();
        }
    }
}

static SHARED: Mutex<Scratch> = Mutex::new(Scratch::new());

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn decode<'py>(
    py: Python<'py>,
    bytes: &[u8],
    options: &DecodeOptions,
) -> Result<Bound<'py, PyAny>, DecodeError> {
    ValueDecoder::new(py).decode(bytes, options)
}

/// Where the JSON starts: `json.loads` skips a byte order mark in bytes, which RFC 8259 allows.
#[inline]
fn start_of(bytes: &[u8]) -> usize {
    if bytes.starts_with(BYTE_ORDER_MARK) {
        BYTE_ORDER_MARK.len()
    } else {
        0
    }
}

pub(super) fn decode_text<'py>(
    text: &Bound<'py, PyString>,
    options: &DecodeOptions,
) -> Result<Bound<'py, PyAny>, DecodeError> {
    let py = text.py();
    // SAFETY: `text` is a str, and outlives the slice.
    if let Some(utf8) = unsafe { CApi::get(py).borrow_utf8(text.as_ptr()) } {
        return ValueDecoder::new(py).decode_from(utf8, 0, options);
    }
    // SAFETY: `text` is a str.
    match unsafe { CApi::copy_utf8(py, text.as_ptr()) } {
        Ok(copy) => ValueDecoder::new(py).decode_from(copy.as_bytes(), 0, options),
        Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(py) => Err(DecodeError::at(
            b"",
            0,
            "the str has a lone surrogate, which UTF-8 cannot represent: pass the bytes that it came from",
        )),
        Err(error) => Err(DecodeError::Raised(error)),
    }
}

/// Decodes one text after another, while the caller keeps the GIL.
pub struct ValueDecoder<'py> {
    py: Python<'py>,
    scratch: ScratchRef,
    untracked: Option<Untracked<'py>>,
}

enum ScratchRef {
    Shared(MutexGuard<'static, Scratch>),
    Owned(Scratch),
}

impl<'py> ValueDecoder<'py> {
    /// Without the caches if `SHARED` is in use: by another thread, or by a decoder whose `parse_float` calls `loads`.
    #[inline]
    pub fn new(py: Python<'py>) -> Self {
        let shared = match SHARED.try_lock() {
            Ok(scratch) => Some(scratch),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        let scratch = match shared {
            Some(mut scratch) => {
                scratch.key_cache.prepare();
                scratch.value_cache.prepare();
                ScratchRef::Shared(scratch)
            }
            None => ScratchRef::Owned(Scratch::new()),
        };
        ValueDecoder { py, scratch, untracked: None }
    }

    /// Hides the containers that it makes from the collector, until the result of `finish` is dropped.
    pub fn untracked(mut self) -> Self {
        self.untracked = Some(Untracked::new(self.py));
        self
    }

    pub fn finish(self) -> Option<Untracked<'py>> {
        self.untracked
    }

    pub fn decode(&mut self, bytes: &[u8], options: &DecodeOptions) -> Result<Bound<'py, PyAny>, DecodeError> {
        self.decode_from(bytes, start_of(bytes), options)
    }

    #[inline]
    fn decode_from(
        &mut self,
        bytes: &[u8],
        start: usize,
        options: &DecodeOptions,
    ) -> Result<Bound<'py, PyAny>, DecodeError> {
        let scratch = match &mut self.scratch {
            ScratchRef::Shared(scratch) => &mut **scratch,
            ScratchRef::Owned(scratch) => scratch,
        };
        let stack = stack::Stack::new(
            self.py,
            &mut scratch.objects,
            &mut scratch.keys,
            &mut scratch.key_cache,
            &mut scratch.value_cache,
            self.untracked.as_mut(),
        );
        let value = parser::JsonParser::new(bytes, start, options, stack, &mut scratch.text)
            .parse()
            .map_err(|error| error.into_decode_error(bytes));
        scratch.shrink();
        value
    }
}
