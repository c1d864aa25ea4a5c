//! Writes the keys of objects and their colons: the types that `json` takes as keys, written as `json` writes them.
//!
//! `unsafe`: keys are borrowed from the dict that is being written; see writer.rs.
#![allow(unsafe_code)]

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

use super::error::{type_name, WriteError, WriteResult};
use super::number;
use super::text::write_short;
use super::writer::JsonWriter;

/// # Safety
/// `key` must be a live object, and stay so during the call: none of the types that it takes runs Python code.
#[inline(always)]
pub(super) unsafe fn write_key(writer: &mut JsonWriter<'_, '_>, key: *mut PyObject) -> WriteResult {
    // SAFETY: a live object, and a str if its type says so.
    unsafe {
        if ffi::Py_TYPE(key) == &raw mut ffi::PyUnicode_Type {
            writer.string(key, b':')
        } else {
            let key = Bound::from_borrowed_ptr(writer.py, key);
            write_other(writer, &key)
        }
    }
}

/// In the order in which `json` tests them, which matters for a subclass of two of them.
#[cold]
fn write_other(writer: &mut JsonWriter<'_, '_>, key: &Bound<'_, PyAny>) -> WriteResult {
    let object = key.as_ptr();
    // SAFETY: `key` holds a reference; each function gets a type that was just checked.
    unsafe {
        if ffi::PyUnicode_Check(object) != 0 {
            return writer.string(object, b':');
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
            write_short(writer.out, literal, b':');
        } else if ffi::PyLong_Check(object) != 0 {
            writer.out.push(b'"');
            writer.integer(object, b'"')?;
            writer.out.push(b':');
        } else if ffi::PyFloat_Check(object) != 0 {
            writer.out.push(b'"');
            number::write_f64(writer.out, ffi::PyFloat_AsDouble(object), writer.options.nan, b'"')?;
            writer.out.push(b':');
        } else {
            return Err(WriteError::new(format!(
                "a key of type {} has no JSON form: convert it to str (int, float, bool and None are written as in \
                 json)",
                type_name(key)
            )));
        }
    }
    Ok(())
}
