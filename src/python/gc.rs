//! Python's cycle collector, paused while many objects are made that cannot be in cycles.
//!
//! Up to 3.11 it runs inside every 700th or so `PyDict_New`, and traverses all that a batch has made so far: 0.25 to
//! 0.45 us a message in batches of a thousand, a fifth of the time. From 3.12 on it runs between bytecodes. Once it is
//! enabled again it traverses the whole batch, unless the batch is untracked (`json::Untracked`).

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::json::Untracked;
use crate::once::Once;

/// Disables the collector until it is dropped. For code that keeps the GIL and runs no user code, so that no other
/// thread notices.
pub struct GcPaused<'py> {
    py: Python<'py>,
    was_enabled: bool,
}

impl<'py> GcPaused<'py> {
    /// None for few messages, where it costs more than it saves.
    pub fn for_messages(py: Python<'py>, count: usize) -> PyResult<Option<Self>> {
        const MIN_MESSAGES: usize = 50;
        (count >= MIN_MESSAGES).then(|| Self::new(py)).transpose()
    }

    fn new(py: Python<'py>) -> PyResult<Self> {
        static IS_ENABLED: Once<Py<PyAny>> = Once::new();
        static DISABLE: Once<Py<PyAny>> = Once::new();
        let was_enabled = IS_ENABLED.import(py, "gc", "isenabled")?.call0()?.is_truthy()?;
        if was_enabled {
            DISABLE.import(py, "gc", "disable")?.call0()?;
        }
        Ok(GcPaused { py, was_enabled })
    }

    /// Whether untracking containers saves time: not if the collector is disabled anyway, nor on 3.14, which tracks
    /// every dict and collects old objects together with young ones.
    pub fn should_untrack(&self) -> bool {
        self.was_enabled && self.py.version_info() < (3, 14)
    }

    /// Enables the collector again, after a young collection if one is due, and tracks the containers after that.
    pub fn finish(self, untracked: Untracked<'py>) {
        let py = self.py;
        let collection = (self.was_enabled && !untracked.is_empty()).then(|| YoungCollection::if_due(py));
        drop(self);
        if let Err(error) = collection.transpose().and_then(|due| due.flatten().map_or(Ok(()), YoungCollection::run)) {
            error.write_unraisable(py, None);
        }
    }
}

/// A collection of the young generation only.
struct YoungCollection<'py> {
    collect: Bound<'py, PyAny>,
    generation: Bound<'py, PyTuple>,
}

impl<'py> YoungCollection<'py> {
    /// None if the collector would not run yet, or an older generation is due: whether that is collected depends on
    /// more than the counts (`gc_collect_generations` in Modules/gcmodule.c), so it is left to the collector.
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
        Ok(Some(YoungCollection { collect, generation: (0,).into_pyobject(py)? }))
    }

    /// Makes no object before the call: that could start a collection by the collector.
    fn run(self) -> PyResult<()> {
        self.collect.call1(self.generation).map(|_| ())
    }
}

impl Drop for GcPaused<'_> {
    fn drop(&mut self) {
        static ENABLE: Once<Py<PyAny>> = Once::new();
        if self.was_enabled {
            let enabled = ENABLE.import(self.py, "gc", "enable").and_then(|enable| enable.call0());
            if let Err(error) = enabled {
                error.write_unraisable(self.py, None);
            }
        }
    }
}
