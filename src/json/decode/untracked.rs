//! Containers that Python's cycle collector does not see yet.
//!
//! A young collection looks at all that was made since the last one, three times. That is soon over where objects die young,
//! but a batch keeps all that it has made: 0.1 us a message of 270 bytes, a tenth of its reading, to find that there are no
//! cycles. So it is made out of sight, the collector has its look at the rest, and then the batch is put among the young,
//! which the collector counts when they are made and not when they are put there.
//!
//! Out of sight are lists, and dicts with containers in them: CPython up to 3.13 leaves other dicts out by itself
//! (`MAINTAIN_TRACKING` in Objects/dictobject.c). Nobody else has them until then, so none of them can be part of a cycle.
//!
//! `unsafe`: takes objects from the collector, and gives each back once.
#![allow(unsafe_code)]

use std::marker::PhantomData;

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

/// Its containers are seen from its end on.
pub struct Unseen<'py> {
    /// Owned.
    containers: Vec<*mut PyObject>,
    py: PhantomData<Python<'py>>,
}

impl<'py> Unseen<'py> {
    pub(super) fn new(_py: Python<'py>) -> Self {
        Unseen { containers: Vec::new(), py: PhantomData }
    }

    pub fn is_empty(&self) -> bool {
        self.containers.is_empty()
    }

    /// # Safety
    /// `container` is a live list that nobody else has, or such a dict with a container in it, not hidden yet.
    #[inline(always)]
    pub(super) unsafe fn hide(&mut self, container: *mut PyObject) {
        // SAFETY: live, and made for the collector, as every list and dict is. Kept alive until it is given back, even if who
        // made it lets go of it before: an error further on in the text.
        unsafe {
            ffi::PyObject_GC_UnTrack(container.cast());
            ffi::Py_INCREF(container);
        }
        self.containers.push(container);
    }
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        for container in self.containers.drain(..) {
            // SAFETY: live, hidden by `hide`, and by nobody shown since: a list is tracked when it is made, a dict when a
            // container is put into it. The GIL is held, as `py` says.
            unsafe {
                ffi::PyObject_GC_Track(container.cast());
                ffi::Py_DECREF(container);
            }
        }
    }
}
