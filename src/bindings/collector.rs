//! Python's cycle collector, held off while many objects are made that cannot be cycles.
//!
//! Up to 3.11 it runs inside every 700th or so `PyDict_New`, and looks through all that a batch has so far: 0.25 to 0.45 us a
//! message in batches of a thousand, a fifth of the time, to find nothing. From 3.12 on it waits for the interpreter by itself.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// While it lives the collector does not run. For code that keeps the GIL and runs nobody's Python code: no other thread
/// gets to see it.
pub struct Pause<'py> {
    py: Python<'py>,
    was_on: bool,
}

impl<'py> Pause<'py> {
    /// While so many messages become objects; a few are not worth it.
    pub fn for_messages(py: Python<'py>, count: usize) -> PyResult<Option<Self>> {
        const MANY: usize = 50;
        (count >= MANY).then(|| Self::begin(py)).transpose()
    }

    fn begin(py: Python<'py>) -> PyResult<Self> {
        static IS_ENABLED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        static DISABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let was_on = IS_ENABLED.import(py, "gc", "isenabled")?.call0()?.is_truthy()?;
        if was_on {
            DISABLE.import(py, "gc", "disable")?.call0()?;
        }
        Ok(Pause { py, was_on })
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        static ENABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        if self.was_on {
            let enabled = ENABLE.import(self.py, "gc", "enable").and_then(|enable| enable.call0());
            if let Err(error) = enabled {
                error.write_unraisable(self.py, None);
            }
        }
    }
}
