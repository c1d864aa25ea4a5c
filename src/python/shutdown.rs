//! The end of the interpreter: open producers flush, consumers leave their groups, and all threads of kjson end before
//! the interpreter finalizes.
//!
//! In two steps, since `atexit` handlers of the program may run after ours: `flush` as our handler, `close` after the
//! last.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyCFunction;

use crate::kafka::{self, Deadline, Level, LogRecord, PerProcess};

use super::blocking::detached;
use super::notifier;

/// A client to close before the interpreter ends. It waits for its brokers until `limit`, and no longer than `close`
/// does. Errors are logged; an exception raised by a signal handler is raised.
pub trait CloseAtExit: Send + Sync {
    /// Delivers what was sent, or commits what was processed. A client that later handlers may use stays open.
    fn flush_at_exit(&self, py: Python<'_>, limit: Deadline) -> PyResult<()>;

    fn close_at_exit(&self, py: Python<'_>, limit: Deadline) -> PyResult<()>;
}

/// The clients of this process. A forked child has none of its parent's.
static OPEN: PerProcess<OpenClients> = PerProcess::new();
/// `flush` and `close` as Python functions.
static HANDLERS: PyOnceLock<[Py<PyAny>; 2]> = PyOnceLock::new();

#[derive(Default)]
struct OpenClients {
    clients: Mutex<Vec<Weak<dyn CloseAtExit>>>,
    /// Our `atexit` handler is installed.
    installed: AtomicBool,
    /// So is the handler for `multiprocessing` workers.
    installed_for_workers: AtomicBool,
}

impl OpenClients {
    fn clients(&self) -> MutexGuard<'_, Vec<Weak<dyn CloseAtExit>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes a client at the end of this process, if the program does not.
pub fn register(py: Python<'_>, client: Weak<dyn CloseAtExit>) -> PyResult<()> {
    let open = OPEN.get();
    let mut clients = open.clients();
    clients.retain(|client| client.strong_count() > 0);
    clients.push(client);
    drop(clients);
    if open.installed_for_workers.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    // With the first client: a worker process drops the handlers of its parent, and those installed before it starts.
    install(py)?;
    let [flush, _] = handlers(py)?;
    py.import("kjson._exit")?.call_method1("install_for_workers", (flush,))?;
    Ok(())
}

/// After Ctrl-C, the timeout for all remaining clients together; enough for a nearby broker.
const INTERRUPTED_TIMEOUT: Duration = Duration::from_millis(100);

/// Clients that were dropped shortly before may still deliver and commit.
fn wait_for_unfinished(py: Python<'_>, limit: Deadline) -> PyResult<()> {
    let mut unfinished = Vec::new();
    let waited = detached(py, |interrupt| {
        let (left, waited) = kafka::wait_for_unfinished(limit, interrupt);
        unfinished = left;
        waited
    });
    for text in unfinished {
        notifier::log(LogRecord { level: Level::Error, text: format!("at exit: {text}") });
    }
    Ok(waited?)
}

fn end(
    py: Python<'_>,
    clients: &[Weak<dyn CloseAtExit>],
    end: impl Fn(&dyn CloseAtExit, Deadline) -> PyResult<()>,
) -> PyResult<()> {
    let mut limit = Deadline::after(None);
    let mut result = Ok(());
    for client in clients.iter().filter_map(Weak::upgrade) {
        let ended = end(&*client, limit);
        if result.is_ok() && ended.is_err() {
            limit = Deadline::after(Some(INTERRUPTED_TIMEOUT));
        }
        result = result.and(ended);
    }
    let waited = wait_for_unfinished(py, limit);
    result.and(waited)
}

/// May run more than once.
fn flush(py: Python<'_>) -> PyResult<()> {
    let open = OPEN.get().clients().clone();
    let flushed = end(py, &open, |client, limit| client.flush_at_exit(py, limit));
    notifier::drain(py);
    flushed
}

/// May run more than once: the list of clients is taken, so the second call does nothing.
fn close(py: Python<'_>) -> PyResult<()> {
    let open = std::mem::take(&mut *OPEN.get().clients());
    let closed = end(py, &open, |client, limit| client.close_at_exit(py, limit));
    notifier::stop(py);
    closed
}

fn handlers(py: Python<'_>) -> PyResult<&'static [Py<PyAny>; 2]> {
    HANDLERS.get_or_try_init(py, || {
        let flush = PyCFunction::new_closure(py, None, None, |arguments, _| flush(arguments.py()))?;
        let close = PyCFunction::new_closure(py, None, None, |arguments, _| close(arguments.py()))?;
        Ok([flush.into(), close.into()])
    })
}

/// `atexit` handlers run before the interpreter starts to finalize, so other threads can still attach to it.
pub fn install(py: Python<'_>) -> PyResult<()> {
    if OPEN.get().installed.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    let [flush, close] = handlers(py)?;
    py.import("kjson._exit")?.call_method1("install", (flush, close))?;
    Ok(())
}
