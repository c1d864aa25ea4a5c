//! The end of the interpreter: open producers flush, consumers leave their groups, and all threads of ours are gone before
//! Python tears itself down.
//!
//! In two steps, since handlers of the program may run after ours: `settle` in our turn, `close` after the last of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyCFunction;

use crate::kafka::{self, Deadline, Level, LogRecord, PerProcess};

use super::blocking::detached;
use super::notifier;

/// A client that has to be closed before the interpreter ends, and waits for its brokers until `limit` or as long as `close`
/// does. What goes wrong is logged; what a signal's handler raises is raised.
pub trait Closable: Send + Sync {
    /// Delivers or commits what the program has finished with. A client that later handlers may use stays open.
    fn settle_at_exit(&self, py: Python<'_>, limit: Deadline) -> PyResult<()>;

    fn close_at_exit(&self, py: Python<'_>, limit: Deadline) -> PyResult<()>;
}

/// The clients of this process. A forked child has none of its parent's.
static OPEN: PerProcess<Open> = PerProcess::new();
/// `settle` and `close`, as Python knows them.
static HANDLERS: PyOnceLock<[Py<PyAny>; 2]> = PyOnceLock::new();

#[derive(Default)]
struct Open {
    clients: Mutex<Vec<Weak<dyn Closable>>>,
    /// atexit has our handler.
    installed: AtomicBool,
    /// Worker processes have it, too, if this is one.
    installed_for_workers: AtomicBool,
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
    if open.installed_for_workers.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    // With the first client, since a worker process has forgotten what was installed in its parent, or before it began.
    install(py)?;
    let [settle, _] = handlers(py)?;
    py.import("kjson._exit")?.call_method1("install_for_workers", (settle,))?;
    Ok(())
}

/// After Ctrl-C all that is left has so long together, enough for a broker that is near.
const HURRY: Duration = Duration::from_millis(100);

/// Clients that were dropped shortly before still deliver and commit.
fn wait_for_unfinished(py: Python<'_>, limit: Deadline) -> PyResult<()> {
    let mut lost = Vec::new();
    let waited = detached(py, |interrupt| {
        let (left, waited) = kafka::wait_for_unfinished(limit, interrupt);
        lost = left;
        waited
    });
    for text in lost {
        notifier::log(LogRecord { level: Level::Error, text: format!("at exit: {text}") });
    }
    Ok(waited?)
}

fn end(
    py: Python<'_>,
    clients: &[Weak<dyn Closable>],
    end: impl Fn(&dyn Closable, Deadline) -> PyResult<()>,
) -> PyResult<()> {
    let mut limit = Deadline::after(None);
    let mut result = Ok(());
    for client in clients.iter().filter_map(Weak::upgrade) {
        let ended = end(&*client, limit);
        if result.is_ok() && ended.is_err() {
            limit = Deadline::after(Some(HURRY));
        }
        result = result.and(ended);
    }
    let waited = wait_for_unfinished(py, limit);
    result.and(waited)
}

/// May run more than once.
fn settle(py: Python<'_>) -> PyResult<()> {
    let open = OPEN.get().clients().clone();
    let settled = end(py, &open, |client, limit| client.settle_at_exit(py, limit));
    notifier::drain(py);
    settled
}

/// May run more than once: what is over is over.
fn close(py: Python<'_>) -> PyResult<()> {
    let open = std::mem::take(&mut *OPEN.get().clients());
    let closed = end(py, &open, |client, limit| client.close_at_exit(py, limit));
    notifier::stop(py);
    closed
}

fn handlers(py: Python<'_>) -> PyResult<&'static [Py<PyAny>; 2]> {
    HANDLERS.get_or_try_init(py, || {
        let settle = PyCFunction::new_closure(py, None, None, |arguments, _| settle(arguments.py()))?;
        let close = PyCFunction::new_closure(py, None, None, |arguments, _| close(arguments.py()))?;
        Ok([settle.into(), close.into()])
    })
}

/// `atexit` handlers run before the interpreter begins to finalize, so other threads can still attach to it.
pub fn install(py: Python<'_>) -> PyResult<()> {
    if OPEN.get().installed.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    let [settle, close] = handlers(py)?;
    py.import("kjson._exit")?.call_method1("install", (settle, close))?;
    Ok(())
}
