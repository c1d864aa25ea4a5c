//! Where other threads leave what an event loop has to do: one port for a loop, and one wake-up for all that is there.
//!
//! The loop reads a socket, into which one byte is written when something is left at an empty port. Against
//! `call_soon_threadsafe`, which does the same inside, that needs no GIL on the thread with the news, does not fail on a
//! closed loop, and is nothing that an interpreter that is ending could trip over.

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

/// Something to be done on the loop's thread.
pub trait Call: Send + Sync {
    fn run(&self, py: Python<'_>) -> PyResult<()>;
}

pub struct LoopWaker {
    /// No other port has had it, nor will.
    pub id: u64,
    calls: Mutex<Vec<Arc<dyn Call>>>,
    /// A byte is under way to the loop.
    rung: AtomicBool,
    bell: UnixStream,
    ear: UnixStream,
}

struct Known {
    address: usize,
    running: Py<PyWeakrefReference>,
    port: Arc<LoopWaker>,
}

/// One entry for each loop that lives; asyncio and uvloop let their loops be referenced weakly.
static PORTS: Mutex<Vec<Known>> = Mutex::new(Vec::new());

thread_local! {
    /// Inside `batched`: the ports that are to be rung at its end.
    static UNRUNG: RefCell<Option<Vec<Arc<LoopWaker>>>> = const { RefCell::new(None) };
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The loop that runs on this thread. Raises RuntimeError where none does.
pub fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static GET: Once<Py<PyAny>> = Once::new();
    GET.import(py, "asyncio", "get_running_loop")?.call0()
}

/// The loop that runs on this thread, if one does.
pub fn loop_here(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    static GET: Once<Py<PyAny>> = Once::new();
    let running = GET.import(py, "asyncio", "_get_running_loop")?.call0()?;
    Ok(Some(running).filter(|running| !running.is_none()))
}

impl LoopWaker {
    /// The id of no port.
    pub const NONE: u64 = 0;

    /// The port of the loop that runs on this thread, which is made when it is first needed.
    pub fn current(py: Python<'_>) -> PyResult<Arc<Self>> {
        Self::of(&running_loop(py)?)
    }

    /// The port of a loop that runs on this thread.
    pub fn of(running: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        let py = running.py();
        let address = running.as_ptr() as usize;
        let known = lock(&PORTS).iter().find(|known| known.address == address).map(|known| {
            // Another loop may lie where one that is gone lay.
            (known.running.clone_ref(py), known.port.clone())
        });
        if let Some((reference, port)) = known {
            if reference.bind(py).upgrade().is_some() {
                return Ok(port);
            }
        }
        Self::open(running)
    }

    fn open(running: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        let py = running.py();
        let reference = PyWeakrefReference::new(running)?.unbind();
        let (bell, ear) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        let descriptor = ear.as_raw_fd();
        static IDS: AtomicU64 = AtomicU64::new(LoopWaker::NONE + 1);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        let port = Arc::new(LoopWaker { id, calls: Mutex::default(), rung: AtomicBool::new(false), bell, ear });
        running.call_method1(intern!(py, "add_reader"), (descriptor, Reader { port: port.clone() }))?;
        // Python code may run while references are looked at, and let another thread in here: not under the lock.
        let mut living = std::mem::take(&mut *lock(&PORTS));
        living.retain(|known| known.running.bind(py).upgrade().is_some());
        living.push(Known { address: running.as_ptr() as usize, running: reference, port: port.clone() });
        lock(&PORTS).append(&mut living);
        Ok(port)
    }

    /// Leaves something to be done, and wakes the loop. From any thread, with or without the GIL.
    pub fn leave(self: &Arc<Self>, call: Arc<dyn Call>) {
        lock(&self.calls).push(call);
        let later = UNRUNG.with_borrow_mut(|unrung| match unrung {
            None => false,
            Some(ports) => {
                if !ports.iter().any(|port| Arc::ptr_eq(port, self)) {
                    ports.push(self.clone());
                }
                true
            }
        });
        if !later {
            self.ring();
        }
    }

    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // It cannot be full, and where the loop is gone there is nobody to tell.
            let _ = (&self.bell).write(&[1]);
        }
    }

    fn serve(&self, py: Python<'_>) -> PyResult<()> {
        let mut bytes = [0; 8];
        let _ = (&self.ear).read(&mut bytes);
        // Before the list is taken: what is left from now on rings again.
        self.rung.store(false, Ordering::Release);
        let mut calls = std::mem::take(&mut *lock(&self.calls)).into_iter();
        for call in calls.by_ref() {
            let Err(error) = call.run(py) else { continue };
            if !error.is_instance_of::<PyException>(py) {
                // Ctrl-C: it goes out through the loop, and the others get their turn if that runs again.
                lock(&self.calls).extend(calls);
                self.ring();
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

/// Rings each port once, after `work`, however much that leaves there.
pub fn batched(work: impl FnOnce()) {
    UNRUNG.set(Some(Vec::new()));
    work();
    for port in UNRUNG.take().unwrap_or_default() {
        port.ring();
    }
}

/// What the loop calls when its port has been rung.
#[pyclass(module = "kjson", frozen)]
struct Reader {
    port: Arc<LoopWaker>,
}

#[pymethods]
impl Reader {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        self.port.serve(py)
    }

    fn __repr__(&self) -> &'static str {
        "<what kjson has for this event loop>"
    }
}
