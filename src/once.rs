//! `Once`: a Python object that is made when it is first used and kept until the process ends.
//!
//! Not PyO3's `PyOnceLock`, which makes the value under a lock: that runs Python code, which may fork, or use the value
//! in a finalizer. Here two threads may each make a value, and the first one that is set is kept.

use std::sync::OnceLock;

use pyo3::prelude::*;

pub struct Once<T>(OnceLock<T>);

impl<T> Once<T> {
    pub const fn new() -> Self {
        Once(OnceLock::new())
    }

    pub fn get_or_try_init(&self, _py: Python<'_>, make: impl FnOnce() -> PyResult<T>) -> PyResult<&T> {
        if let Some(value) = self.0.get() {
            return Ok(value);
        }
        // `set` runs with the GIL and runs no Python code, so neither another thread nor a fork comes in between.
        let unused = self.0.set(make()?).err();
        drop(unused);
        self.0.get().ok_or_else(|| pyo3::exceptions::PySystemError::new_err("a value that was just set is missing"))
    }
}

impl Once<Py<PyAny>> {
    /// An attribute of a module.
    pub fn import<'py>(&self, py: Python<'py>, module: &str, name: &str) -> PyResult<&Bound<'py, PyAny>> {
        let found = self.get_or_try_init(py, || Ok(py.import(module)?.getattr(name)?.unbind()))?;
        Ok(found.bind(py))
    }
}
