//! When a client is initialized: in `__new__`, or in `__init__` if a subclass defines one, which may then take other
//! arguments and pass its own to `super().__init__()`.

use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple, PyType};
use pyo3::PyTypeInfo;

use crate::error::Error;
use crate::kafka;

/// The state of an object of `class`, once it is initialized.
pub struct LateInit<T> {
    class: &'static str,
    value: OnceLock<T>,
    /// `__new__` initialized it, so `__init__` does nothing: Python calls it with the arguments of the subclass's
    /// `__new__`.
    in_new: bool,
}

impl<T> LateInit<T> {
    pub fn ready(class: &'static str, value: T) -> Self {
        LateInit { class, value: OnceLock::from(value), in_new: true }
    }

    /// `__new__` of a client.
    pub fn in_new<C: PyTypeInfo>(
        class: &Bound<'_, PyType>,
        name: &'static str,
        make: impl FnOnce() -> PyResult<T>,
    ) -> PyResult<Self> {
        let inherited = class.py().get_type::<C>().getattr("__init__")?;
        if class.getattr("__init__")?.is(&inherited) {
            return Ok(LateInit::ready(name, make()?));
        }
        Ok(LateInit { class: name, value: OnceLock::new(), in_new: false })
    }

    /// `__init__` of a client. May be called again if `make` fails.
    pub fn in_init(&self, make: impl FnOnce() -> PyResult<T>) -> PyResult<()> {
        if self.in_new {
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

    /// For `__repr__`, which never raises.
    pub fn repr(&self, show: impl FnOnce(&T) -> String) -> String {
        self.value.get().map_or_else(|| format!("<kjson.{}: __init__ was not called>", self.class), show)
    }
}

/// Calls the function that parses a constructor's arguments, and returns the object.
pub fn call<C: PyTypeInfo>(
    constructor: &Bound<'_, PyCFunction>,
    arguments: &Bound<'_, PyTuple>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Py<C>> {
    Ok(constructor.call(arguments, options)?.cast_into::<C>()?.unbind())
}
