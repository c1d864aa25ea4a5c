//! `JsonWriter`: dispatches on exact builtin types, writes the builtin containers, and limits the depth.
//!
//! `unsafe`: the hot path uses borrowed pointers: `PyDict_Next`, types compared by address, no reference counted for a
//! leaf. A small event takes 0.39 us, 5.5 us with pythonize over safe PyO3. It is sound because the caller of `value`
//! keeps the object alive; user code runs only inside `value`, for containers and objects that are not leaves, to which
//! we hold a reference meanwhile; and after each of them the container is read again, with its bounds checked.
#![allow(unsafe_code)]

use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::ffi::{self, PyObject, Py_ssize_t};
use pyo3::prelude::*;

use crate::json::capi::CApi;
use crate::json::{recursion, EncodeOptions, MAX_DEPTH};

use super::error::{PathSegment, WriteError, WriteResult};
use super::{key, number, text, types};

pub(super) struct JsonWriter<'a, 'py> {
    pub(super) py: Python<'py>,
    pub(super) capi: &'a CApi,
    pub(super) options: &'a EncodeOptions,
    pub(super) out: &'a mut Vec<u8>,
    depth: usize,
    /// `MAX_DEPTH`, or less where the thread's stack is too small for that.
    deepest: usize,
    /// Whether user code may have run, which may have changed containers.
    pub(super) ran_code: bool,
    /// How many objects are being written in place of another: results of `default=`, values of an Enum.
    pub(super) replacements: usize,
}

impl<'a, 'py> JsonWriter<'a, 'py> {
    pub(super) fn new(py: Python<'py>, options: &'a EncodeOptions, out: &'a mut Vec<u8>) -> Self {
        let deepest = recursion::depth_left();
        JsonWriter { py, capi: CApi::get(py), options, out, depth: 0, deepest, ran_code: false, replacements: 0 }
    }

    #[inline(never)]
    pub(super) fn write(&mut self, object: &Bound<'py, PyAny>) -> WriteResult {
        // SAFETY: `object` holds a reference for the whole call.
        unsafe { self.value(object.as_ptr()) }
    }

    /// Writes one value and a comma; the last comma is removed when the container is closed.
    ///
    /// # Safety
    /// `object` must be live. It may be borrowed: no Python code runs for a leaf of an exact builtin type, and this
    /// holds a reference to anything else.
    #[inline(always)]
    unsafe fn value(&mut self, object: *mut PyObject) -> WriteResult {
        // SAFETY: reads of a live object, and each function gets the type that was just checked.
        unsafe {
            let class = ffi::Py_TYPE(object);
            if class == &raw mut ffi::PyUnicode_Type {
                self.string(object, b',')
            } else if class == &raw mut ffi::PyLong_Type {
                self.integer(object, b',')
            } else if class == &raw mut ffi::PyDict_Type {
                self.with_reference(object, Self::dict)
            } else if class == &raw mut ffi::PyFloat_Type {
                number::write_f64(self.out, ffi::PyFloat_AsDouble(object), self.options.nan, b',')
            } else if class == &raw mut ffi::PyList_Type {
                self.with_reference(object, Self::list)
            } else if object == ffi::Py_None() {
                self.literal(b"null")
            } else if object == ffi::Py_True() {
                self.literal(b"true")
            } else if object == ffi::Py_False() {
                self.literal(b"false")
            } else if class == &raw mut ffi::PyTuple_Type {
                self.with_reference(object, Self::tuple)
            } else {
                self.with_reference(object, Self::other)
            }
        }
    }

    #[inline(always)]
    fn literal(&mut self, literal: &[u8]) -> WriteResult {
        text::write_short(self.out, literal, b',');
        Ok(())
    }

    /// Calls `write` while holding a reference to `object`, which its container may drop meanwhile.
    #[inline(always)]
    unsafe fn with_reference(
        &mut self,
        object: *mut PyObject,
        write: unsafe fn(&mut Self, *mut PyObject) -> WriteResult,
    ) -> WriteResult {
        // SAFETY: `object` is live, and stays so until the reference taken here is released.
        unsafe {
            ffi::Py_INCREF(object);
            let result = write(self, object);
            ffi::Py_DECREF(object);
            result
        }
    }

    /// # Safety
    /// `object` must be a live `str`, or of a subclass.
    #[inline(always)]
    pub(super) unsafe fn string(&mut self, object: *mut PyObject, tail: u8) -> WriteResult {
        // SAFETY: a live str; nothing runs between the borrow and its last use.
        match unsafe { self.capi.borrow_utf8(object) } {
            Some(utf8) => {
                text::write_text(self.out, utf8, tail);
                Ok(())
            }
            // SAFETY: as above.
            None => unsafe { self.copied_string(object, tail) },
        }
    }

    #[cold]
    unsafe fn copied_string(&mut self, object: *mut PyObject, tail: u8) -> WriteResult {
        // SAFETY: a live str, as the caller vouches.
        match unsafe { CApi::copy_utf8(self.py, object) } {
            Ok(bytes) => text::write_text(self.out, bytes.as_bytes(), tail),
            Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(self.py) => {
                // SAFETY: as above.
                let bytes = unsafe { CApi::copy_utf8_with_surrogates(self.py, object) }?;
                text::write_with_surrogates(self.out, bytes.as_bytes(), tail);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// # Safety
    /// `object` must be a live `int`, or of a subclass.
    #[inline(always)]
    pub(super) unsafe fn integer(&mut self, object: *mut PyObject, tail: u8) -> WriteResult {
        let mut overflow = 0;
        // SAFETY: a live int; the function reads it and runs no Python code.
        let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(object, &mut overflow) };
        if overflow == 0 {
            number::write_i64(self.out, number, tail);
            return Ok(());
        }
        // SAFETY: borrowed from the caller, for this call.
        let object = unsafe { Bound::from_borrowed_ptr(self.py, object) };
        let digits = types::digits(&object)?;
        text::write_short(self.out, digits.as_bytes(), tail);
        Ok(())
    }

    pub(super) fn enter(&mut self) -> WriteResult {
        if self.depth == self.deepest {
            return Err(if self.deepest < MAX_DEPTH { WriteError::no_stack() } else { WriteError::too_deep() });
        }
        self.depth += 1;
        Ok(())
    }

    /// Replaces the last comma by the closing bracket, and adds the comma after the container.
    #[inline(always)]
    pub(super) fn close(&mut self, opened: usize, bracket: u8) {
        self.depth -= 1;
        if self.out.len() > opened {
            self.out.pop();
        }
        text::write_short(self.out, &[bracket], b',');
    }

    /// # Safety
    /// `dict` must be an exact dict that a reference holds.
    #[inline(never)]
    unsafe fn dict(&mut self, dict: *mut PyObject) -> WriteResult {
        self.enter()?;
        self.out.push(b'{');
        let opened = self.out.len();
        // SAFETY: PyDict_Next checks its position against the current dict, which user code may have changed; key and
        // value are used before other code can run, or `value` holds a reference.
        unsafe {
            let size = ffi::PyDict_Size(dict);
            let mut position: Py_ssize_t = 0;
            let (mut key, mut item) = (std::ptr::null_mut(), std::ptr::null_mut());
            while ffi::PyDict_Next(dict, &mut position, &mut key, &mut item) != 0 {
                let before = self.out.len();
                key::write_key(self, key)?;
                if let Err(error) = self.value(item) {
                    return Err(error.inside(dict as usize, self.key_segment(before)));
                }
                if self.ran_code && ffi::PyDict_Size(dict) != size {
                    return Err(WriteError::size_changed("dict"));
                }
            }
        }
        self.close(opened, b'}');
        Ok(())
    }

    /// # Safety
    /// `list` must be an exact list that a reference holds.
    #[inline(never)]
    unsafe fn list(&mut self, list: *mut PyObject) -> WriteResult {
        // SAFETY: PyList_GetItem checks its index against the current list.
        unsafe { self.items(list, "list", ffi::PyList_Size, ffi::PyList_GetItem) }
    }

    /// # Safety
    /// `tuple` must be an exact tuple that a reference holds.
    #[inline(never)]
    unsafe fn tuple(&mut self, tuple: *mut PyObject) -> WriteResult {
        // SAFETY: as for a list, and a tuple does not change.
        unsafe { self.items(tuple, "tuple", ffi::PyTuple_Size, ffi::PyTuple_GetItem) }
    }

    #[inline(always)]
    unsafe fn items(
        &mut self,
        object: *mut PyObject,
        container: &str,
        size_of: unsafe extern "C" fn(*mut PyObject) -> Py_ssize_t,
        item_of: unsafe extern "C" fn(*mut PyObject, Py_ssize_t) -> *mut PyObject,
    ) -> WriteResult {
        self.enter()?;
        self.out.push(b'[');
        let opened = self.out.len();
        // SAFETY: the caller holds `object`, whose type is that of both functions. An item is borrowed: it is used
        // before other code can run, or `value` holds a reference.
        unsafe {
            let size = size_of(object);
            for index in 0..size {
                let item = item_of(object, index);
                if item.is_null() {
                    ffi::PyErr_Clear();
                    return Err(WriteError::size_changed(container));
                }
                if let Err(error) = self.value(item) {
                    return Err(error.inside(object as usize, PathSegment::Index(index as usize)));
                }
            }
            if self.ran_code && size_of(object) != size {
                return Err(WriteError::size_changed(container));
            }
        }
        self.close(opened, b']');
        Ok(())
    }

    /// Writes an object that is not of an exact builtin type.
    ///
    /// # Safety
    /// The caller must hold a reference to `object`.
    #[inline(never)]
    unsafe fn other(&mut self, object: *mut PyObject) -> WriteResult {
        // SAFETY: a live object, whose flags name the builtin type that it derives from.
        unsafe {
            let flags = ffi::PyType_GetFlags(ffi::Py_TYPE(object));
            if flags & ffi::Py_TPFLAGS_UNICODE_SUBCLASS != 0 {
                self.string(object, b',')
            } else if flags & ffi::Py_TPFLAGS_LONG_SUBCLASS != 0 {
                self.integer(object, b',')
            } else if ffi::PyType_IsSubtype(ffi::Py_TYPE(object), &raw mut ffi::PyFloat_Type) != 0 {
                number::write_f64(self.out, ffi::PyFloat_AsDouble(object), self.options.nan, b',')
            } else {
                if !recursion::enter() {
                    return Err(WriteError::no_stack());
                }
                let object = Bound::from_borrowed_ptr(self.py, object);
                let result = types::write(self, &object);
                recursion::leave();
                result
            }
        }
    }
}
