//! The walk: dispatch on exact builtin types, the containers, and the limits of depth.
//!
//! `unsafe`: this is the hot path, and it works on borrowed pointers: `PyDict_Next`, types compared by address, no
//! reference counted for a leaf: a small event takes 0.39 us, pythonize over safe PyO3 takes 5.5 us. What keeps it
//! sound: every object handed to `value` is kept alive by its caller; code of the user's runs only inside
//! `value`, for containers and objects that are not leaves, and those are held by a reference of our own meanwhile;
//! a container is looked at again, with its bounds checked, after each of them.
#![allow(unsafe_code)]

use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::ffi::{self, PyObject, Py_ssize_t};
use pyo3::prelude::*;

use crate::json::capi::CApi;
use crate::json::{recursion, EncodeOptions, MAX_DEPTH};

use super::stop::{Step, Stop, Walk};
use super::{key, number, refuse, text, types};

pub(super) struct Walker<'a, 'py> {
    pub(super) py: Python<'py>,
    pub(super) capi: &'a CApi,
    pub(super) options: &'a EncodeOptions,
    pub(super) out: &'a mut Vec<u8>,
    depth: usize,
    /// `MAX_DEPTH`, or less where the stack has no room for so many levels.
    deepest: usize,
    /// Whether code of the user's may have run: from then on, containers may have changed.
    pub(super) ran_code: bool,
    /// How many objects stand in for another at this moment: results of `default=`, values of an Enum.
    pub(super) stand_ins: usize,
}

impl<'a, 'py> Walker<'a, 'py> {
    pub(super) fn new(py: Python<'py>, options: &'a EncodeOptions, out: &'a mut Vec<u8>) -> Self {
        let deepest = recursion::depth_left();
        Walker { py, capi: CApi::get(py), options, out, depth: 0, deepest, ran_code: false, stand_ins: 0 }
    }

    #[inline(never)]
    pub(super) fn root(&mut self, object: &Bound<'py, PyAny>) -> Walk {
        // SAFETY: `object` holds a reference for the whole call.
        unsafe { self.value(object.as_ptr()) }
    }

    /// Writes one value and a comma: whoever closes the container, or the whole, takes the last one away.
    ///
    /// # Safety
    /// `object` must be a live object; a leaf of an exact builtin type may be borrowed, for no Python code runs then.
    /// Anything else is held here.
    #[inline(always)]
    unsafe fn value(&mut self, object: *mut PyObject) -> Walk {
        // SAFETY: reads of a live object, and each function gets the type that was just checked.
        unsafe {
            let kind = ffi::Py_TYPE(object);
            if kind == &raw mut ffi::PyUnicode_Type {
                self.string(object, b',')
            } else if kind == &raw mut ffi::PyLong_Type {
                self.integer(object, b',')
            } else if kind == &raw mut ffi::PyDict_Type {
                self.held(object, Self::dict)
            } else if kind == &raw mut ffi::PyFloat_Type {
                number::write_f64(self.out, ffi::PyFloat_AsDouble(object), self.options.nan, b',')
            } else if kind == &raw mut ffi::PyList_Type {
                self.held(object, Self::list)
            } else if object == ffi::Py_None() {
                self.literal(b"null")
            } else if object == ffi::Py_True() {
                self.literal(b"true")
            } else if object == ffi::Py_False() {
                self.literal(b"false")
            } else if kind == &raw mut ffi::PyTuple_Type {
                self.held(object, Self::tuple)
            } else {
                self.held(object, Self::other)
            }
        }
    }

    #[inline(always)]
    fn literal(&mut self, word: &[u8]) -> Walk {
        text::write_short(self.out, word, b',');
        Ok(())
    }

    /// Calls `write` with a reference of our own to `object`, whatever happens to whoever held it.
    #[inline(always)]
    unsafe fn held(&mut self, object: *mut PyObject, write: unsafe fn(&mut Self, *mut PyObject) -> Walk) -> Walk {
        // SAFETY: `object` is alive now, and stays so until the reference taken here is given back.
        unsafe {
            ffi::Py_INCREF(object);
            let walk = write(self, object);
            ffi::Py_DECREF(object);
            walk
        }
    }

    /// # Safety
    /// `object` must be a live `str` or of a subclass.
    #[inline(always)]
    pub(super) unsafe fn string(&mut self, object: *mut PyObject, tail: u8) -> Walk {
        // SAFETY: a live str; nothing runs between the borrow and its last use.
        match unsafe { self.capi.borrow_utf8(object) } {
            Some(utf8) => {
                text::write_text(self.out, utf8, tail);
                Ok(())
            }
            None => unsafe { self.copied_string(object, tail) },
        }
    }

    #[cold]
    unsafe fn copied_string(&mut self, object: *mut PyObject, tail: u8) -> Walk {
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
    /// `object` must be a live `int` or of a subclass.
    #[inline(always)]
    pub(super) unsafe fn integer(&mut self, object: *mut PyObject, tail: u8) -> Walk {
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

    pub(super) fn enter(&mut self) -> Walk {
        if self.depth == self.deepest {
            return Err(if self.deepest < MAX_DEPTH { Stop::no_stack() } else { Stop::too_deep() });
        }
        self.depth += 1;
        Ok(())
    }

    /// Closes a container with the bracket in place of the last comma, and a comma of its own.
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
    unsafe fn dict(&mut self, dict: *mut PyObject) -> Walk {
        self.enter()?;
        self.out.push(b'{');
        let opened = self.out.len();
        // SAFETY: PyDict_Next checks its position against the dict as it is now, also when that was changed by code of
        // the user's; key and value are used before anything else can run, or are held by `value`.
        unsafe {
            let size = ffi::PyDict_Size(dict);
            let mut position: Py_ssize_t = 0;
            let (mut key, mut item) = (std::ptr::null_mut(), std::ptr::null_mut());
            while ffi::PyDict_Next(dict, &mut position, &mut key, &mut item) != 0 {
                let before = self.out.len();
                key::write_key(self, key)?;
                if let Err(stop) = self.value(item) {
                    return Err(stop.leave(dict as usize, self.key_step(before)));
                }
                if self.ran_code && ffi::PyDict_Size(dict) != size {
                    return Err(refuse::change("dict"));
                }
            }
        }
        self.close(opened, b'}');
        Ok(())
    }

    /// # Safety
    /// `list` must be an exact list that a reference holds.
    #[inline(never)]
    unsafe fn list(&mut self, list: *mut PyObject) -> Walk {
        // SAFETY: PyList_GetItem checks its index against the list as it is now.
        unsafe { self.items(list, "list", ffi::PyList_Size, ffi::PyList_GetItem) }
    }

    /// # Safety
    /// `tuple` must be an exact tuple that a reference holds.
    #[inline(never)]
    unsafe fn tuple(&mut self, tuple: *mut PyObject) -> Walk {
        // SAFETY: as for a list, and a tuple does not change.
        unsafe { self.items(tuple, "tuple", ffi::PyTuple_Size, ffi::PyTuple_GetItem) }
    }

    #[inline(always)]
    unsafe fn items(
        &mut self,
        object: *mut PyObject,
        what: &str,
        size_of: unsafe extern "C" fn(*mut PyObject) -> Py_ssize_t,
        item_of: unsafe extern "C" fn(*mut PyObject, Py_ssize_t) -> *mut PyObject,
    ) -> Walk {
        self.enter()?;
        self.out.push(b'[');
        let opened = self.out.len();
        // SAFETY: `object` is held and of the type that both functions are for. An item is borrowed: used before
        // anything else can run, or held by `value`.
        unsafe {
            let size = size_of(object);
            for index in 0..size {
                let item = item_of(object, index);
                if item.is_null() {
                    ffi::PyErr_Clear();
                    return Err(refuse::change(what));
                }
                if let Err(stop) = self.value(item) {
                    return Err(stop.leave(object as usize, Step::Index(index as usize)));
                }
            }
            if self.ran_code && size_of(object) != size {
                return Err(refuse::change(what));
            }
        }
        self.close(opened, b']');
        Ok(())
    }

    /// Everything that is not of an exact builtin type.
    ///
    /// # Safety
    /// `object` must be held by a reference.
    #[inline(never)]
    unsafe fn other(&mut self, object: *mut PyObject) -> Walk {
        // SAFETY: a live object; the flags say which of the builtin layouts it shares.
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
                    return Err(Stop::no_stack());
                }
                let object = Bound::from_borrowed_ptr(self.py, object);
                let walk = types::write(self, &object);
                recursion::leave();
                walk
            }
        }
    }
}
