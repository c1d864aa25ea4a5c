//! The `str` objects of short values seen before: states, codes, currencies, names repeat from message to message. A
//! hit saves an object and its allocation.
//!
//! A slot keeps a value that it saw twice in succession, so that values which do not repeat are not kept alive.
//!
//! Bounded: 512 slots, ASCII of 2 to 16 bytes.
//!
//! `unsafe`: owns references without a GIL token, because it is stored in a static; see `ValueSlot`.
#![allow(unsafe_code)]

use pyo3::ffi::{self, PyObject};

use super::short_key;

const SLOTS: usize = 512;
const LONGEST: usize = 16;

pub(super) struct ValueCache {
    slots: Vec<ValueSlot>,
}

/// The two words and the length are the whole text.
#[derive(Clone, Copy)]
struct ValueSlot {
    /// Owned, or NULL.
    object: *mut PyObject,
    length: usize,
    ends: (u64, u64),
}

// SAFETY: the pointers are references that the cache owns and uses only while its caller holds the GIL: `get` requires
// that.
unsafe impl Send for ValueCache {}

impl ValueCache {
    pub(super) const fn new() -> Self {
        ValueCache { slots: Vec::new() }
    }

    /// A new reference to the `str` of `text`, which is ASCII, from `build` on a miss. NULL if `build` returns NULL.
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
            let old =
                std::mem::replace(slot, ValueSlot { object: std::ptr::null_mut(), length: text.len(), ends }).object;
            // SAFETY: NULL, or owned by the slot; freeing a str runs no Python code.
            unsafe { ffi::Py_XDECREF(old) };
        }
        object
    }

    #[inline]
    pub(super) fn prepare(&mut self) {
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, ValueSlot { object: std::ptr::null_mut(), length: 0, ends: (0, 0) });
        }
    }
}
