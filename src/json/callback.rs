//! Calls of user code by the codec, safe in a daemon thread while the interpreter exits.
//!
//! Up to 3.13 CPython ends a daemon thread that asks for the GIL at exit by unwinding its stack (`pthread_exit`). A
//! Rust frame that does not expect this, or that catches panics as every function called from Python does, would abort
//! the process. So the thread parks for ever instead, as CPython itself does from 3.14 on, and ends with the process.
//!
//! `unsafe`: PyO3 declares CPython's functions as not unwinding, so the one that is called here is declared here.
#![allow(unsafe_code)]

use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::BoundObject;

extern "C-unwind" {
    #[allow(clashing_extern_declarations)]
    fn PyObject_CallObject(callable: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject;
}

/// Calls user code.
pub(super) fn call<'py, A>(function: &Bound<'py, PyAny>, arguments: A) -> PyResult<Bound<'py, PyAny>>
where
    A: IntoPyObject<'py, Target = PyTuple>,
    PyErr: From<A::Error>,
{
    let py = function.py();
    let arguments = arguments.into_pyobject(py)?.into_bound();
    // By address: PyO3 declares the same symbol as not unwinding, and where the compiler merges the two declarations it
    // drops the guard.
    let call_object: unsafe extern "C-unwind" fn(*mut PyObject, *mut PyObject) -> *mut PyObject =
        std::hint::black_box(PyObject_CallObject);
    let guard = ParkOnUnwind;
    // SAFETY: both are live objects, the second is a tuple, and the GIL is held. The result is a new reference, or NULL
    // with an exception set.
    let result = unsafe { call_object(function.as_ptr(), arguments.as_ptr()) };
    std::mem::forget(guard);
    // SAFETY: as above.
    unsafe { Bound::from_owned_ptr_or_err(py, result) }
}

/// Dropped only when the stack is unwound.
struct ParkOnUnwind;

impl Drop for ParkOnUnwind {
    fn drop(&mut self) {
        while !std::thread::panicking() {
            std::thread::park();
        }
    }
}
