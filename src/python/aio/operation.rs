//! `Operation`: what an asynchronous method returns. To Python it is a coroutine; inside is a Rust future or a ready
//! value.

use std::any::TypeId;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};

use pyo3::exceptions::{PyBaseException, PyRuntimeError, PyRuntimeWarning, PyStopIteration};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple, PyType};
use pyo3::{intern, IntoPyObjectExt};

use super::fairness;
use super::loop_waker::{running_loop, LoopCallback, LoopWaker};
use crate::python::message::generic_alias;

pub type OperationFuture = Pin<Box<dyn Future<Output = PyResult<Py<PyAny>>> + Send>>;

/// An operation that may finish at once, and becomes a future only if it has to wait.
pub trait FastPath: Send {
    /// None if it has to wait.
    fn try_now(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>>;
    fn into_future(self: Box<Self>) -> OperationFuture;
}

enum Stage {
    Ready(PyResult<Py<PyAny>>),
    FastPath(Box<dyn FastPath>),
    Future(OperationFuture, Option<Arc<TaskWaker>>),
    Done,
}

/// The awaitable that an asynchronous method returns. Await it, or make it a task; once.
#[pyclass(module = "kjson", frozen)]
pub struct Operation {
    name: &'static str,
    stage: Mutex<Stage>,
    started: AtomicBool,
}

impl Operation {
    /// An operation that is done. Awaiting it does not yield to the loop, unless the task has used its time slice.
    pub fn ready<T>(py: Python<'_>, name: &'static str, result: PyResult<T>) -> Self
    where
        T: for<'py> IntoPyObject<'py> + 'static,
    {
        let result = result.and_then(|value| returned(py, value));
        Operation { name, stage: Mutex::new(Stage::Ready(result)), started: AtomicBool::new(false) }
    }

    /// An operation that starts when it is awaited. Cancelling it drops `future`.
    pub fn from_future<T, F>(name: &'static str, future: F) -> Self
    where
        T: for<'py> IntoPyObject<'py> + 'static,
        F: Future<Output = PyResult<T>> + Send + 'static,
    {
        let future = async { future.await.and_then(|value| Python::attach(|py| returned(py, value))) };
        Operation { name, stage: Mutex::new(Stage::Future(Box::pin(future), None)), started: AtomicBool::new(false) }
    }

    /// An operation that takes its fast path, if there is one, when it is awaited.
    pub fn from_fast_path(name: &'static str, operation: impl FastPath + 'static) -> Self {
        Operation { name, stage: Mutex::new(Stage::FastPath(Box::new(operation))), started: AtomicBool::new(false) }
    }

    fn stage(&self) -> PyResult<MutexGuard<'_, Stage>> {
        match self.stage.try_lock() {
            Ok(stage) => Ok(stage),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                Err(PyRuntimeError::new_err(format!("{} is being awaited already", self.name)))
            }
        }
    }

    fn step(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let mut stage = self.stage()?;
        // Yields before a message is taken, which a cancelled task would lose.
        if !self.started.swap(true, Ordering::Relaxed) && fairness::must_yield() {
            return Ok(Some(py.None()));
        }
        let result = self.poll(py, &mut stage);
        let result = match result {
            Poll::Ready(result) => result,
            Poll::Pending if fairness::take_yield_request() => {
                fairness::yielded();
                return Ok(Some(py.None()));
            }
            Poll::Pending => {
                fairness::yielded();
                return match &*stage {
                    Stage::Future(_, Some(waker)) => waker.future(py).map(Some),
                    _ => Ok(Some(py.None())),
                };
            }
        };
        *stage = Stage::Done;
        drop(stage);
        match result {
            // A coroutine returns by raising StopIteration(value). A value that cannot be taken for several arguments
            // is passed as it is, which saves interpreters before 3.12 an exception object.
            Ok(value) if plain(value.bind(py)) => Err(PyStopIteration::new_err(value)),
            Ok(value) => Err(PyStopIteration::new_err((value,))),
            Err(error) if error.is_instance_of::<PyStopIteration>(py) => {
                let raised = PyRuntimeError::new_err(format!("{}: StopIteration was raised", self.name));
                raised.set_cause(py, Some(error));
                Err(raised)
            }
            Err(error) => Err(error),
        }
    }

    fn poll(&self, py: Python<'_>, stage: &mut Stage) -> Poll<PyResult<Py<PyAny>>> {
        if let Stage::FastPath(operation) = stage {
            match operation.try_now(py) {
                Ok(None) => {}
                Ok(Some(value)) => return Poll::Ready(Ok(value)),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        match stage {
            Stage::Future(future, waker) => {
                let waker = match waker {
                    Some(waker) => waker,
                    None => waker.insert(Arc::new(TaskWaker::new(py)?)),
                };
                waker.woken.store(false, Ordering::Release);
                future.as_mut().poll(&mut Context::from_waker(&Waker::from(waker.clone())))
            }
            Stage::Done => Poll::Ready(Err(PyRuntimeError::new_err(format!(
                "{} was awaited already: it can be awaited once",
                self.name
            )))),
            other => match std::mem::replace(other, Stage::Done) {
                Stage::Ready(result) => Poll::Ready(result),
                Stage::FastPath(operation) => {
                    *other = Stage::Future(operation.into_future(), None);
                    self.poll(py, other)
                }
                _ => Poll::Pending,
            },
        }
    }
}

fn plain(value: &Bound<'_, PyAny>) -> bool {
    !value.is_instance_of::<PyTuple>() && !value.is_instance_of::<PyBaseException>()
}

/// Converts `()` to None, which PyO3 would convert to an empty tuple here.
fn returned<T>(py: Python<'_>, value: T) -> PyResult<Py<PyAny>>
where
    T: for<'py> IntoPyObject<'py> + 'static,
{
    if TypeId::of::<T>() == TypeId::of::<()>() {
        return Ok(py.None());
    }
    value.into_py_any(py)
}

#[pymethods]
impl Operation {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.step(py)
    }

    /// Part of the coroutine protocol, for event loops.
    #[pyo3(signature = (_value, /))]
    fn send(&self, py: Python<'_>, _value: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
        self.step(py)
    }

    /// Part of the coroutine protocol: cancels the wait.
    #[pyo3(signature = (kind, value=None, _traceback=None))]
    fn throw(
        &self,
        kind: &Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Py<PyAny>>> {
        self.close()?;
        let raised = match (value, kind.cast::<PyType>()) {
            (Some(value), _) => value,
            (None, Ok(class)) => class.call0()?,
            (None, Err(_)) => kind.clone(),
        };
        Err(PyErr::from_value(raised))
    }

    /// Part of the coroutine protocol: cancels the wait.
    fn close(&self) -> PyResult<()> {
        let stage = std::mem::replace(&mut *self.stage()?, Stage::Done);
        self.started.store(true, Ordering::Relaxed);
        drop(stage);
        Ok(())
    }

    #[getter]
    fn __name__<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        PyString::new(py, self.name)
    }

    #[getter]
    fn __qualname__<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        PyString::new(py, self.name)
    }

    #[classmethod]
    fn __class_getitem__<'py>(class: &Bound<'py, PyType>, item: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        generic_alias(class, item)
    }

    fn __repr__(&self) -> String {
        format!("<kjson operation {}>", self.name)
    }
}

impl Drop for Operation {
    /// Warns of a forgotten `await`, as a coroutine does.
    fn drop(&mut self) {
        if *self.started.get_mut() {
            return;
        }
        Python::try_attach(|py| {
            let text = format!("{} was never awaited", self.name);
            let warned = std::ffi::CString::new(text)
                .map_err(PyErr::from)
                .and_then(|text| PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &text, 1));
            if let Err(error) = warned {
                error.write_unraisable(py, None);
            }
        });
    }
}

/// Wakes a waiting task through its event loop.
struct TaskWaker {
    event_loop: Arc<LoopWaker>,
    woken: AtomicBool,
    /// The future that the task waits for. Used on the loop's thread only.
    future: Mutex<Option<Py<PyAny>>>,
}

impl TaskWaker {
    fn new(py: Python<'_>) -> PyResult<Self> {
        let event_loop = LoopWaker::current(py)?;
        Ok(TaskWaker { event_loop, woken: AtomicBool::new(false), future: Mutex::default() })
    }

    fn future(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let future = running_loop(py)?.call_method0(intern!(py, "create_future"))?;
        // As `Future.__await__` does; a task refuses a future that is yielded without this flag.
        future.setattr(intern!(py, "_asyncio_future_blocking"), true)?;
        let future = future.unbind();
        let previous = self.future.lock().unwrap_or_else(PoisonError::into_inner).replace(future.clone_ref(py));
        drop(previous);
        Ok(future)
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.event_loop.clone().call_soon(self);
        }
    }
}

impl LoopCallback for TaskWaker {
    fn run(&self, py: Python<'_>) -> PyResult<()> {
        let future = self.future.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(future) = future {
            // It is done if the task was cancelled meanwhile.
            if !future.call_method0(py, intern!(py, "done"))?.is_truthy(py)? {
                future.call_method1(py, intern!(py, "set_result"), (py.None(),))?;
            }
        }
        Ok(())
    }
}
