//! The end of the interpreter: open producers flush, consumers leave their groups, and all threads of ours are gone before
//! Python tears itself down.

use std::sync::{Mutex, PoisonError, Weak};

use pyo3::prelude::*;
use pyo3::types::PyCFunction;

use crate::kafka::{self, Level, LogRecord};

use super::blocking::detached;
use super::notifier;

/// A client that has to be closed before the interpreter ends.
pub trait Closable: Send + Sync {
    /// Bounded; what goes wrong is logged by the client or of no consequence any more.
    fn close_at_exit(&self, py: Python<'_>);
}

static OPEN: Mutex<Vec<Weak<dyn Closable>>> = Mutex::new(Vec::new());

pub fn register(client: Weak<dyn Closable>) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|client| client.strong_count() > 0);
    open.push(client);
}

/// Clients that were dropped shortly before still deliver and commit. Raises what a signal's handler raises.
fn wait_for_unfinished(py: Python<'_>) -> PyResult<()> {
    let mut lost = Vec::new();
    let waited = detached(py, |interrupt| {
        let (left, waited) = kafka::wait_for_unfinished(interrupt);
        lost = left;
        waited
    });
    for text in lost {
        notifier::log(LogRecord { level: Level::Error, text: format!("at exit: {text}") });
    }
    Ok(waited?)
}

/// `atexit` handlers run before the interpreter begins to finalize, so other threads can still attach to it.
pub fn install(py: Python<'_>) -> PyResult<()> {
    let handler = PyCFunction::new_closure(py, None, None, |arguments, _| -> PyResult<()> {
        let py = arguments.py();
        let open = std::mem::take(&mut *OPEN.lock().unwrap_or_else(PoisonError::into_inner));
        for client in open.iter().filter_map(Weak::upgrade) {
            client.close_at_exit(py);
        }
        let waited = wait_for_unfinished(py);
        notifier::stop(py);
        waited
    })?;
    py.import("atexit")?.call_method1("register", (handler,))?;
    Ok(())
}
