//! The `str` objects of keys seen before. Messages of one topic repeat their keys: a hit saves the allocation, and the
//! string has its hash already when the dict asks for it.
//!
//! Each slot remembers the key that came after its own. So the usual next key is recognized by one comparison, closing
//! quote and colon included, before its end is looked for: 6 to 8 % of the time to read objects.
//!
//! Bounded: 1,024 slots, keys of up to 48 bytes; a new key replaces the one in its slot. Keys chosen to collide cause
//! misses, no more.
//!
//! `get` returns a borrowed reference, which saves two calls for each of the 17 keys of a small event (3 % of the time
//! to read it). So an object that no slot keeps lives until `release_lent`.
//!
//! `unsafe`: owns references without a GIL token, because it is stored in a static; see `KeySlot`.
#![allow(unsafe_code)]

use pyo3::ffi::{self, PyObject};

use super::short_key;

const SLOTS: usize = 1024;
const LONGEST: usize = 48;
/// A larger vector of lent objects is freed after use.
const MAX_RETAINED: usize = 1 << 16;

pub(super) struct KeyCache {
    slots: Vec<KeySlot>,
    /// The slot of the key that was read last.
    last: usize,
    /// Owned objects that were returned, and that no slot keeps.
    lent: Vec<*mut PyObject>,
}

/// Has the text beside the object, so that comparing needs no call into Python.
#[repr(align(64))]
struct KeySlot {
    /// The key, its closing quote and a colon, in the bytes that `mask` covers. Equal to no text while the slot is free
    /// or its key is too long.
    head: u128,
    mask: u128,
    object: *mut PyObject,
    /// 0 while the slot is free.
    length: usize,
    /// The slot of the key that last came after this one.
    next: usize,
    /// Two words of the text, which are all of it up to 16 bytes.
    ends: (u64, u64),
    text: [u8; LONGEST],
}

// SAFETY: the pointers are references that the cache owns and uses only while its caller holds the GIL: every method
// requires that.
unsafe impl Send for KeyCache {}

/// Length of the closing quote and the colon.
const QUOTE_COLON: usize = 2;

impl KeySlot {
    /// A masked text has no bits outside the mask, so it never equals this head.
    const NEVER: (u128, u128) = (1, 0);

    const FREE: KeySlot = KeySlot {
        head: Self::NEVER.0,
        mask: Self::NEVER.1,
        object: std::ptr::null_mut(),
        length: 0,
        next: 0,
        ends: (0, 0),
        text: [0; LONGEST],
    };

    /// Returns the object that it replaces.
    fn put(&mut self, text: &[u8], ends: (u64, u64), object: *mut PyObject) -> *mut PyObject {
        self.length = text.len();
        self.ends = ends;
        self.text[..text.len()].copy_from_slice(text);
        (self.head, self.mask) = Self::NEVER;
        let mut head = [0; 16];
        if let Some(key) = head.get_mut(..text.len() + QUOTE_COLON) {
            key[..text.len()].copy_from_slice(text);
            key[text.len()..].copy_from_slice(b"\":");
            self.head = u128::from_le_bytes(head);
            self.mask = u128::MAX >> (8 * (16 - text.len() - QUOTE_COLON));
        }
        std::mem::replace(&mut self.object, object)
    }
}

impl KeyCache {
    /// A cache that keeps nothing until `prepare`.
    pub(super) const fn new() -> Self {
        KeyCache { slots: Vec::new(), last: 0, lent: Vec::new() }
    }

    /// Allocates the slots, 128 KiB, the first time.
    #[inline]
    pub(super) fn prepare(&mut self) {
        if self.slots.is_empty() {
            self.fill();
        }
    }

    /// The key at the start of `text`, if it is the one that came after the last key before, and the position after its
    /// colon. The key lives until `release_lent`.
    #[inline(always)]
    pub(super) fn guess(&mut self, text: &[u8]) -> Option<(*mut PyObject, usize)> {
        let guessed = self.slots.get(self.last)?.next;
        let slot = self.slots.get(guessed)?;
        if u128::from_le_bytes(*text.first_chunk()?) & slot.mask != slot.head {
            return None;
        }
        self.last = guessed;
        Some((slot.object, slot.length + QUOTE_COLON))
    }

    /// The `str` of `text`, from `build` on a miss; it lives until `release_lent`. NULL if `build` returns NULL.
    ///
    /// # Safety
    /// The GIL must be held, and `build` must return a new reference to the `str` that `text` spells, or NULL.
    #[inline(always)]
    pub(super) unsafe fn get(&mut self, text: &[u8], build: impl FnOnce(&[u8]) -> *mut PyObject) -> *mut PyObject {
        if text.len() > LONGEST || text.is_empty() || self.slots.is_empty() {
            // SAFETY: a new reference, or NULL.
            return unsafe { self.lend(build(text)) };
        }
        let ends = short_key::ends(text);
        let index = short_key::hash(ends, text) % SLOTS;
        let last = std::mem::replace(&mut self.last, index);
        self.slots[last].next = index;
        let slot = &mut self.slots[index];
        if slot.ends == ends && slot.length == text.len() && (text.len() <= 16 || slot.text[..text.len()] == *text) {
            return slot.object;
        }
        let object = build(text);
        if !object.is_null() {
            let old = slot.put(text, ends, object);
            // SAFETY: the slot's reference, or NULL.
            unsafe { self.lend(old) };
        }
        object
    }

    /// Keeps an object until `release_lent`, and returns it.
    ///
    /// # Safety
    /// `object` must be a new reference, which the cache takes over, or NULL.
    #[inline]
    pub(super) unsafe fn lend(&mut self, object: *mut PyObject) -> *mut PyObject {
        if !object.is_null() {
            self.lent.push(object);
        }
        object
    }

    /// Releases the objects that were only lent.
    ///
    /// # Safety
    /// The GIL must be held, and results of `get`, `guess` and `lend` must not be used after this without a reference.
    #[inline]
    pub(super) unsafe fn release_lent(&mut self) {
        for object in self.lent.drain(..) {
            // SAFETY: owned since `lend`; freeing a str runs no Python code.
            unsafe { ffi::Py_DECREF(object) };
        }
        if self.lent.capacity() > MAX_RETAINED {
            self.lent = Vec::new();
        }
    }

    #[cold]
    fn fill(&mut self) {
        self.slots.resize_with(SLOTS, || KeySlot::FREE);
    }
}
