//! `coroutine_method`: a compiled method that Python sees as an `async def` function.
//!
//! `inspect.iscoroutinefunction(producer.send)`, and with it `unittest.mock` and web frameworks, check flags of Python
//! code objects, which compiled methods do not have. A Python function around the method costs a quarter of a send. So
//! attributes of this type are read from a function, and calls go to the compiled method. A call on an instance creates
//! no bound method, as with all methods (Py_TPFLAGS_METHOD_DESCRIPTOR), nor, from 3.11 on, a tuple of the arguments.
//!
//! PyO3 has no such type, so it is created with CPython's C API, in `unsafe` code.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::mem::{offset_of, size_of};
use std::ptr::null_mut;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::once::Once;

type VectorCall = unsafe extern "C" fn(*mut PyObject, *const *mut PyObject, usize, *mut PyObject) -> *mut PyObject;

/// `native` and `function` live as long as the process: they are part of a class.
#[repr(C)]
struct Method {
    head: PyObject,
    /// Read by the interpreter (`__vectorcalloffset__`): `vectorcall`, or None if `forward` is None.
    vectorcall: Option<VectorCall>,
    forward: Option<VectorCall>,
    native: *mut PyObject,
    function: *mut PyObject,
}

// In the limited API from 3.12 on, with the same values since 3.8.
const HAVE_VECTORCALL: c_uint = 1 << 11;
const METHOD_DESCRIPTOR: c_uint = 1 << 17;
const PY_SSIZE_T: c_int = 19;
const READ_ONLY: c_int = 1;

// CPython calls these with the GIL, and only on live objects of this type, which `coroutine_method` initializes
// completely; `new` prevents all others.
unsafe extern "C" fn new(_: *mut ffi::PyTypeObject, _: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by CPython, see above.
    unsafe {
        ffi::PyErr_SetString(ffi::PyExc_TypeError, c"cannot create 'coroutine_method' instances".as_ptr());
        null_mut()
    }
}

unsafe extern "C" fn call(method: *mut PyObject, arguments: *mut PyObject, options: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by CPython, see above.
    unsafe { ffi::PyObject_Call((*method.cast::<Method>()).native, arguments, options) }
}

unsafe extern "C" fn get(method: *mut PyObject, object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by CPython, see above.
    unsafe {
        if object.is_null() {
            let function = (*method.cast::<Method>()).function;
            ffi::Py_INCREF(function);
            return function;
        }
        let bound = |py: Python<'_>| -> PyResult<*mut PyObject> {
            static BOUND: Once<Py<PyAny>> = Once::new();
            let class = BOUND.import(py, "types", "MethodType")?;
            Ok(class.call1((Bound::from_borrowed_ptr(py, method), Bound::from_borrowed_ptr(py, object)))?.into_ptr())
        };
        let py = Python::assume_attached();
        bound(py).unwrap_or_else(|error| {
            error.restore(py);
            null_mut()
        })
    }
}

unsafe extern "C" fn look_up(method: *mut PyObject, name: *mut PyObject) -> *mut PyObject {
    // SAFETY: called by CPython, see above.
    unsafe { ffi::PyObject_GetAttr((*method.cast::<Method>()).function, name) }
}

unsafe extern "C" fn vectorcall(
    method: *mut PyObject,
    arguments: *const *mut PyObject,
    count: usize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: called by CPython, see above.
    unsafe {
        let method = &*method.cast::<Method>();
        match method.forward {
            Some(forward) => forward(method.native, arguments, count, names),
            None => null_mut(),
        }
    }
}

/// `PyObject_Vectorcall`: exported from 3.11 on, and in the limited API from 3.12 on.
fn forward() -> Option<VectorCall> {
    // SAFETY: the interpreter's function of that name has always had this type.
    unsafe {
        let found = libc::dlsym(libc::RTLD_DEFAULT, c"PyObject_Vectorcall".as_ptr());
        (!found.is_null()).then(|| std::mem::transmute::<*mut c_void, VectorCall>(found))
    }
}

fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: Once<Py<PyType>> = Once::new();
    let make = || {
        let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
        let member = |name: *const c_char, offset: usize| ffi::PyMemberDef {
            name,
            type_code: PY_SSIZE_T,
            offset: offset as ffi::Py_ssize_t,
            flags: READ_ONLY,
            doc: null_mut(),
        };
        // Never freed: the interpreter reads it at every call.
        let members = Box::leak(Box::new([
            member(c"__vectorcalloffset__".as_ptr(), offset_of!(Method, vectorcall)),
            member(null_mut(), 0),
        ]));
        let mut slots = vec![
            slot(ffi::Py_tp_new, new as *mut c_void),
            slot(ffi::Py_tp_call, call as *mut c_void),
            slot(ffi::Py_tp_descr_get, get as *mut c_void),
            slot(ffi::Py_tp_getattro, look_up as *mut c_void),
        ];
        let mut flags = METHOD_DESCRIPTOR | ffi::Py_TPFLAGS_DEFAULT as c_uint;
        if forward().is_some() {
            flags |= HAVE_VECTORCALL;
            slots.push(slot(ffi::Py_tp_members, members.as_mut_ptr().cast()));
        }
        slots.push(slot(0, null_mut()));
        let mut spec = ffi::PyType_Spec {
            name: c"kjson._kjson.coroutine_method".as_ptr(),
            basicsize: size_of::<Method>() as c_int,
            itemsize: 0,
            flags,
            slots: slots.as_mut_ptr(),
        };
        // SAFETY: the slots have the types that their numbers require, and `Method` begins with a PyObject.
        let class = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&mut spec))? };
        Ok(class.cast_into::<PyType>()?.unbind())
    };
    Ok(CLASS.get_or_try_init(py, make)?.bind(py))
}

/// A method of a class that calls `native` and has the attributes of `function`.
#[pyfunction]
#[pyo3(name = "_coroutine_method")]
pub fn coroutine_method<'py>(native: Bound<'py, PyAny>, function: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = native.py();
    if !native.is_callable() || !function.is_callable() {
        return Err(PyTypeError::new_err("_coroutine_method: give a method and a function"));
    }
    let class = class(py)?.as_type_ptr();
    // SAFETY: the object is an instance of `class`, whose size is that of `Method`, and is complete before it is used.
    unsafe {
        let made = Bound::from_owned_ptr_or_err(py, ffi::PyType_GenericAlloc(class, 0))?;
        let method = &mut *made.as_ptr().cast::<Method>();
        method.forward = forward();
        method.vectorcall = method.forward.map(|_| vectorcall as VectorCall);
        method.native = native.into_ptr();
        method.function = function.into_ptr();
        Ok(made)
    }
}
