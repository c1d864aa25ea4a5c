//! The `str` objects of keys seen before. Messages of one topic repeat their keys: a hit saves the allocation, and the
//! string's hash is computed already when the dict asks for it.
//!
//! Each key remembers which one came after it. So the usual next key is known by one comparison, closing quote and colon
//! included, before its end is looked for: 6 to 8 % of the time of objects.
//!
//! Bounded: 1,024 slots, keys of up to 48 bytes, a newcomer takes the slot. Whoever chooses keys to collide gets
//! misses, no more.
//!
//! What `get` gives is borrowed, which saves the 17 keys of a small event two calls each (3 % of its reading). So an object
//! that the cache does not keep, or no longer, lives until `let_go`.
//!
//! `unsafe`: owns references without a token, because it lives in a static; see `Slot`.
#![allow(unsafe_code)]

use pyo3::ffi::{self, PyObject};

use super::short_key;

const SLOTS: usize = 1024;
const LONGEST: usize = 48;
/// Room for more that is only lent is given back after use.
const KEPT: usize = 1 << 16;

pub(super) struct KeyCache {
    slots: Vec<Slot>,
    /// The slot of the key that was read last.
    last: usize,
    /// Given to somebody, and in no slot.
    passing: Vec<*mut PyObject>,
}

/// The text is kept beside the object, so that comparing needs no call into Python and no second cache line.
#[repr(align(64))]
struct Slot {
    /// What a text begins with that goes on with this key: the key, its closing quote and a colon, as far as `mask` reaches.
    /// One that is never met while the slot is free or its key too long.
    head: u128,
    mask: u128,
    object: *mut PyObject,
    /// 0 while the slot is free.
    length: usize,
    /// The slot of the key that came after this one the last time.
    next: usize,
    /// Two words of the text, which are all of it up to 16 bytes.
    ends: (u64, u64),
    text: [u8; LONGEST],
}

// SAFETY: the pointers are references that the cache owns and only touches while its user holds the GIL: every method
// asks for that.
unsafe impl Send for KeyCache {}

/// Quote and colon.
const BEHIND: usize = 2;

impl Slot {
    /// No bits of a text outside the mask are compared, so this head never equals any.
    const NEVER: (u128, u128) = (1, 0);

    const FREE: Slot = Slot {
        head: Self::NEVER.0,
        mask: Self::NEVER.1,
        object: std::ptr::null_mut(),
        length: 0,
        next: 0,
        ends: (0, 0),
        text: [0; LONGEST],
    };

    /// Gives what was there.
    fn put(&mut self, text: &[u8], ends: (u64, u64), object: *mut PyObject) -> *mut PyObject {
        self.length = text.len();
        self.ends = ends;
        self.text[..text.len()].copy_from_slice(text);
        (self.head, self.mask) = Self::NEVER;
        let mut head = [0; 16];
        if let Some(room) = head.get_mut(..text.len() + BEHIND) {
            room[..text.len()].copy_from_slice(text);
            room[text.len()..].copy_from_slice(b"\":");
            self.head = u128::from_le_bytes(head);
            self.mask = u128::MAX >> (8 * (16 - text.len() - BEHIND));
        }
        std::mem::replace(&mut self.object, object)
    }
}

impl KeyCache {
    /// A cache that remembers nothing, until `prepare`.
    pub(super) const fn new() -> Self {
        KeyCache { slots: Vec::new(), last: 0, passing: Vec::new() }
    }

    /// Makes the slots, 128 KiB, the first time.
    #[inline]
    pub(super) fn prepare(&mut self) {
        if self.slots.is_empty() {
            self.fill();
        }
    }

    /// The key that `text` begins with, if it is the one that came after the last key the last time, and the place behind
    /// its colon. It lives until `let_go`.
    #[inline(always)]
    pub(super) fn guess(&mut self, text: &[u8]) -> Option<(*mut PyObject, usize)> {
        let guessed = self.slots.get(self.last)?.next;
        let slot = self.slots.get(guessed)?;
        if u128::from_le_bytes(*text.first_chunk()?) & slot.mask != slot.head {
            return None;
        }
        self.last = guessed;
        Some((slot.object, slot.length + BEHIND))
    }

    /// The `str` of `text`, made by `build` if it is not known; it lives until `let_go`. NULL if `build` gives NULL.
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
        let place = short_key::hash(ends, text) % SLOTS;
        let last = std::mem::replace(&mut self.last, place);
        self.slots[last].next = place;
        let slot = &mut self.slots[place];
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

    /// Keeps an object until `let_go`, and gives it back.
    ///
    /// # Safety
    /// `object` is a new reference, which this takes over, or NULL.
    #[inline]
    pub(super) unsafe fn lend(&mut self, object: *mut PyObject) -> *mut PyObject {
        if !object.is_null() {
            self.passing.push(object);
        }
        object
    }

    /// Frees what was only lent.
    ///
    /// # Safety
    /// The GIL must be held, and nobody has what `get` and `lend` gave any more, but as a reference of his own.
    #[inline]
    pub(super) unsafe fn let_go(&mut self) {
        for object in self.passing.drain(..) {
            // SAFETY: owned since `lend`; freeing a str runs no Python code.
            unsafe { ffi::Py_DECREF(object) };
        }
        if self.passing.capacity() > KEPT {
            self.passing = Vec::new();
        }
    }

    #[cold]
    fn fill(&mut self) {
        self.slots.resize_with(SLOTS, || Slot::FREE);
    }
}
