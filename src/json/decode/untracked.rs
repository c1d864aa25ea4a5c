//! Containers that Python's cycle collector does not track yet.
//!
//! A young collection traverses all objects made since the last one three times. That is quick where objects die young,
//! but a batch keeps all that it makes: 0.1 us for a message of 270 bytes, a tenth of the time to read it, to find no
//! cycles. So the containers of a batch are untracked until the batch is complete, and tracked again after the
//! collection that is due: the collector counts objects when they are made, not when they are tracked.
//!
//! These are lists, and dicts that hold containers: CPython up to 3.13 does not track other dicts (`MAINTAIN_TRACKING`
//! in Objects/dictobject.c). No other code has a reference to them while untracked, so they are in no cycle.
//!
//! `unsafe`: untracks objects, and tracks each again exactly once.
#![allow(unsafe_code)]

use std::marker::PhantomData;

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

/// Tracks its containers again when it is dropped.
pub struct Untracked<'py> {
    /// Owned.
    containers: Vec<*mut PyObject>,
    py: PhantomData<Python<'py>>,
}

impl<'py> Untracked<'py> {
    pub(super) fn new(_py: Python<'py>) -> Self {
        Untracked { containers: Vec::new(), py: PhantomData }
    }

    pub fn is_empty(&self) -> bool {
        self.containers.is_empty()
    }

    /// # Safety
    /// `container` is a live, tracked list, or dict that holds a container, and the caller's reference is the only one.
    #[inline(always)]
    pub(super) unsafe fn untrack(&mut self, container: *mut PyObject) {
        // SAFETY: a live list or dict, tracked as the caller vouches. Kept alive until it is tracked again, even if the
        // stack frees it first, after an error in the rest of the text.
        unsafe {
            ffi::PyObject_GC_UnTrack(container.cast());
            ffi::Py_INCREF(container);
        }
        self.containers.push(container);
    }
}

impl Drop for Untracked<'_> {
    fn drop(&mut self) {
        for container in self.containers.drain(..) {
            // SAFETY: live, untracked by `untrack`, and not tracked since: CPython tracks a list when it is made, a
            // dict when a container is put into it. The GIL is held, as `py` proves.
            unsafe {
                ffi::PyObject_GC_Track(container.cast());
                ffi::Py_DECREF(container);
            }
        }
    }
}
