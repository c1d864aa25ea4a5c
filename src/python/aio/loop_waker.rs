//! Wakes an event loop from other threads: one waker per loop, and one wake-up for all callbacks that are queued.
//!
//! The loop reads a socket pair; queueing on an idle waker writes one byte. `call_soon_threadsafe` does the same
//! inside, but needs the GIL on the calling thread, raises on a closed loop, and enters Python while the interpreter
//! finalizes.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyWeakrefReference};

use crate::once::Once;

/// A callback that runs on the loop's thread.
pub trait LoopCallback: Send + Sync {
    fn run(&self, py: Python<'_>) -> PyResult<()>;
}

pub struct LoopWaker {
    /// Never reused.
    pub id: u64,
    callbacks: Mutex<Vec<Arc<dyn LoopCallback>>>,
    /// A byte was written that the loop has not read.
    woken: AtomicBool,
    write_end: UnixStream,
    read_end: UnixStream,
}

struct Registered {
    address: usize,
    event_loop: Py<PyWeakrefReference>,
    waker: Arc<LoopWaker>,
}

/// One entry per living loop; asyncio and uvloop let their loops be referenced weakly.
static WAKERS: Mutex<Vec<Registered>> = Mutex::new(Vec::new());

thread_local! {
    /// Inside `batched`: the wakers to wake at its end.
    static DEFERRED: RefCell<Option<Vec<Arc<LoopWaker>>>> = const { RefCell::new(None) };
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The event loop that runs on this thread. Raises RuntimeError if there is none.
pub fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static GET: Once<Py<PyAny>> = Once::new();
    GET.import(py, "asyncio", "get_running_loop")?.call0()
}

/// The event loop that runs on this thread, if any.
pub fn loop_here(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    static GET: Once<Py<PyAny>> = Once::new();
    let running = GET.import(py, "asyncio", "_get_running_loop")?.call0()?;
    Ok(Some(running).filter(|running| !running.is_none()))
}

impl LoopWaker {
    /// The id of no waker.
    pub const NONE: u64 = 0;

    /// The waker of the loop that runs on this thread, created on first use.
    pub fn current(py: Python<'_>) -> PyResult<Arc<Self>> {
        Self::for_loop(&running_loop(py)?)
    }

    /// The waker of a loop that runs on this thread.
    pub fn for_loop(running: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        let py = running.py();
        let address = running.as_ptr() as usize;
        let registered = lock(&WAKERS).iter().find(|entry| entry.address == address).map(|entry| {
            // A new loop may have the address of a dead one.
            (entry.event_loop.clone_ref(py), entry.waker.clone())
        });
        if let Some((reference, waker)) = registered {
            if reference.bind(py).upgrade().is_some() {
                return Ok(waker);
            }
        }
        Self::open(running)
    }

    fn open(running: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        let py = running.py();
        let reference = PyWeakrefReference::new(running)?.unbind();
        let (write_end, read_end) = UnixStream::pair()?;
        write_end.set_nonblocking(true)?;
        read_end.set_nonblocking(true)?;
        let descriptor = read_end.as_raw_fd();
        static IDS: AtomicU64 = AtomicU64::new(LoopWaker::NONE + 1);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        let waker =
            Arc::new(LoopWaker { id, callbacks: Mutex::default(), woken: AtomicBool::new(false), write_end, read_end });
        running.call_method1(intern!(py, "add_reader"), (descriptor, ReadCallback { waker: waker.clone() }))?;
        // Not under the lock: upgrading references may run Python code, which may let another thread in here.
        let mut living = std::mem::take(&mut *lock(&WAKERS));
        living.retain(|entry| entry.event_loop.bind(py).upgrade().is_some());
        living.push(Registered { address: running.as_ptr() as usize, event_loop: reference, waker: waker.clone() });
        lock(&WAKERS).append(&mut living);
        Ok(waker)
    }

    /// Queues a callback and wakes the loop. From any thread, with or without the GIL.
    pub fn call_soon(self: &Arc<Self>, callback: Arc<dyn LoopCallback>) {
        lock(&self.callbacks).push(callback);
        let deferred = DEFERRED.with_borrow_mut(|deferred| match deferred {
            None => false,
            Some(wakers) => {
                if !wakers.iter().any(|waker| Arc::ptr_eq(waker, self)) {
                    wakers.push(self.clone());
                }
                true
            }
        });
        if !deferred {
            self.wake();
        }
    }

    fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            // The socket cannot be full. An error means that the loop is gone, and nothing is left to wake.
            let _ = (&self.write_end).write(&[1]);
        }
    }

    fn run_callbacks(&self, py: Python<'_>) -> PyResult<()> {
        let mut bytes = [0; 8];
        let _ = (&self.read_end).read(&mut bytes);
        // Before the list is taken: callbacks queued from now on wake the loop again.
        self.woken.store(false, Ordering::Release);
        let mut callbacks = std::mem::take(&mut *lock(&self.callbacks)).into_iter();
        for callback in callbacks.by_ref() {
            let Err(error) = callback.run(py) else { continue };
            if !error.is_instance_of::<PyException>(py) {
                // Ctrl-C is raised out of the loop. The other callbacks run if the loop is run again.
                lock(&self.callbacks).extend(callbacks);
                self.wake();
                return Err(error);
            }
            let context = PyDict::new(py);
            context.set_item("message", "exception in a callback of kjson")?;
            context.set_item("exception", error.into_value(py))?;
            running_loop(py)?.call_method1(intern!(py, "call_exception_handler"), (context,))?;
        }
        Ok(())
    }
}

/// Runs `work`, then wakes each loop once, however many callbacks `work` queued.
pub fn batched(work: impl FnOnce()) {
    DEFERRED.set(Some(Vec::new()));
    work();
    for waker in DEFERRED.take().unwrap_or_default() {
        waker.wake();
    }
}

/// The loop's reader callback for `read_end`.
#[pyclass(module = "kjson", frozen)]
struct ReadCallback {
    waker: Arc<LoopWaker>,
}

#[pymethods]
impl ReadCallback {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        self.waker.run_callbacks(py)
    }

    fn __repr__(&self) -> &'static str {
        "<kjson callbacks for this event loop>"
    }
}
