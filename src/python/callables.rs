//! Callbacks of the program that are called and not awaited: an `async def` is refused when it is passed.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyType};

use crate::error::Error;

/// Refuses options of a client that are `async def`. `step` says what to do instead.
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

/// The same for one argument of a call. `caller_calls` says what calls it, such as "consumers call". Returns the code
/// object of a function that is written in Python.
pub fn refuse_async_argument<'py>(
    operation: &str,
    name: &str,
    function: &Bound<'py, PyAny>,
    caller_calls: &str,
    cache: &PlainFunctionCache,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let (refused, code) = cache.is_async(function)?;
    if !refused {
        return Ok(code);
    }
    Err(PyTypeError::new_err(refusal(operation, name, caller_calls, "Give a plain function")))
}

fn refusal(place: &str, name: &str, caller_calls: &str, step: &str) -> String {
    format!("{place}: {name} is an async function, which {caller_calls} without awaiting it. {step}")
}

/// The code object of the last function that was not async. Asking `inspect` costs as much as a whole send, and
/// programs pass the same function again and again, or closures and methods with the same code.
pub struct PlainFunctionCache(Mutex<Option<Py<PyAny>>>);

impl PlainFunctionCache {
    pub const fn empty() -> Self {
        PlainFunctionCache(Mutex::new(None))
    }

    /// Whether the function is async, and its code object.
    fn is_async<'py>(&self, function: &Bound<'py, PyAny>) -> PyResult<(bool, Option<Bound<'py, PyAny>>)> {
        if function.is_instance_of::<PyCFunction>() || function.is_instance_of::<PyType>() {
            return Ok((false, None));
        }
        let name = intern!(function.py(), "__code__");
        let code = function.getattr(name).or_else(|_| function.get_type().getattr("__call__")?.getattr(name));
        let Ok(code) = code else { return Ok((is_async(function)?, None)) };
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.as_ref().is_some_and(|cached| cached.is(&code)) {
            return Ok((false, Some(code)));
        }
        drop(cached);
        let refused = is_async(function)?;
        if !refused {
            let replaced = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(code.clone().unbind());
            drop(replaced);
        }
        Ok((refused, Some(code)))
    }
}

/// Whether a call only creates a coroutine: an `async def`, a partial of one, or an object whose `__call__` is one.
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
