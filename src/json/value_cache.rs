//! The `str` objects of short values seen before: states, codes, currencies, names repeat from message to message. A hit saves
//! an allocation, its memory and its end.
//!
//! Kept is what came to its slot twice in a row, so that a value that does not repeat costs a look and is not kept alive.
//!
//! Bounded: 512 slots, ASCII of 2 to 16 bytes.
//!
//! `unsafe`: owns references without a token, because it lives in a static; see `Slot`.
#![allow(unsafe_code)]

use pyo3::ffi::{self, PyObject};

use super::short_key;

const SLOTS: usize = 512;
const LONGEST: usize = 16;

pub(super) struct ValueCache {
    slots: Vec<Slot>,
}

/// Two words are the whole of a text, together with its length.
#[derive(Clone, Copy)]
struct Slot {
    /// NULL, or owned.
    object: *mut PyObject,
    length: usize,
    ends: (u64, u64),
}

// SAFETY: the pointers are references that the cache owns and only touches while its user holds the GIL: `get` asks for that.
unsafe impl Send for ValueCache {}

impl ValueCache {
    pub(super) const fn new() -> Self {
        ValueCache { slots: Vec::new() }
    }

    /// A new reference to the `str` of `text`, which is ASCII, made by `build` if it is not known. NULL if `build` gives NULL.
    ///
    /// # Safety
    /// The GIL must be held, and `build` must return a new reference to the `str` that `text` spells, or NULL.
    #[inline(always)]
    pub(super) unsafe fn get(&mut self, text: &[u8], build: impl FnOnce(&[u8]) -> *mut PyObject) -> *mut PyObject {
        if !(2..=LONGEST).contains(&text.len()) {
            return build(text);
        }
        let ends = short_key::ends(text);
        let Some(slot) = self.slots.get_mut(short_key::hash(ends, text) % SLOTS) else {
            return build(text);
        };
        let seen = slot.ends == ends && slot.length == text.len();
        if seen && !slot.object.is_null() {
            // SAFETY: owned by the slot.
            unsafe { ffi::Py_INCREF(slot.object) };
            return slot.object;
        }
        let object = build(text);
        if seen && !object.is_null() {
            // SAFETY: live.
            unsafe { ffi::Py_INCREF(object) };
            slot.object = object;
        } else if !seen {
            let old = std::mem::replace(slot, Slot { object: std::ptr::null_mut(), length: text.len(), ends }).object;
            // SAFETY: NULL, or owned by the slot; freeing a str runs no Python code.
            unsafe { ffi::Py_XDECREF(old) };
        }
        object
    }

    #[inline]
    pub(super) fn prepare(&mut self) {
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, Slot { object: std::ptr::null_mut(), length: 0, ends: (0, 0) });
        }
    }
}
