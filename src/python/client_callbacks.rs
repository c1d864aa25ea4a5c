//! The callbacks `on_error` and `on_stats` of both clients, and their log records.

use std::sync::Arc;

use pyo3::prelude::*;

use crate::error::{class_of, describe, raise};
use crate::json::{self, DecodeOptions};
use crate::kafka::{Code, LogRecord};

use super::notifier;

pub struct ClientCallbacks {
    on_error: Option<Arc<Py<PyAny>>>,
    on_stats: Option<Arc<Py<PyAny>>>,
}

impl ClientCallbacks {
    pub fn new(on_error: Option<Py<PyAny>>, on_stats: Option<Py<PyAny>>) -> Self {
        ClientCallbacks { on_error: on_error.map(Arc::new), on_stats: on_stats.map(Arc::new) }
    }

    pub fn log(&self, record: LogRecord) {
        notifier::log(record);
    }

    /// Calls `on_error` with an exception object; librdkafka recovers on its own.
    pub fn error(&self, code: Code, reason: &str) {
        let Some(callback) = self.on_error.clone() else { return };
        let reason = reason.to_owned();
        notifier::notify(Box::new(move |py| {
            let error = raise(class_of(code), &reason, |attributes| describe(attributes, code, code == Code::FATAL));
            callback.call1(py, (error.into_value(py),)).map(|_| ())
        }));
    }

    /// Calls `on_stats` with librdkafka's statistics as a dict.
    pub fn statistics(&self, json: &str) {
        let Some(callback) = self.on_stats.clone() else { return };
        let json = json.to_owned();
        notifier::notify_or_drop(Box::new(move |py| {
            let statistics = json::decode(py, json.as_bytes(), &DecodeOptions { parse_float: None })?;
            callback.call1(py, (statistics,)).map(|_| ())
        }));
    }
}
