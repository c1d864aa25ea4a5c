//! `Operation`: what an asynchronous method returns. A coroutine to Python, a Rust future or a ready value inside.

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

pub type Work = Pin<Box<dyn Future<Output = PyResult<Py<PyAny>>> + Send>>;

/// Something that is tried on the spot, and becomes work only where it has to wait.
pub trait Attempt: Send {
    fn attempt(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>>;
    fn work(self: Box<Self>) -> Work;
}

enum State {
    Ready(PyResult<Py<PyAny>>),
    Trying(Box<dyn Attempt>),
    Working(Work, Option<Arc<Waiter>>),
    Over,
}

/// The awaitable that an asynchronous method returns. Await it, or make it a task; once.
#[pyclass(module = "kjson", frozen)]
pub struct Operation {
    name: &'static str,
    state: Mutex<State>,
    begun: AtomicBool,
}

impl Operation {
    /// One that is over already. Awaiting it costs no turn of the loop, unless that is due.
    pub fn ready<T>(py: Python<'_>, name: &'static str, result: PyResult<T>) -> Self
    where
        T: for<'py> IntoPyObject<'py> + 'static,
    {
        let result = result.and_then(|value| returned(py, value));
        Operation { name, state: Mutex::new(State::Ready(result)), begun: AtomicBool::new(false) }
    }

    /// One that begins when it is awaited, and ends where it is when it is cancelled: `work` is dropped.
    pub fn working<T, F>(name: &'static str, work: F) -> Self
    where
        T: for<'py> IntoPyObject<'py> + 'static,
        F: Future<Output = PyResult<T>> + Send + 'static,
    {
        let work = async { work.await.and_then(|value| Python::attach(|py| returned(py, value))) };
        Operation { name, state: Mutex::new(State::Working(Box::pin(work), None)), begun: AtomicBool::new(false) }
    }

    /// One that is tried when it is awaited.
    pub fn trying(name: &'static str, attempt: impl Attempt + 'static) -> Self {
        Operation { name, state: Mutex::new(State::Trying(Box::new(attempt))), begun: AtomicBool::new(false) }
    }

    fn state(&self) -> PyResult<MutexGuard<'_, State>> {
        match self.state.try_lock() {
            Ok(state) => Ok(state),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                Err(PyRuntimeError::new_err(format!("{} is being awaited already", self.name)))
            }
        }
    }

    fn step(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let mut state = self.state()?;
        // Before anything is taken that a cancelled task would lose.
        if !self.begun.swap(true, Ordering::Relaxed) && fairness::must_yield() {
            return Ok(Some(py.None()));
        }
        let result = self.result(py, &mut state);
        let result = match result {
            Poll::Ready(result) => result,
            Poll::Pending if fairness::take_yield_request() => {
                fairness::yielded();
                return Ok(Some(py.None()));
            }
            Poll::Pending => {
                fairness::yielded();
                return match &*state {
                    State::Working(_, Some(waiter)) => waiter.future(py).map(Some),
                    _ => Ok(Some(py.None())),
                };
            }
        };
        *state = State::Over;
        drop(state);
        match result {
            // StopIteration(value) is how a coroutine returns. As it is where that can be told from its arguments, which
            // spares the interpreters before 3.12 an exception object.
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

    fn result(&self, py: Python<'_>, state: &mut State) -> Poll<PyResult<Py<PyAny>>> {
        if let State::Trying(attempt) = state {
            match attempt.attempt(py) {
                Ok(None) => {}
                Ok(Some(value)) => return Poll::Ready(Ok(value)),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        match state {
            State::Working(work, waiter) => {
                let waiter = match waiter {
                    Some(waiter) => waiter,
                    None => waiter.insert(Arc::new(Waiter::new(py)?)),
                };
                waiter.woken.store(false, Ordering::Release);
                work.as_mut().poll(&mut Context::from_waker(&Waker::from(waiter.clone())))
            }
            State::Over => Poll::Ready(Err(PyRuntimeError::new_err(format!(
                "{} was awaited already: it can be awaited once",
                self.name
            )))),
            other => match std::mem::replace(other, State::Over) {
                State::Ready(result) => Poll::Ready(result),
                State::Trying(attempt) => {
                    *other = State::Working(attempt.work(), None);
                    self.result(py, other)
                }
                _ => Poll::Pending,
            },
        }
    }
}

fn plain(value: &Bound<'_, PyAny>) -> bool {
    !value.is_instance_of::<PyTuple>() && !value.is_instance_of::<PyBaseException>()
}

/// A method that returns nothing returns None; PyO3 alone would make `()` an empty tuple here.
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

    /// For event loops, as of any coroutine.
    #[pyo3(signature = (_value, /))]
    fn send(&self, py: Python<'_>, _value: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
        self.step(py)
    }

    /// For event loops, as of any coroutine: ends the wait.
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

    /// For event loops, as of any coroutine: ends the wait.
    fn close(&self) -> PyResult<()> {
        let state = std::mem::replace(&mut *self.state()?, State::Over);
        self.begun.store(true, Ordering::Relaxed);
        drop(state);
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
    /// A forgotten `await` is told of, as for every coroutine.
    fn drop(&mut self) {
        if *self.begun.get_mut() {
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

/// A task that waits: wakes it through its loop's port.
struct Waiter {
    port: Arc<LoopWaker>,
    woken: AtomicBool,
    /// What the task waits on; touched on the loop's thread only.
    future: Mutex<Option<Py<PyAny>>>,
}

impl Waiter {
    fn new(py: Python<'_>) -> PyResult<Self> {
        Ok(Waiter { port: LoopWaker::current(py)?, woken: AtomicBool::new(false), future: Mutex::default() })
    }

    fn future(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let future = running_loop(py)?.call_method0(intern!(py, "create_future"))?;
        // As `Future.__await__` does: so the task knows that it was yielded, not awaited by mistake.
        future.setattr(intern!(py, "_asyncio_future_blocking"), true)?;
        let future = future.unbind();
        let previous = self.future.lock().unwrap_or_else(PoisonError::into_inner).replace(future.clone_ref(py));
        drop(previous);
        Ok(future)
    }
}

impl Wake for Waiter {
    fn wake(self: Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.port.clone().call_soon(self);
        }
    }
}

impl LoopCallback for Waiter {
    fn run(&self, py: Python<'_>) -> PyResult<()> {
        let future = self.future.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(future) = future {
            // Cancelled meanwhile, it is done.
            if !future.call_method0(py, intern!(py, "done"))?.is_truthy(py)? {
                future.call_method1(py, intern!(py, "set_result"), (py.None(),))?;
            }
        }
        Ok(())
    }
}
