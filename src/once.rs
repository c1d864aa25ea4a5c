//! `Once`: a Python object that is made when it is first needed and kept for the rest of the process.
//!
//! Not PyO3's `PyOnceLock`, which locks while the value is made: Python code runs then, which may fork, or ask for the
//! same value again from a finalizer. Here two threads may make it, and one of the two values is kept; nothing is ever
//! found locked.

use std::sync::OnceLock;

use pyo3::prelude::*;

pub struct Once<T>(OnceLock<T>);

impl<T> Once<T> {
    pub const fn new() -> Self {
        Once(OnceLock::new())
    }

    pub fn get_or_try_init(&self, _py: Python<'_>, make: impl FnOnce() -> PyResult<T>) -> PyResult<&T> {
        if let Some(known) = self.0.get() {
            return Ok(known);
        }
        // With the GIL and without Python code: no other thread can be inside, nor a fork come in between.
        let second = self.0.set(make()?).err();
        drop(second);
        self.0.get().ok_or_else(|| pyo3::exceptions::PySystemError::new_err("a value that was just set is gone"))
    }
}

impl Once<Py<PyAny>> {
    /// An attribute of a module.
    pub fn import<'py>(&self, py: Python<'py>, module: &str, name: &str) -> PyResult<&Bound<'py, PyAny>> {
        let found = self.get_or_try_init(py, || Ok(py.import(module)?.getattr(name)?.unbind()))?;
        Ok(found.bind(py))
    }
}
