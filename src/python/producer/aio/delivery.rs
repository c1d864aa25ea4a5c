//! `Delivery` and `DeliveryBatch` on an event loop: awaited, or handed to what asyncio has for futures.
//!
//! Each `await` waits by itself, so one that is cancelled ends no other. For `asyncio.gather` and its like a delivery of an
//! `AsyncProducer` is a future of the loop that runs: a thousand of them need no task each.

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Poll, Wake};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::error::raise;
use crate::kafka::DeliveryState;
use crate::once::Once;
use crate::python::aio::loop_waker::{loop_here, running_loop, LoopCallback, LoopWaker};
use crate::python::aio::operation::Operation;
use crate::python::aio::timer::within;
use crate::python::producer::batch::DeliveryBatch;
use crate::python::producer::delivery::{Callback, Delivery, RecordMetadata};

use super::wakers::Whole;
use super::{hurry, Core};

/// A callback that is owed to a loop.
pub struct DoneCall {
    port: Arc<LoopWaker>,
    delivery: Py<Delivery>,
    function: Py<PyAny>,
    /// None for code that asks for no variable of a context.
    context: Option<Py<PyAny>>,
    left: AtomicBool,
}

impl Wake for DoneCall {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.left.swap(true, Ordering::AcqRel) {
            self.port.call_soon(self.clone());
        }
    }
}

fn on_loop(callback: &Callback) -> Option<Arc<DoneCall>> {
    match callback {
        Callback::OnLoop(call) => Some(call.clone()),
        _ => None,
    }
}

impl LoopCallback for DoneCall {
    fn run(&self, py: Python<'_>) -> PyResult<()> {
        match &self.context {
            Some(context) => context.call_method1(py, intern!(py, "run"), (&self.function, &self.delivery))?,
            None => self.function.call1(py, (&self.delivery,))?,
        };
        Ok(())
    }
}

thread_local! {
    /// The delivery by whose address this thread asked last which loop runs, and that loop's port.
    static ASKED: Cell<(usize, Weak<LoopWaker>)> = const { Cell::new((0, Weak::new())) };
}

/// `asyncio.gather` asks a future for its loop right before it adds its callback. Asking asyncio a second time would cost a
/// system call, 0.15 us (`getpid`, up to 3.11).
fn port_asked_for(delivery: &Bound<'_, Delivery>) -> Option<Arc<LoopWaker>> {
    let (address, port) = ASKED.take();
    port.upgrade().filter(|_| address == delivery.as_ptr() as usize)
}

/// Whether code is that of the callback of `asyncio.gather`, which counts and sets a result. A context for each of a thousand messages
/// costs more than the rest of their wait: 0.3 us to copy, to enter, and for the garbage collector to look through.
fn is_of_gather(code: &Bound<'_, PyAny>) -> bool {
    static CODE: Once<Option<Py<PyAny>>> = Once::new();
    let py = code.py();
    let find = || -> PyResult<Option<Py<PyAny>>> {
        let constants = py.import("asyncio")?.getattr("gather")?.getattr("__code__")?.getattr("co_consts")?;
        let named = |constant: &Bound<'_, PyAny>| {
            constant.getattr("co_name").is_ok_and(|name| name.eq("_done_callback").unwrap_or(false))
        };
        Ok(constants.try_iter()?.filter_map(Result::ok).find(named).map(Bound::unbind))
    };
    let found = CODE.get_or_try_init(py, || Ok(find().unwrap_or(None)));
    found.is_ok_and(|found| found.as_ref().is_some_and(|gather| code.is(gather)))
}

fn asyncio(py: Python<'_>, name: &'static str) -> PyResult<PyErr> {
    let class = py.import("asyncio")?.getattr(name)?;
    Ok(PyErr::from_value(class.call0()?))
}

/// A wait on the loop's own thread would hold up the whole program: that is asyncio's InvalidStateError.
pub fn refuse_on_loop(py: Python<'_>, core: &Core, what: &str) -> PyResult<()> {
    if core.aio.asynchronous && loop_here(py)?.is_some() {
        let class = py.import("asyncio")?.getattr("InvalidStateError")?;
        let text = format!("the outcome of {what} is not known yet: await it");
        return Err(PyErr::from_value(class.call1((text,))?));
    }
    Ok(())
}

/// Waits until a message's outcome is known.
pub async fn done(core: &Arc<Core>, report: &DeliveryState<Callback>) -> PyResult<()> {
    poll_fn(|context| {
        if report.completion().is_some() || report.when_done(Callback::Wake(context.waker().clone())).is_err() {
            return Poll::Ready(Ok(()));
        }
        hurry(&Python::attach(LoopWaker::current)?, core);
        Poll::Pending
    })
    .await
}

/// As `done`, and then what `Delivery.result` returns or raises.
pub async fn result(delivery: Py<Delivery>, timeout: Option<f64>) -> PyResult<RecordMetadata> {
    let limit = crate::python::blocking::seconds("timeout", timeout)?;
    match within(limit, done(delivery.get().core(), &delivery.get().report)).await? {
        Some(done) => done?,
        None => return Err(delivery.get().too_late(timeout)),
    }
    delivery.get().outcome().unwrap_or_else(|| Err(delivery.get().too_late(timeout)))
}

#[pymethods]
impl Delivery {
    /// Wait for the confirmation: `metadata = await delivery`.
    fn __await__(slf: &Bound<'_, Self>) -> PyResult<Operation> {
        const NAME: &str = "Delivery";
        let py = slf.py();
        if let Some(outcome) = slf.get().outcome() {
            return Ok(Operation::ready(py, NAME, outcome));
        }
        slf.get().core().usable()?;
        Ok(Operation::from_future(NAME, result(slf.clone().unbind(), None)))
    }

    /// For asyncio, which takes what has this for a future. None where it is not: for deliveries of a `Producer`.
    #[getter]
    fn _asyncio_future_blocking(&self) -> Option<bool> {
        self.core().aio.asynchronous.then_some(false)
    }

    /// For asyncio: the running loop.
    fn get_loop<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let running = running_loop(slf.py())?;
        ASKED.set((slf.as_ptr() as usize, Arc::downgrade(&LoopWaker::for_loop(&running)?)));
        Ok(running)
    }

    /// For asyncio: end the waits by callback, such as that of `asyncio.gather`. The message stays in flight.
    #[pyo3(signature = (msg=None))]
    fn cancel(&self, msg: Option<&Bound<'_, PyAny>>) -> bool {
        let _ = msg;
        if self.report.completion().is_some() {
            return false;
        }
        let calls = self.report.owed(on_loop);
        self.report.keep_owed(|callback| !matches!(callback, Callback::OnLoop(_)));
        if calls.is_empty() {
            return false;
        }
        self.cancelled.store(true, Ordering::Relaxed);
        calls.into_iter().for_each(Wake::wake);
        true
    }

    /// For asyncio: whether `cancel` ended a wait, with no wait since.
    fn cancelled(&self) -> bool {
        self.report.completion().is_none() && self.cancelled.load(Ordering::Relaxed)
    }

    /// For asyncio: remove a callback of `add_done_callback`, and return how often it was there.
    fn remove_done_callback(&self, py: Python<'_>, callback: &Bound<'_, PyAny>) -> PyResult<usize> {
        let mut removed = 0;
        // Comparing runs Python code: not under the lock.
        for call in self.report.owed(on_loop) {
            if call.function.bind(py).eq(callback)? && !call.left.swap(true, Ordering::AcqRel) {
                removed += 1;
            }
        }
        self.report.keep_owed(|callback| on_loop(callback).is_none_or(|call| !call.left.load(Ordering::Acquire)));
        Ok(removed)
    }

    fn _make_cancelled_error(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(asyncio(py, "CancelledError")?.into_value(py).into_any())
    }

    #[getter]
    fn _cancel_message(&self) -> Option<Py<PyAny>> {
        None
    }
}

impl Delivery {
    /// What waits by callback sees a wait that was cancelled as CancelledError, until somebody waits anew.
    pub fn raise_cancelled(&self, py: Python<'_>) -> PyResult<()> {
        if self.cancelled() {
            return Err(asyncio(py, "CancelledError")?);
        }
        Ok(())
    }

    /// Has `function`, whose code is known, called on the loop that runs on this thread. False where a callback belongs to a
    /// thread of ours.
    pub fn call_on_loop(
        slf: &Bound<'_, Self>,
        function: &Py<PyAny>,
        code: Option<&Bound<'_, PyAny>>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<bool> {
        let (py, this) = (slf.py(), slf.get());
        if !this.core().aio.asynchronous {
            return Ok(false);
        }
        let gathered = context.is_none() && code.is_some_and(is_of_gather);
        let known = if gathered { port_asked_for(slf) } else { None };
        let port = match known {
            Some(port) => port,
            None => match loop_here(py)? {
                Some(running) => LoopWaker::for_loop(&running)?,
                None => return Ok(false),
            },
        };
        let context = match context {
            None if gathered => None,
            None => {
                static COPY: Once<Py<PyAny>> = Once::new();
                Some(COPY.import(py, "contextvars", "copy_context")?.call0()?.unbind())
            }
            given => given,
        };
        let (delivery, function) = (slf.clone().unbind(), function.clone_ref(py));
        let call = Arc::new(DoneCall { port, delivery, function, context, left: AtomicBool::new(false) });
        this.cancelled.store(false, Ordering::Relaxed);
        match this.report.when_done(Callback::OnLoop(call.clone())) {
            Ok(()) => hurry(&call.port, this.core()),
            Err(_) => call.wake(),
        }
        Ok(true)
    }
}

#[pymethods]
impl DeliveryBatch {
    /// Wait for all confirmations: `places = await batch`.
    fn __await__(slf: &Bound<'_, Self>) -> PyResult<Operation> {
        let this = slf.get();
        if !this.batch.done() {
            this.core().usable()?;
        }
        let batch = slf.clone().unbind();
        Ok(Operation::from_future("DeliveryBatch", async move {
            let this = batch.get();
            if !this.batch.done() {
                hurry(&Python::attach(LoopWaker::current)?, this.core());
                Whole::new(this.core().aio.rounds.clone(), this.batch.clone()).await;
            }
            Python::attach(|py| this.places(py).map(Bound::<PyList>::unbind))
        }))
    }
}

/// The error of a wait that was longer than allowed.
pub fn too_late(message: &str) -> PyErr {
    raise("KafkaTimeoutError", message, |attributes| attributes.set_item("retriable", true))
}
