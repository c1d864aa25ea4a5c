//! Python's cycle collector, held off while many objects are made that cannot be cycles.
//!
//! Up to 3.11 it runs inside every 700th or so `PyDict_New`, and looks through all that a batch has so far: 0.25 to 0.45 us a
//! message in batches of a thousand, a fifth of the time, to find nothing. From 3.12 on it waits for the interpreter by itself.
//! Once it is let loose again it looks through the whole batch, unless it has had its look before (`json::Unseen`).

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::json::Unseen;
use crate::once::Once;

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
        static IS_ENABLED: Once<Py<PyAny>> = Once::new();
        static DISABLE: Once<Py<PyAny>> = Once::new();
        let was_on = IS_ENABLED.import(py, "gc", "isenabled")?.call0()?.is_truthy()?;
        if was_on {
            DISABLE.import(py, "gc", "disable")?.call0()?;
        }
        Ok(Pause { py, was_on })
    }

    /// Whether it is worth while to hide containers: not if the collector is off anyway. The one of 3.14 tracks every dict and
    /// collects the old with the young, which is more than is done here for it.
    pub fn hides(&self) -> bool {
        self.was_on && self.py.version_info() < (3, 14)
    }

    /// Ends it, with a look at the young if there is to be one. What is unseen joins them after that.
    pub fn end(self, unseen: Unseen<'py>) {
        let py = self.py;
        let look = (self.was_on && !unseen.is_empty()).then(|| Look::if_due(py));
        drop(self);
        if let Err(error) = look.transpose().and_then(|look| look.flatten().map_or(Ok(()), Look::take)) {
            error.write_unraisable(py, None);
        }
    }
}

/// A look at the young and no others.
struct Look<'py> {
    collect: Bound<'py, PyAny>,
    generation: Bound<'py, PyTuple>,
}

impl<'py> Look<'py> {
    /// If the collector is about to do just that. Whether it looks at older ones as well it decides by more than the counts
    /// (`gc_collect_generations` in Modules/gcmodule.c), so that is left to it.
    fn if_due(py: Python<'py>) -> PyResult<Option<Self>> {
        static COLLECT: Once<Py<PyAny>> = Once::new();
        static COUNT: Once<Py<PyAny>> = Once::new();
        static THRESHOLD: Once<Py<PyAny>> = Once::new();
        let numbers = |from: &Bound<'_, PyAny>| from.call0()?.extract::<(i64, i64, i64)>();
        let count = numbers(COUNT.import(py, "gc", "get_count")?)?;
        let threshold = numbers(THRESHOLD.import(py, "gc", "get_threshold")?)?;
        if threshold.0 == 0 || count.0 <= threshold.0 || count.1 > threshold.1 {
            return Ok(None);
        }
        let collect = COLLECT.import(py, "gc", "collect")?.clone();
        Ok(Some(Look { collect, generation: (0,).into_pyobject(py)? }))
    }

    /// Makes no object before it begins: that would be reason for a look of the collector's own.
    fn take(self) -> PyResult<()> {
        self.collect.call1(self.generation).map(|_| ())
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        static ENABLE: Once<Py<PyAny>> = Once::new();
        if self.was_on {
            let enabled = ENABLE.import(self.py, "gc", "enable").and_then(|enable| enable.call0());
            if let Err(error) = enabled {
                error.write_unraisable(self.py, None);
            }
        }
    }
}
