//! When a client is made: by `__new__`, or by `__init__` where a subclass has one of its own, which may then take what arguments
//! it likes and call `super().__init__()` with others.

use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple, PyType};
use pyo3::PyTypeInfo;

use crate::error::Error;
use crate::kafka;

/// What an object of `class` is made of, once it is.
pub struct Made<T> {
    class: &'static str,
    value: OnceLock<T>,
    /// `__init__` has nothing to do then: Python calls it all the same, with the arguments of the subclass's `__new__`.
    by_new: bool,
}

impl<T> Made<T> {
    pub fn now(class: &'static str, value: T) -> Self {
        Made { class, value: OnceLock::from(value), by_new: true }
    }

    /// `__new__` of a client.
    pub fn by_new<C: PyTypeInfo>(
        class: &Bound<'_, PyType>,
        name: &'static str,
        make: impl FnOnce() -> PyResult<T>,
    ) -> PyResult<Self> {
        let inherited = class.py().get_type::<C>().getattr("__init__")?;
        if class.getattr("__init__")?.is(&inherited) {
            return Ok(Made::now(name, make()?));
        }
        Ok(Made { class: name, value: OnceLock::new(), by_new: false })
    }

    /// `__init__` of a client. If `make` fails, it may be tried again.
    pub fn by_init(&self, make: impl FnOnce() -> PyResult<T>) -> PyResult<()> {
        if self.by_new {
            return Ok(());
        }
        if self.value.get().is_none() && self.value.set(make()?).is_ok() {
            return Ok(());
        }
        let message = format!("{0}.__init__ was called a second time. Make a new {0} for other options", self.class);
        Err(Error::from(kafka::Error::Misuse(message)).into())
    }

    #[inline]
    pub fn get(&self) -> Result<&T, Error> {
        self.value.get().ok_or_else(|| self.missing())
    }

    #[cold]
    fn missing(&self) -> Error {
        let class = self.class;
        Error::from(kafka::Error::Misuse(format!(
            "{class}.__init__ was not called. Call super().__init__() in the subclass's __init__, before the first use"
        )))
    }

    /// For `__repr__`, which raises nothing.
    pub fn repr(&self, of: impl FnOnce(&T) -> String) -> String {
        self.value.get().map_or_else(|| format!("<kjson.{}: __init__ was not called>", self.class), of)
    }
}

/// Calls what parses a constructor's arguments, and returns what it made.
pub fn call<C: PyTypeInfo>(
    constructor: &Bound<'_, PyCFunction>,
    arguments: &Bound<'_, PyTuple>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Py<C>> {
    Ok(constructor.call(arguments, options)?.cast_into::<C>()?.unbind())
}
