//! Decoding: bytes straight into Python objects. `scan` looks at bytes, `reader` follows the grammar, `stack` makes the
//! objects, `untracked` has those of many texts until they are complete, `rare` does what is rare, `halt` and `trouble` say what
//! is wrong.
//!
//! `unsafe`: borrows the text of a str, and keeps room for object pointers in a static.
#![allow(unsafe_code)]

mod halt;
mod rare;
mod reader;
mod scan;
mod stack;
mod trouble;
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

pub use untracked::Unseen;

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
    Series::begin(py).decode(bytes, options)
}

/// `json.loads` skips the mark in bytes, and RFC 8259 lets a reader do that.
#[inline]
fn behind_mark(bytes: &[u8]) -> usize {
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
        return Series::begin(py).decode_from(utf8, 0, options);
    }
    // SAFETY: `text` is a str.
    match unsafe { CApi::copy_utf8(py, text.as_ptr()) } {
        Ok(copy) => Series::begin(py).decode_from(copy.as_bytes(), 0, options),
        Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(py) => Err(DecodeError::at(
            b"",
            0,
            "the str holds a lone surrogate, which no UTF-8 text can: pass the bytes that it came from",
        )),
        Err(error) => Err(DecodeError::Raised(error)),
    }
}

/// Texts that are decoded one after the other by one who keeps the GIL.
pub struct Series<'py> {
    py: Python<'py>,
    room: Room,
    unseen: Option<Unseen<'py>>,
}

enum Room {
    Shared(MutexGuard<'static, Workroom>),
    Own(Workroom),
}

impl<'py> Series<'py> {
    /// A `parse_float` that calls `loads`, or another thread meanwhile, finds the room taken and does without a cache.
    #[inline]
    pub fn begin(py: Python<'py>) -> Self {
        let shared = match SHARED.try_lock() {
            Ok(room) => Some(room),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        let room = match shared {
            Some(mut room) => {
                room.keys.prepare();
                room.values.prepare();
                Room::Shared(room)
            }
            None => Room::Own(Workroom::new()),
        };
        Series { py, room, unseen: None }
    }

    /// The containers of what is decoded are not seen by the collector until `end`.
    pub fn unseen(mut self) -> Self {
        self.unseen = Some(Unseen::new(self.py));
        self
    }

    /// Leaves the room to others. What has not been seen is seen when the result is dropped.
    pub fn end(self) -> Option<Unseen<'py>> {
        self.unseen
    }

    pub fn decode(&mut self, bytes: &[u8], options: &DecodeOptions) -> Result<Bound<'py, PyAny>, DecodeError> {
        self.decode_from(bytes, behind_mark(bytes), options)
    }

    #[inline]
    fn decode_from(
        &mut self,
        bytes: &[u8],
        start: usize,
        options: &DecodeOptions,
    ) -> Result<Bound<'py, PyAny>, DecodeError> {
        let room = match &mut self.room {
            Room::Shared(room) => &mut **room,
            Room::Own(room) => room,
        };
        let stack = stack::Stack::new(
            self.py,
            &mut room.objects,
            &mut room.names,
            &mut room.keys,
            &mut room.values,
            self.unseen.as_mut(),
        );
        let value = reader::Reader::new(bytes, start, options, stack, &mut room.text)
            .read()
            .map_err(|halt| halt.into_error(bytes));
        room.tidy();
        value
    }
}
