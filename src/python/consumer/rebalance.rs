//! `on_assign`, `on_revoke`, `on_lost` and `on_commit`: called during a read, on the thread that reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{channel, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyList};

use crate::error::Error;
use crate::kafka::{self, Code, ConsumerHooks, GroupEvent, LogRecord, LogSink, Partition};
use crate::once::Once;
use crate::python::aio::loop_waker::{LoopCallback, LoopWaker};
use crate::python::client_callbacks::ClientCallbacks;
use crate::python::partitions::TopicPartition;

#[derive(Default)]
pub struct GroupCallbacks {
    pub on_assign: Option<Py<PyAny>>,
    pub on_revoke: Option<Py<PyAny>>,
    pub on_lost: Option<Py<PyAny>>,
    pub on_commit: Option<Py<PyAny>>,
    /// The calls that may run callbacks now, the latest last: calls on several threads may overlap.
    pub contexts: Mutex<Vec<(u64, CallbackContext)>>,
    /// The exception of a callback, to be raised by the read.
    pub raised: Mutex<Option<PyErr>>,
    /// The number of the event that an event loop handles now, or 0.
    pub event: AtomicU64,
}

/// The consumer object that callbacks receive, and the event loop to run them on, if any.
pub struct CallbackContext {
    pub consumer: Py<PyAny>,
    pub event_loop: Option<Arc<LoopWaker>>,
}

impl GroupCallbacks {
    pub fn any(&self) -> bool {
        self.on_assign.is_some() || self.on_revoke.is_some() || self.on_lost.is_some() || self.on_commit.is_some()
    }

    pub fn take_raised(&self) -> Option<PyErr> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Runs `work`, which may run callbacks in this context. Without one, no callback is called.
    pub fn run_with<T>(&self, context: Option<CallbackContext>, work: impl FnOnce() -> T) -> T {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let Some(context) = context else { return work() };
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        self.contexts().push((number, context));
        let result = work();
        let mut contexts = self.contexts();
        let index = contexts.iter().position(|(other, _)| *other == number);
        let over = index.map(|index| contexts.remove(index));
        // Dropped after the lock is released: a finalizer may run Python code.
        drop(contexts);
        drop(over);
        result
    }

    /// Calls no callback any more.
    pub fn end_callbacks(&self) {
        let over = std::mem::take(&mut *self.contexts());
        drop(over);
    }

    fn contexts(&self) -> MutexGuard<'_, Vec<(u64, CallbackContext)>> {
        self.contexts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event_loop(&self) -> Option<Arc<LoopWaker>> {
        self.contexts().last().and_then(|(_, context)| context.event_loop.clone())
    }

    /// Returns the callback's result, which may be a coroutine for an event loop to await.
    fn call(&self, py: Python<'_>, event: GroupEvent) -> PyResult<Option<Py<PyAny>>> {
        let (callback, partitions) = match event {
            GroupEvent::Assigned(partitions) => (&self.on_assign, partitions),
            GroupEvent::Revoked(partitions) => (&self.on_revoke, partitions),
            // As in the Java client: without `on_lost`, `on_revoke` is called for lost partitions, too.
            GroupEvent::Lost(partitions) if self.on_lost.is_none() => (&self.on_revoke, partitions),
            GroupEvent::Lost(partitions) => (&self.on_lost, partitions),
            GroupEvent::Committed { result, offsets } => {
                let Some(callback) = &self.on_commit else { return Ok(None) };
                let error = result.err().map(|error| PyErr::from(Error::from(error)).into_value(py));
                let offsets = offsets.iter().map(|(partition, offset)| TopicPartition::new(partition, Some(*offset)));
                return callback.call1(py, (error, PyList::new(py, offsets.collect::<Vec<_>>())?)).map(Some);
            }
        };
        let consumer = self.contexts().last().map(|(_, context)| context.consumer.clone_ref(py));
        let (Some(callback), Some(consumer)) = (callback, consumer) else { return Ok(None) };
        callback.call1(py, (consumer, list_of(py, &partitions)?)).map(Some)
    }

    fn raise(&self, error: PyErr) -> Result<(), kafka::Error> {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        // The first exception is raised. A later one is dropped after the lock is released: a finalizer may run Python
        // code.
        let later = if raised.is_none() { raised.replace(error) } else { Some(error) };
        drop(raised);
        drop(later);
        Err(kafka::Error::Interrupted)
    }

    /// Runs the callback on the event loop, awaits its result there, and blocks this thread until it is done.
    fn call_on_loop(self: &Arc<Self>, event_loop: &Arc<LoopWaker>, event: GroupEvent) -> Result<(), kafka::Error> {
        const STEP: Duration = Duration::from_millis(50);
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = channel();
        let loop_event = LoopEvent { group: self.clone(), number, event: Mutex::new(Some((event, sender))) };
        let before = self.event.swap(number, Ordering::AcqRel);
        event_loop.call_soon(Arc::new(loop_event));
        let result = loop {
            match receiver.recv_timeout(STEP) {
                Ok(result) => break result,
                // The interpreter finalizes, and the loop has stopped.
                Err(RecvTimeoutError::Timeout) if self.event_loop().is_none() => break Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break Ok(()),
            }
        };
        self.event.store(before, Ordering::Release);
        result.or_else(|error| self.raise(error))
    }

    /// Whether the caller is the callback that runs on the event loop now, or a task of it, which inherits its context.
    pub fn is_own_event(&self) -> PyResult<bool> {
        let number = self.event.load(Ordering::Acquire);
        Ok(number != 0 && Python::attach(|py| event_here(py)?.call_method0("get")?.extract::<u64>())? == number)
    }
}

/// The context variable with the number of the event that the callback handles.
fn event_here(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static VARIABLE: Once<Py<PyAny>> = Once::new();
    let variable = VARIABLE.get_or_try_init(py, || {
        let options = [("default", 0)].into_py_dict(py)?;
        let class = py.import("contextvars")?.getattr("ContextVar")?;
        Ok(class.call(("kjson_group_event",), Some(&options))?.unbind())
    })?;
    Ok(variable.bind(py))
}

type ResultSender = Sender<PyResult<()>>;

/// An event that is queued on the event loop.
struct LoopEvent {
    group: Arc<GroupCallbacks>,
    number: u64,
    event: Mutex<Option<(GroupEvent, ResultSender)>>,
}

impl LoopCallback for LoopEvent {
    fn run(&self, py: Python<'_>) -> PyResult<()> {
        let event = self.event.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((event, sender)) = event else { return Ok(()) };
        let begin = || -> PyResult<Option<Bound<'_, PyAny>>> {
            let Some(returned) = self.group.call(py, event)? else { return Ok(None) };
            if !py.import("inspect")?.call_method1("isawaitable", (&returned,))?.is_truthy()? {
                return Ok(None);
            }
            py.import("asyncio")?.call_method1("ensure_future", (returned,)).map(Some)
        };
        let variable = event_here(py)?;
        let token = variable.call_method1("set", (self.number,))?;
        let begun = begin();
        variable.call_method1("reset", (token,))?;
        match begun {
            Ok(Some(task)) => {
                let ended = TaskDone { sender: sender.clone() };
                if let Err(error) = task.call_method1("add_done_callback", (ended,)) {
                    let _ = sender.send(Err(error));
                }
            }
            Ok(None) => drop(sender.send(Ok(()))),
            Err(error) => drop(sender.send(Err(error))),
        }
        Ok(())
    }
}

/// The done callback of a callback's task.
#[pyclass(module = "kjson", frozen)]
struct TaskDone {
    sender: ResultSender,
}

#[pymethods]
impl TaskDone {
    fn __call__(&self, task: &Bound<'_, PyAny>) {
        let _ = self.sender.send(task.call_method0("result").map(|_| ()));
    }
}

pub fn list_of<'py>(py: Python<'py>, partitions: &[Partition]) -> PyResult<Bound<'py, PyList>> {
    let mut partitions: Vec<_> = partitions.iter().map(|partition| TopicPartition::new(partition, None)).collect();
    partitions.sort();
    PyList::new(py, partitions)
}

/// The engine of both consumer classes.
pub type KafkaConsumer = kafka::Consumer<ConsumerEvents>;

/// Receives the events of a consumer's engine.
pub struct ConsumerEvents {
    pub events: ClientCallbacks,
    pub group: Arc<GroupCallbacks>,
}

impl LogSink for ConsumerEvents {
    fn log(&self, record: LogRecord) {
        self.events.log(record);
    }
}

impl ConsumerHooks for ConsumerEvents {
    fn error(&self, code: Code, reason: &str) {
        self.events.error(code, reason);
    }

    fn statistics(&self, json: &str) {
        self.events.statistics(json);
    }

    fn wants_commits(&self) -> bool {
        self.group.on_commit.is_some()
    }

    fn group_event(&self, event: GroupEvent) -> Result<(), kafka::Error> {
        if !self.group.any() {
            return Ok(());
        }
        if let Some(event_loop) = self.group.event_loop() {
            return self.group.call_on_loop(&event_loop, event);
        }
        // None if the interpreter finalizes: no callback can run.
        match kafka::with_signals(|| Python::try_attach(|py| self.group.call(py, event))) {
            Some(Err(error)) => self.group.raise(error),
            _ => Ok(()),
        }
    }
}
