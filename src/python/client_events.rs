//! The callbacks `on_error` and `on_stats`, and the log: what both clients tell Python about their engine.

use std::sync::Arc;

use pyo3::prelude::*;

use crate::error::{class_of, describe, raise};
use crate::kafka::{Code, LogRecord};

use super::notifier;

pub struct Events {
    on_error: Option<Arc<Py<PyAny>>>,
    on_stats: Option<Arc<Py<PyAny>>>,
}

impl Events {
    pub fn new(on_error: Option<Py<PyAny>>, on_stats: Option<Py<PyAny>>) -> Self {
        Events { on_error: on_error.map(Arc::new), on_stats: on_stats.map(Arc::new) }
    }

    pub fn log(&self, record: LogRecord) {
        notifier::log(record);
    }

    /// Hands an exception object to `on_error`; librdkafka goes on by itself.
    pub fn error(&self, code: Code, reason: &str) {
        let Some(callback) = self.on_error.clone() else { return };
        let reason = reason.to_owned();
        notifier::notify(Box::new(move |py| {
            let error = raise(class_of(code), &reason, |attributes| describe(attributes, code, code == Code::FATAL));
            callback.call1(py, (error.into_value(py),)).map(|_| ())
        }));
    }

    /// Hands librdkafka's statistics to `on_stats`, as a dict.
    pub fn statistics(&self, json: &str) {
        let Some(callback) = self.on_stats.clone() else { return };
        let json = json.to_owned();
        notifier::notify_if_room(Box::new(move |py| {
            let statistics = py.import("json")?.call_method1("loads", (json,))?;
            callback.call1(py, (statistics,)).map(|_| ())
        }));
    }
}
