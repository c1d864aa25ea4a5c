//! Functions that users give, which are called and not awaited: an `async def` is refused where it is given.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyType};

use crate::error::Error;

/// Refuses the options of a client that are `async def`. `step` is what to do instead.
pub fn refuse_async(py: Python<'_>, client: &str, options: &[(&str, Option<&Py<PyAny>>)], step: &str) -> PyResult<()> {
    for (name, function) in options {
        let Some(function) = function else { continue };
        if is_async(function.bind(py))? {
            let message = refusal(client, name, &format!("{client} calls"), step);
            return Err(Error::Config { message, option: (*name).to_owned() }.into());
        }
    }
    Ok(())
}

/// The same for one argument of a call. `caller_calls` says who would call it, such as "consumers call". Returns the code
/// of a function that is written in Python.
pub fn refuse_async_argument<'py>(
    operation: &str,
    name: &str,
    function: &Bound<'py, PyAny>,
    caller_calls: &str,
    known: &Known,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let (found, code) = known.is_async(function)?;
    if !found {
        return Ok(code);
    }
    Err(PyTypeError::new_err(refusal(operation, name, caller_calls, "Give a plain function")))
}

fn refusal(place: &str, name: &str, caller_calls: &str, step: &str) -> String {
    format!("{place}: {name} is an async function, which {caller_calls} without awaiting it. {step}")
}

/// The code of the last function that was found plain. Asking `inspect` costs as much as a whole send, and programs give the
/// same function again and again, or closures, methods and objects of one code.
pub struct Known(Mutex<Option<Py<PyAny>>>);

impl Known {
    pub const fn nothing() -> Self {
        Known(Mutex::new(None))
    }

    /// Whether it is one, and its code.
    fn is_async<'py>(&self, function: &Bound<'py, PyAny>) -> PyResult<(bool, Option<Bound<'py, PyAny>>)> {
        if function.is_instance_of::<PyCFunction>() || function.is_instance_of::<PyType>() {
            return Ok((false, None));
        }
        let name = intern!(function.py(), "__code__");
        let code = function.getattr(name).or_else(|_| function.get_type().getattr("__call__")?.getattr(name));
        let Ok(code) = code else { return Ok((is_async(function)?, None)) };
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_some_and(|known| known.is(&code)) {
            return Ok((false, Some(code)));
        }
        drop(known);
        let found = is_async(function)?;
        if !found {
            let replaced = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(code.clone().unbind());
            drop(replaced);
        }
        Ok((found, Some(code)))
    }
}

/// Whether a call only makes a coroutine: of an `async def`, a partial of one, or an object whose `__call__` is one.
fn is_async(function: &Bound<'_, PyAny>) -> PyResult<bool> {
    let inspect = function.py().import("inspect")?;
    let ask = |object: &Bound<'_, PyAny>| inspect.call_method1("iscoroutinefunction", (object,))?.is_truthy();
    if ask(function)? {
        return Ok(true);
    }
    match function.get_type().getattr("__call__") {
        Ok(call) => ask(&call),
        Err(_) => Ok(false),
    }
}
