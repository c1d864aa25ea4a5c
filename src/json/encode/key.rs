//! Writes the keys of objects with their colon: the types and the texts that `json` has for them, and no others.
//!
//! `unsafe`: keys are borrowed from the dict that is being walked; see walk.rs.
#![allow(unsafe_code)]

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use super::stop::{Stop, Walk};
use super::text::write_short;
use super::walk::Walker;
use super::{number, refuse};

/// # Safety
/// `key` must be a live object, and stay so while this function runs: of the types that it takes, none runs Python code.
#[inline(always)]
pub(super) unsafe fn write_key(walker: &mut Walker<'_, '_>, key: *mut PyObject) -> Walk {
    // SAFETY: a live object, and a str if its type says so.
    unsafe {
        if ffi::Py_TYPE(key) == &raw mut ffi::PyUnicode_Type {
            walker.string(key, b':')
        } else {
            let key = Bound::from_borrowed_ptr(walker.py, key);
            write_other(walker, &key)
        }
    }
}

/// In the order that `json` tests them, which matters for subclasses of two of these.
#[cold]
fn write_other(walker: &mut Walker<'_, '_>, key: &Bound<'_, PyAny>) -> Walk {
    let object = key.as_ptr();
    // SAFETY: `key` holds a reference; each function gets a type that was just checked.
    unsafe {
        if ffi::PyUnicode_Check(object) != 0 {
            return walker.string(object, b':');
        }
        let literal: &[u8] = if object == ffi::Py_None() {
            b"\"null\""
        } else if object == ffi::Py_True() {
            b"\"true\""
        } else if object == ffi::Py_False() {
            b"\"false\""
        } else {
            b""
        };
        if !literal.is_empty() {
            write_short(walker.out, literal, b':');
        } else if ffi::PyLong_Check(object) != 0 {
            walker.out.push(b'"');
            walker.integer(object, b'"')?;
            walker.out.push(b':');
        } else if ffi::PyFloat_Check(object) != 0 {
            walker.out.push(b'"');
            number::write_f64(walker.out, ffi::PyFloat_AsDouble(object), walker.options.nan, b'"')?;
            walker.out.push(b':');
        } else {
            return Err(Stop::refused(format!(
                "a key is of type {}, and keys must be str (int, float, bool and None are written as json writes them): \
                 convert it first",
                refuse::type_name(key)
            )));
        }
    }
    Ok(())
}
