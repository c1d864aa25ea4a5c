//! The objects that are not yet in a container: a list or dict is made when it is closed, once its length is known.
//! Keys are on a stack apart, because they are borrowed from the cache.
//!
//! `unsafe`: owns references and builds objects through the C API. Every object is pushed as soon as it is made, so
//! that dropping the stack after an error frees them all.
#![allow(unsafe_code)]

use pyo3::exceptions::PyUnicodeDecodeError;
use pyo3::ffi::{self, PyObject, Py_ssize_t};
use pyo3::prelude::*;

use crate::json::capi::CApi;
use crate::json::key_cache::KeyCache;
use crate::json::value_cache::ValueCache;

use super::untracked::Untracked;

/// Owns one reference for each entry of `objects`, and borrows `keys` from `key_cache`.
pub(super) struct Stack<'a, 'py> {
    py: Python<'py>,
    capi: &'static CApi,
    objects: &'a mut Vec<*mut PyObject>,
    keys: &'a mut Vec<*mut PyObject>,
    key_cache: &'a mut KeyCache,
    value_cache: &'a mut ValueCache,
    untracked: Option<&'a mut Untracked<'py>>,
    /// How many containers have been made.
    closed: usize,
}

/// The lengths of the stack where a container begins.
#[derive(Clone, Copy)]
pub(super) struct ContainerStart {
    objects: usize,
    keys: usize,
    closed: usize,
}

impl<'a, 'py> Stack<'a, 'py> {
    /// `objects` and `keys` must be empty.
    pub(super) fn new(
        py: Python<'py>,
        objects: &'a mut Vec<*mut PyObject>,
        keys: &'a mut Vec<*mut PyObject>,
        key_cache: &'a mut KeyCache,
        value_cache: &'a mut ValueCache,
        untracked: Option<&'a mut Untracked<'py>>,
    ) -> Self {
        Stack { py, capi: CApi::get(py), objects, keys, key_cache, value_cache, untracked, closed: 0 }
    }

    pub(super) fn py(&self) -> Python<'py> {
        self.py
    }

    #[inline(always)]
    pub(super) fn open_container(&self) -> ContainerStart {
        ContainerStart { objects: self.objects.len(), keys: self.keys.len(), closed: self.closed }
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
        // SAFETY: None is never freed; the stack owns the new reference.
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
        // SAFETY: returns a new reference or NULL.
        unsafe { self.push_new(ffi::PyLong_FromLongLong(number)) }
    }

    #[inline(always)]
    pub(super) fn push_float(&mut self, number: f64) -> PyResult<()> {
        // SAFETY: returns a new reference or NULL.
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

    /// Pushes the str of `text`. False, with an exception set, if it is not UTF-8 or memory runs out.
    #[inline(always)]
    pub(super) fn push_text(&mut self, text: &[u8], is_ascii: bool) -> bool {
        let object = if is_ascii {
            // SAFETY: the GIL is held, and new_text returns a new reference to the str of `text`, or NULL.
            unsafe { self.value_cache.get(text, |text| self.capi.new_text(text, true)) }
        } else {
            self.capi.new_text(text, false)
        };
        if object.is_null() {
            return false;
        }
        self.objects.push(object);
        true
    }

    /// Pushes the key at the start of `text` if the cache expects it, and returns the position after its colon.
    #[inline(always)]
    pub(super) fn push_expected_key(&mut self, text: &[u8]) -> Option<usize> {
        let (object, end) = self.key_cache.guess(text)?;
        self.keys.push(object);
        Some(end)
    }

    /// Pushes the str of a key. False, with an exception set, if it is not UTF-8 or memory runs out.
    #[inline(always)]
    pub(super) fn push_key(&mut self, text: &[u8]) -> bool {
        // SAFETY: the GIL is held, and new_text returns a new reference to the str of `text`, or NULL.
        let object = unsafe { self.key_cache.get(text, |text| self.capi.new_text(text, text.is_ascii())) };
        if object.is_null() {
            return false;
        }
        self.keys.push(object);
        true
    }

    /// Makes the last text a key.
    pub(super) fn move_text_to_keys(&mut self) {
        if let Some(object) = self.objects.pop() {
            // SAFETY: the reference moves from the stack to the cache.
            self.keys.push(unsafe { self.key_cache.lend(object) });
        }
    }

    /// Clears the exception of a failed push if it is about the encoding, and returns any other.
    #[cold]
    pub(super) fn clear_decode_error(&self) -> PyResult<()> {
        match PyErr::take(self.py) {
            Some(error) if !error.is_instance_of::<PyUnicodeDecodeError>(self.py) => Err(error),
            _ => Ok(()),
        }
    }

    /// Replaces the objects since `start` by a list of them.
    #[inline(always)]
    pub(super) fn close_list(&mut self, start: ContainerStart) -> PyResult<()> {
        let items = &self.objects[start.objects..];
        // SAFETY: the list has a place for every item, and each reference moves into it from the stack.
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
            if let Some(untracked) = &mut self.untracked {
                untracked.untrack(list);
            }
        }
        self.closed += 1;
        Ok(())
    }

    /// Replaces the keys and values since `start` by a dict of them. The last of two equal keys wins.
    #[inline(always)]
    pub(super) fn close_dict(&mut self, start: ContainerStart) -> PyResult<()> {
        let keys = &self.keys[start.keys..];
        // SAFETY: PyDict_SetItem takes new references; the stack's are released after it.
        unsafe {
            let dict = self.capi.new_dict(keys.len());
            if dict.is_null() {
                return Err(PyErr::fetch(self.py));
            }
            for (key, value) in keys.iter().zip(&self.objects[start.objects..]) {
                if ffi::PyDict_SetItem(dict, *key, *value) != 0 {
                    ffi::Py_DECREF(dict);
                    return Err(PyErr::fetch(self.py));
                }
            }
            self.keys.truncate(start.keys);
            for object in self.objects.drain(start.objects..) {
                ffi::Py_DECREF(object);
            }
            self.objects.push(dict);
            if let Some(untracked) = self.untracked.as_mut().filter(|_| self.closed > start.closed) {
                untracked.untrack(dict);
            }
        }
        self.closed += 1;
        Ok(())
    }
}

impl Drop for Stack<'_, '_> {
    fn drop(&mut self) {
        self.keys.clear();
        // SAFETY: the stack owns the references of `objects`, and `py` proves that the GIL is held. Dicts hold
        // references to their keys.
        unsafe {
            self.key_cache.release_lent();
            for object in self.objects.drain(..) {
                ffi::Py_DECREF(object);
            }
        }
    }
}
