//! The end of the interpreter: open producers flush, consumers leave their groups, and all threads of ours are gone before
//! Python tears itself down.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyCFunction;

use crate::kafka::{self, Level, LogRecord, PerProcess};

use super::blocking::detached;
use super::notifier;

/// A client that has to be closed before the interpreter ends.
pub trait Closable: Send + Sync {
    /// Bounded; what goes wrong is logged by the client or of no consequence any more.
    fn close_at_exit(&self, py: Python<'_>);
}

/// The clients of this process. A forked child has none of its parent's.
static OPEN: PerProcess<Open> = PerProcess::new();
/// What runs at the end, as Python knows it.
static HANDLER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

#[derive(Default)]
struct Open {
    clients: Mutex<Vec<Weak<dyn Closable>>>,
    installed: AtomicBool,
}

impl Open {
    fn clients(&self) -> MutexGuard<'_, Vec<Weak<dyn Closable>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has a client closed at the end of this process.
pub fn register(py: Python<'_>, client: Weak<dyn Closable>) -> PyResult<()> {
    let open = OPEN.get();
    let mut clients = open.clients();
    clients.retain(|client| client.strong_count() > 0);
    clients.push(client);
    drop(clients);
    if open.installed.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    // With the first client, since a worker process has forgotten what was installed in its parent, or before it began.
    install(py)
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
    let make = || PyCFunction::new_closure(py, None, None, |arguments, _| end(arguments.py())).map(|made| made.into());
    let handler: &Py<PyAny> = HANDLER.get_or_try_init(py, make)?;
    py.import("kjson._exit")?.call_method1("install", (handler,))?;
    Ok(())
}

/// May run more than once: what is over is over.
fn end(py: Python<'_>) -> PyResult<()> {
    let open = std::mem::take(&mut *OPEN.get().clients());
    for client in open.iter().filter_map(Weak::upgrade) {
        client.close_at_exit(py);
    }
    let waited = wait_for_unfinished(py);
    notifier::stop(py);
    waited
}
