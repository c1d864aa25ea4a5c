//! `Delivery` and `DeliveryBatch` on an event loop: awaited, or passed to asyncio as futures.
//!
//! Each `await` has its own future, so cancelling one ends no other. For `asyncio.gather` and the like a delivery of an
//! `AsyncProducer` is a future of the running loop, so a thousand of them need no tasks.

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Poll, Wake};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::once::Once;
use crate::python::aio::loop_waker::{loop_here, running_loop, LoopCallback, LoopWaker};
use crate::python::aio::operation::Operation;
use crate::python::aio::timer::within;
use crate::python::producer::delivery::{Delivery, DeliveryCallback, RecordMetadata, SharedDelivery};
use crate::python::producer::delivery_batch::DeliveryBatch;

use super::wakers::BatchWaiter;
use super::{flush_early, ProducerCore};

/// A callback that is to be called on a loop.
pub struct DoneCallback {
    loop_waker: Arc<LoopWaker>,
    delivery: Py<Delivery>,
    function: Py<PyAny>,
    /// None for code that reads no context variable.
    context: Option<Py<PyAny>>,
    scheduled: AtomicBool,
}

impl Wake for DoneCallback {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.scheduled.swap(true, Ordering::AcqRel) {
            self.loop_waker.call_soon(self.clone());
        }
    }
}

fn on_loop(callback: &DeliveryCallback) -> Option<Arc<DoneCallback>> {
    match callback {
        DeliveryCallback::OnLoop(call) => Some(call.clone()),
        _ => None,
    }
}

impl LoopCallback for DoneCallback {
    fn run(&self, py: Python<'_>) -> PyResult<()> {
        match &self.context {
            Some(context) => context.call_method1(py, intern!(py, "run"), (&self.function, &self.delivery))?,
            None => self.function.call1(py, (&self.delivery,))?,
        };
        Ok(())
    }
}

thread_local! {
    /// The address of the delivery whose `get_loop` this thread called last, and the waker of the running loop.
    static LAST_GET_LOOP: Cell<(usize, Weak<LoopWaker>)> = const { Cell::new((0, Weak::new())) };
}

/// `asyncio.gather` calls a future's `get_loop` right before it adds its callback. Asking asyncio a second time would
/// cost a system call, 0.15 us (`getpid`, up to 3.11).
fn waker_of_get_loop(delivery: &Bound<'_, Delivery>) -> Option<Arc<LoopWaker>> {
    let (address, waker) = LAST_GET_LOOP.take();
    waker.upgrade().filter(|_| address == delivery.as_ptr() as usize)
}

/// Whether `code` is the callback of `asyncio.gather`, which only counts and sets a result, so it needs no context. A
/// context for each of a thousand messages costs more than the rest of their wait: 0.3 us to copy, enter and
/// garbage-collect.
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

/// A wait on the loop's thread would block the whole program, so it raises asyncio's InvalidStateError.
pub fn refuse_on_loop(py: Python<'_>, core: &ProducerCore, what: &str) -> PyResult<()> {
    if core.aio.asynchronous && loop_here(py)?.is_some() {
        let class = py.import("asyncio")?.getattr("InvalidStateError")?;
        let text = format!("{what} is not complete: await it");
        return Err(PyErr::from_value(class.call1((text,))?));
    }
    Ok(())
}

/// Waits until a message is delivered or has failed.
pub async fn done(core: &Arc<ProducerCore>, state: &SharedDelivery) -> PyResult<()> {
    poll_fn(|context| {
        if state.completion().is_some() || state.when_done(DeliveryCallback::Wake(context.waker().clone())).is_err() {
            return Poll::Ready(Ok(()));
        }
        flush_early(&Python::attach(LoopWaker::current)?, core);
        Poll::Pending
    })
    .await
}

/// Waits like `done`, and then returns or raises what `Delivery.result` does.
pub async fn result(delivery: Py<Delivery>, timeout: Option<f64>) -> PyResult<RecordMetadata> {
    let limit = crate::python::blocking::seconds("timeout", timeout)?;
    match within(limit, done(delivery.get().core(), &delivery.get().state)).await? {
        Some(done) => done?,
        None => return Err(delivery.get().timeout_error(timeout)),
    }
    delivery.get().outcome().unwrap_or_else(|| Err(delivery.get().timeout_error(timeout)))
}

#[pymethods]
impl Delivery {
    /// Wait until the message is acknowledged: `metadata = await delivery`.
    fn __await__(slf: &Bound<'_, Self>) -> PyResult<Operation> {
        const NAME: &str = "Delivery";
        let py = slf.py();
        if let Some(outcome) = slf.get().outcome() {
            return Ok(Operation::ready(py, NAME, outcome));
        }
        slf.get().core().usable()?;
        Ok(Operation::from_future(NAME, result(slf.clone().unbind(), None)))
    }

    /// For asyncio, to which an object with this attribute is a future. None for deliveries of a `Producer`.
    #[getter]
    fn _asyncio_future_blocking(&self) -> Option<bool> {
        self.core().aio.asynchronous.then_some(false)
    }

    /// For asyncio: the running loop.
    fn get_loop<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let running = running_loop(slf.py())?;
        LAST_GET_LOOP.set((slf.as_ptr() as usize, Arc::downgrade(&LoopWaker::for_loop(&running)?)));
        Ok(running)
    }

    /// For asyncio: end the waits by callback, such as that of `asyncio.gather`. The message stays in flight.
    #[pyo3(signature = (msg=None))]
    fn cancel(&self, msg: Option<&Bound<'_, PyAny>>) -> bool {
        let _ = msg;
        if self.state.completion().is_some() {
            return false;
        }
        let calls = self.state.pending_callbacks(on_loop);
        self.state.retain_callbacks(|callback| !matches!(callback, DeliveryCallback::OnLoop(_)));
        if calls.is_empty() {
            return false;
        }
        self.cancelled.store(true, Ordering::Relaxed);
        calls.into_iter().for_each(Wake::wake);
        true
    }

    /// For asyncio: whether `cancel` ended a wait, with no wait since.
    fn cancelled(&self) -> bool {
        self.state.completion().is_none() && self.cancelled.load(Ordering::Relaxed)
    }

    /// For asyncio: remove a callback of `add_done_callback`, and return how often it was there.
    fn remove_done_callback(&self, py: Python<'_>, callback: &Bound<'_, PyAny>) -> PyResult<usize> {
        let mut removed = 0;
        // Comparing runs Python code: not under the lock.
        for call in self.state.pending_callbacks(on_loop) {
            if call.function.bind(py).eq(callback)? && !call.scheduled.swap(true, Ordering::AcqRel) {
                removed += 1;
            }
        }
        self.state
            .retain_callbacks(|callback| on_loop(callback).is_none_or(|call| !call.scheduled.load(Ordering::Acquire)));
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
    /// Raises CancelledError after `cancel` ended a wait, until there is a new one.
    pub fn raise_cancelled(&self, py: Python<'_>) -> PyResult<()> {
        if self.cancelled() {
            return Err(asyncio(py, "CancelledError")?);
        }
        Ok(())
    }

    /// Registers `function`, with code object `code`, to be called on the loop that runs on this thread. False if it
    /// has to be called on a thread of kjson.
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
        let known = if gathered { waker_of_get_loop(slf) } else { None };
        let loop_waker = match known {
            Some(loop_waker) => loop_waker,
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
        let call =
            Arc::new(DoneCallback { loop_waker, delivery, function, context, scheduled: AtomicBool::new(false) });
        this.cancelled.store(false, Ordering::Relaxed);
        match this.state.when_done(DeliveryCallback::OnLoop(call.clone())) {
            Ok(()) => flush_early(&call.loop_waker, this.core()),
            Err(_) => call.wake(),
        }
        Ok(true)
    }
}

#[pymethods]
impl DeliveryBatch {
    /// Wait until all messages are acknowledged: `metadata = await batch`.
    fn __await__(slf: &Bound<'_, Self>) -> PyResult<Operation> {
        let this = slf.get();
        if !this.batch.done() {
            this.core().usable()?;
        }
        let batch = slf.clone().unbind();
        Ok(Operation::from_future("DeliveryBatch", async move {
            let this = batch.get();
            if !this.batch.done() {
                flush_early(&Python::attach(LoopWaker::current)?, this.core());
                BatchWaiter::new(this.core().aio.wakers.clone(), this.batch.clone()).await;
            }
            Python::attach(|py| this.metadata(py).map(Bound::<PyList>::unbind))
        }))
    }
}
