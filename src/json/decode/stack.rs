//! The objects that are read but not yet in their container: a list or a dict is made once its length is known. Keys lie
//! apart from values, because they are borrowed from the cache.
//!
//! `unsafe`: owns references and builds objects through the C API. Every object is pushed the moment it is made, so an
//! error on the way frees them all when the stack is dropped.
#![allow(unsafe_code)]

use pyo3::exceptions::PyUnicodeDecodeError;
use pyo3::ffi::{self, PyObject, Py_ssize_t};
use pyo3::prelude::*;

use crate::json::capi::CApi;
use crate::json::key_cache::KeyCache;
use crate::json::value_cache::ValueCache;

use super::untracked::Unseen;

/// Owns one reference for each entry of `objects`, and borrows `names` from `keys`.
pub(super) struct Stack<'a, 'py> {
    py: Python<'py>,
    capi: &'static CApi,
    objects: &'a mut Vec<*mut PyObject>,
    names: &'a mut Vec<*mut PyObject>,
    keys: &'a mut KeyCache,
    values: &'a mut ValueCache,
    unseen: Option<&'a mut Unseen<'py>>,
    /// How many containers have been made.
    closed: usize,
}

/// How much lay on the stack when a container began.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    objects: usize,
    names: usize,
    closed: usize,
}

impl<'a, 'py> Stack<'a, 'py> {
    /// `objects` and `names` are room to work in, and empty.
    pub(super) fn new(
        py: Python<'py>,
        objects: &'a mut Vec<*mut PyObject>,
        names: &'a mut Vec<*mut PyObject>,
        keys: &'a mut KeyCache,
        values: &'a mut ValueCache,
        unseen: Option<&'a mut Unseen<'py>>,
    ) -> Self {
        Stack { py, capi: CApi::get(py), objects, names, keys, values, unseen, closed: 0 }
    }

    pub(super) fn py(&self) -> Python<'py> {
        self.py
    }

    #[inline(always)]
    pub(super) fn mark(&self) -> Mark {
        Mark { objects: self.objects.len(), names: self.names.len(), closed: self.closed }
    }

    pub(super) fn push(&mut self, object: Bound<'py, PyAny>) {
        self.objects.push(object.into_ptr());
    }

    pub(super) fn pop(&mut self) -> Option<Bound<'py, PyAny>> {
        // SAFETY: the reference moves from the stack to the Bound.
        self.objects.pop().map(|object| unsafe { Bound::from_owned_ptr(self.py, object) })
    }

    #[inline(always)]
    pub(super) fn push_none(&mut self) {
        // SAFETY: None lives for ever; the stack counts its reference.
        unsafe { self.push_borrowed(ffi::Py_None()) }
    }

    #[inline(always)]
    pub(super) fn push_bool(&mut self, value: bool) {
        // SAFETY: as for None.
        unsafe { self.push_borrowed(if value { ffi::Py_True() } else { ffi::Py_False() }) }
    }

    #[inline(always)]
    unsafe fn push_borrowed(&mut self, object: *mut PyObject) {
        // SAFETY: the caller's object is live.
        unsafe { ffi::Py_INCREF(object) };
        self.objects.push(object);
    }

    #[inline(always)]
    pub(super) fn push_int(&mut self, number: i64) -> PyResult<()> {
        // SAFETY: gives a new reference or NULL.
        unsafe { self.push_new(ffi::PyLong_FromLongLong(number)) }
    }

    #[inline(always)]
    pub(super) fn push_float(&mut self, number: f64) -> PyResult<()> {
        // SAFETY: gives a new reference or NULL.
        unsafe { self.push_new(ffi::PyFloat_FromDouble(number)) }
    }

    /// Takes over a new reference. NULL means that Python raised.
    #[inline(always)]
    unsafe fn push_new(&mut self, object: *mut PyObject) -> PyResult<()> {
        if object.is_null() {
            return Err(PyErr::fetch(self.py));
        }
        self.objects.push(object);
        Ok(())
    }

    /// Pushes the str of `text`. False, with an exception set, if it is no UTF-8 or memory ran out.
    #[inline(always)]
    pub(super) fn push_text(&mut self, text: &[u8], is_ascii: bool) -> bool {
        let object = if is_ascii {
            // SAFETY: the GIL is held, and new_text gives a new reference to the str of `text`, or NULL.
            unsafe { self.values.get(text, |text| self.capi.new_text(text, true)) }
        } else {
            self.capi.new_text(text, false)
        };
        if object.is_null() {
            return false;
        }
        self.objects.push(object);
        true
    }

    /// Pushes the key that `text` begins with, if it is the one that is expected, and gives the place behind its colon.
    #[inline(always)]
    pub(super) fn push_expected_key(&mut self, text: &[u8]) -> Option<usize> {
        let (object, end) = self.keys.guess(text)?;
        self.names.push(object);
        Some(end)
    }

    /// The same for a key, which the cache may know.
    #[inline(always)]
    pub(super) fn push_key(&mut self, text: &[u8]) -> bool {
        // SAFETY: the GIL is held, and new_text gives a new reference to the str of `text`, or NULL.
        let object = unsafe { self.keys.get(text, |text| self.capi.new_text(text, text.is_ascii())) };
        if object.is_null() {
            return false;
        }
        self.names.push(object);
        true
    }

    /// The text that was pushed last is a key.
    pub(super) fn text_is_key(&mut self) {
        if let Some(object) = self.objects.pop() {
            // SAFETY: the reference moves from the stack to the cache.
            self.names.push(unsafe { self.keys.lend(object) });
        }
    }

    /// Clears the exception that a push left behind, if it is about the encoding; any other is given back.
    #[cold]
    pub(super) fn forget_error(&self) -> PyResult<()> {
        match PyErr::take(self.py) {
            Some(error) if !error.is_instance_of::<PyUnicodeDecodeError>(self.py) => Err(error),
            _ => Ok(()),
        }
    }

    /// Puts the objects since `start` into a list, which takes their place.
    #[inline(always)]
    pub(super) fn close_list(&mut self, start: Mark) -> PyResult<()> {
        let items = &self.objects[start.objects..];
        // SAFETY: the list has room for every item, and each reference moves into it; the stack forgets them at once.
        unsafe {
            let list = ffi::PyList_New(items.len() as Py_ssize_t);
            if list.is_null() {
                return Err(PyErr::fetch(self.py));
            }
            for (index, item) in items.iter().enumerate() {
                ffi::PyList_SetItem(list, index as Py_ssize_t, *item);
            }
            self.objects.truncate(start.objects);
            self.objects.push(list);
            if let Some(unseen) = &mut self.unseen {
                unseen.hide(list);
            }
        }
        self.closed += 1;
        Ok(())
    }

    /// Puts the keys and values since `start` into a dict, which takes their place. The last of two equal keys wins.
    #[inline(always)]
    pub(super) fn close_dict(&mut self, start: Mark) -> PyResult<()> {
        let names = &self.names[start.names..];
        // SAFETY: PyDict_SetItem takes references of its own; the stack's are given back after it.
        unsafe {
            let dict = self.capi.new_dict(names.len());
            if dict.is_null() {
                return Err(PyErr::fetch(self.py));
            }
            for (name, value) in names.iter().zip(&self.objects[start.objects..]) {
                if ffi::PyDict_SetItem(dict, *name, *value) != 0 {
                    ffi::Py_DECREF(dict);
                    return Err(PyErr::fetch(self.py));
                }
            }
            self.names.truncate(start.names);
            for object in self.objects.drain(start.objects..) {
                ffi::Py_DECREF(object);
            }
            self.objects.push(dict);
            if let Some(unseen) = self.unseen.as_mut().filter(|_| self.closed > start.closed) {
                unseen.hide(dict);
            }
        }
        self.closed += 1;
        Ok(())
    }
}

impl Drop for Stack<'_, '_> {
    fn drop(&mut self) {
        self.names.clear();
        // SAFETY: the stack owns the references of `objects`, and `py` proves that the GIL is held. Dicts that have taken
        // names on hold them themselves.
        unsafe {
            self.keys.let_go();
            for object in self.objects.drain(..) {
                ffi::Py_DECREF(object);
            }
        }
    }
}
