//! The `str` objects of keys seen before. Messages of one topic repeat their keys: a hit saves the allocation, and the
//! string's hash is computed already when the dict asks for it.
//!
//! Bounded: 1,024 slots, keys of up to 48 bytes, a newcomer takes the slot. Whoever chooses keys to collide gets
//! misses, no more.
//!
//! `unsafe`: owns references without a token, because it lives in a static; see `Slot`.
#![allow(unsafe_code)]

use pyo3::ffi::{self, PyObject};

const SLOTS: usize = 1024;
const LONGEST: usize = 48;

pub(super) struct KeyCache {
    slots: Vec<Slot>,
}

/// The text is kept beside the object, so that comparing needs no call into Python and no second cache line.
struct Slot {
    object: *mut PyObject,
    length: usize,
    text: [u8; LONGEST],
}

// SAFETY: the pointers are references that the cache owns and only touches while its user holds the GIL: every method
// asks for that.
unsafe impl Send for KeyCache {}

impl KeyCache {
    /// A cache that remembers nothing, until `prepare`.
    pub(super) const fn new() -> Self {
        KeyCache { slots: Vec::new() }
    }

    /// Makes the slots, 64 KiB, the first time.
    #[inline]
    pub(super) fn prepare(&mut self) {
        if self.slots.is_empty() {
            self.fill();
        }
    }

    /// A new reference to the `str` of `text`, made by `build` if it is not known. NULL if `build` gives NULL.
    ///
    /// # Safety
    /// The GIL must be held, and `build` must return a new reference to the `str` that `text` spells, or NULL.
    #[inline(always)]
    pub(super) unsafe fn get(&mut self, text: &[u8], build: impl FnOnce(&[u8]) -> *mut PyObject) -> *mut PyObject {
        if text.len() > LONGEST || text.is_empty() {
            return build(text);
        }
        let Some(slot) = self.slots.get_mut(hash(text) % SLOTS) else {
            return build(text);
        };
        if slot.length == text.len() && slot.text[..text.len()] == *text {
            // SAFETY: a slot with a length owns a reference to its object.
            unsafe { ffi::Py_INCREF(slot.object) };
            return slot.object;
        }
        let object = build(text);
        if !object.is_null() {
            let old = std::mem::replace(&mut slot.object, object);
            slot.length = text.len();
            slot.text[..text.len()].copy_from_slice(text);
            // SAFETY: `object` is live; the old one was owned by the slot, and freeing a str runs no Python code.
            unsafe {
                ffi::Py_INCREF(object);
                ffi::Py_XDECREF(old);
            }
        }
        object
    }

    #[cold]
    fn fill(&mut self) {
        self.slots.resize_with(SLOTS, || Slot { object: std::ptr::null_mut(), length: 0, text: [0; LONGEST] });
    }
}

/// Mixes the first, the last and the middle bytes with the length: keys that share all of those are rare.
#[inline(always)]
fn hash(text: &[u8]) -> usize {
    let length = text.len();
    let word = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&text[at..at + 8]);
        u64::from_le_bytes(bytes)
    };
    let half = |at: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&text[at..at + 4]);
        u64::from(u32::from_le_bytes(bytes))
    };
    let (low, high) = if length >= 8 {
        (word(0) ^ word(length / 2 - 4).rotate_left(23), word(length - 8))
    } else if length >= 4 {
        (half(0), half(length - 4))
    } else {
        let middle = text[length / 2];
        (u64::from(text[0]) | u64::from(middle) << 8, u64::from(text[length - 1]))
    };
    // Two odd constants, from the fraction of the golden ratio and of the square root of two.
    let mixed = (low ^ high.rotate_left(32) ^ length as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ high.wrapping_mul(0x6a09_e667_f3bc_c909);
    (mixed >> 40) as usize
}
