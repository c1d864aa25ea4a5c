//! The objects that are read but not yet in their container: a list is made once its length is known.
//!
//! `unsafe`: owns references and builds lists and dicts through the C API. Measured against `PyList::append` and
//! `PyDict::set_item`, a small event decodes in 0.8 of the time.
#![allow(unsafe_code)]

use pyo3::ffi::{self, PyObject, Py_ssize_t};
use pyo3::prelude::*;

/// Owns one reference for each of its entries.
pub(super) struct Stack<'py> {
    py: Python<'py>,
    objects: Vec<*mut PyObject>,
}

impl<'py> Stack<'py> {
    pub(super) fn new(py: Python<'py>) -> Self {
        Stack { py, objects: Vec::with_capacity(64) }
    }

    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    /// Takes over a new reference. NULL means that Python raised.
    ///
    /// # Safety
    /// `object` must be a reference that the caller owns, or NULL with an exception set.
    #[inline(always)]
    pub(super) unsafe fn push(&mut self, object: *mut PyObject) -> PyResult<()> {
        if object.is_null() {
            return Err(PyErr::fetch(self.py));
        }
        self.objects.push(object);
        Ok(())
    }

    pub(super) fn push_bound(&mut self, object: Bound<'py, PyAny>) {
        self.objects.push(object.into_ptr());
    }

    /// Puts the objects from `start` on into a list, which takes their place.
    pub(super) fn close_list(&mut self, start: usize) -> PyResult<()> {
        let items = &self.objects[start..];
        // SAFETY: the list has room for every item, and each reference moves into it; the stack forgets them at once.
        unsafe {
            let list = ffi::PyList_New(items.len() as Py_ssize_t);
            if list.is_null() {
                return Err(PyErr::fetch(self.py));
            }
            for (index, item) in items.iter().enumerate() {
                ffi::PyList_SetItem(list, index as Py_ssize_t, *item);
            }
            self.objects.truncate(start);
            self.push(list)
        }
    }

    /// Puts the keys and values from `start` on into a dict, which takes their place. The last of two equal keys wins.
    pub(super) fn close_dict(&mut self, start: usize) -> PyResult<()> {
        // SAFETY: PyDict_SetItem takes references of its own; the stack's are given back after it.
        unsafe {
            let dict = ffi::PyDict_New();
            if dict.is_null() {
                return Err(PyErr::fetch(self.py));
            }
            for pair in self.objects[start..].chunks_exact(2) {
                if ffi::PyDict_SetItem(dict, pair[0], pair[1]) != 0 {
                    ffi::Py_DECREF(dict);
                    return Err(PyErr::fetch(self.py));
                }
            }
            for object in self.objects.drain(start..) {
                ffi::Py_DECREF(object);
            }
            self.push(dict)
        }
    }

    pub(super) fn pop(&mut self) -> Option<Bound<'py, PyAny>> {
        // SAFETY: the reference moves from the stack to the Bound.
        self.objects.pop().map(|object| unsafe { Bound::from_owned_ptr(self.py, object) })
    }
}

impl Drop for Stack<'_> {
    fn drop(&mut self) {
        for object in self.objects.drain(..) {
            // SAFETY: the stack owns the reference, and `py` proves that the GIL is held.
            unsafe { ffi::Py_DECREF(object) };
        }
    }
}
