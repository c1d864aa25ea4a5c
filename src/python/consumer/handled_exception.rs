//! The exception that the program handles: `close` in an `except` or `finally` block asks whether the last message
//! failed.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

use crate::once::Once;

/// The exception that was being handled at the last read.
#[derive(Default)]
pub struct HandledException(Mutex<Option<Py<PyAny>>>);

impl HandledException {
    /// Called before a message is returned: an exception handled by then is not about that message.
    pub fn note(&self, py: Python<'_>) -> PyResult<()> {
        self.replace(current(py)?);
        Ok(())
    }

    /// Whether an exception is handled that was not at the last read. It may come from processing the message, or from
    /// later code: the two look the same.
    pub fn is_new(&self, py: Python<'_>) -> PyResult<bool> {
        let Some(current) = current(py)? else { return Ok(false) };
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(!known.as_ref().is_some_and(|known| known.is(&current)))
    }

    /// Drops the exception, which keeps frames and their variables alive.
    pub fn forget(&self) {
        self.replace(None);
    }

    fn replace(&self, with: Option<Py<PyAny>>) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), with);
        drop(before);
    }
}

fn current(py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
    static EXC_INFO: Once<Py<PyAny>> = Once::new();
    let exception = EXC_INFO.import(py, "sys", "exc_info")?.call0()?.get_item(1)?;
    Ok(Some(exception).filter(|exception| !exception.is_none()).map(Bound::unbind))
}
