//! Which exception the program handles: `close` in an `except` or `finally` block asks whether it may be about the last message.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

use crate::once::Once;

/// The exception that was handled when messages were asked for last.
#[derive(Default)]
pub struct HandledException(Mutex<Option<Py<PyAny>>>);

impl HandledException {
    /// To be called before a message is handed out: an exception that is handled now has nothing to do with it.
    pub fn note(&self, py: Python<'_>) -> PyResult<()> {
        self.replace(current(py)?);
        Ok(())
    }

    /// Whether an exception is handled that was not when messages were asked for last. One of the program's code that worked
    /// on a message is, and so is one that came after it and is about something else: the two look the same.
    pub fn is_new(&self, py: Python<'_>) -> PyResult<bool> {
        let Some(current) = current(py)? else { return Ok(false) };
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(!known.as_ref().is_some_and(|known| known.is(&current)))
    }

    /// It holds frames and what is in them.
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
