//! Code of the user's that the codec calls, in a daemon thread that the end of the interpreter overtakes.
//!
//! Up to 3.13 CPython ends such a thread where it asks for the GIL, by unwinding its stack (`pthread_exit`). A frame of Rust
//! that does not expect it, or that catches panics as each function does that Python calls, ends the process then. So the
//! thread stops here for ever instead, as CPython itself does it from 3.14 on, and ends with the process.
//!
//! `unsafe`: PyO3 declares the functions of CPython as such that do not unwind, so the one that calls is declared here.
#![allow(unsafe_code)]

use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::BoundObject;

extern "C-unwind" {
    #[allow(clashing_extern_declarations)]
    fn PyObject_CallObject(callable: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject;
}

/// Calls a function of the user's.
pub(super) fn call<'py, A>(function: &Bound<'py, PyAny>, arguments: A) -> PyResult<Bound<'py, PyAny>>
where
    A: IntoPyObject<'py, Target = PyTuple>,
    PyErr: From<A::Error>,
{
    let py = function.py();
    let arguments = arguments.into_pyobject(py)?.into_bound();
    // By address: PyO3 declares the same symbol as one that does not unwind, and where the compiler merges the two declarations
    // it drops the guard's part of this frame.
    let call_object: unsafe extern "C-unwind" fn(*mut PyObject, *mut PyObject) -> *mut PyObject =
        std::hint::black_box(PyObject_CallObject);
    let overtaken = Overtaken;
    // SAFETY: both are live objects, the second is a tuple, and the GIL is held. What comes back is a new reference, or NULL
    // with an exception set.
    let result = unsafe { call_object(function.as_ptr(), arguments.as_ptr()) };
    std::mem::forget(overtaken);
    // SAFETY: as above.
    unsafe { Bound::from_owned_ptr_or_err(py, result) }
}

/// Dropped where the stack is unwound, and nowhere else.
struct Overtaken;

impl Drop for Overtaken {
    fn drop(&mut self) {
        while !std::thread::panicking() {
            std::thread::park();
        }
    }
}
