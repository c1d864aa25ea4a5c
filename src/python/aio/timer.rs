//! Timeouts for waits on an event loop.

use std::future::{poll_fn, Future};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use pyo3::intern;
use pyo3::prelude::*;

use super::loop_waker::running_loop;

/// Wakes the waiting task at a point in time; never, if there is none.
pub struct Timer {
    deadline: Option<Instant>,
    handle: Option<Py<PyAny>>,
}

impl Timer {
    pub fn after(timeout: Option<Duration>) -> Self {
        Timer { deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)), handle: None }
    }

    /// Whether the time has passed; if not, the task is woken when it has.
    pub fn passed(&mut self, context: &Context<'_>) -> PyResult<bool> {
        let Some(deadline) = self.deadline else { return Ok(false) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(true);
        }
        if self.handle.is_none() {
            self.handle = Some(Python::attach(|py| {
                let wake = WakeCallback { waker: context.waker().clone() };
                // Loops round to milliseconds or finer, and a timer that fires early would have to be set again.
                let seconds = left.as_secs_f64().min(1e9) + 0.001;
                Ok::<_, PyErr>(running_loop(py)?.call_method1(intern!(py, "call_later"), (seconds, wake))?.unbind())
            })?);
        }
        Ok(false)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            Python::try_attach(|py| handle.call_method0(py, intern!(py, "cancel")).map(|_| ()));
        }
    }
}

/// Waits for `work`; returns None if the timeout passes first.
pub async fn within<T>(timeout: Option<Duration>, work: impl Future<Output = T>) -> PyResult<Option<T>> {
    let mut timer = Timer::after(timeout);
    let mut work = pin!(work);
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Ok(Some(value))),
        Poll::Pending => match timer.passed(context) {
            Ok(false) => Poll::Pending,
            Ok(true) => Poll::Ready(Ok(None)),
            Err(error) => Poll::Ready(Err(error)),
        },
    })
    .await
}

#[pyclass(module = "kjson", frozen)]
struct WakeCallback {
    waker: Waker,
}

#[pymethods]
impl WakeCallback {
    fn __call__(&self) {
        self.waker.wake_by_ref();
    }
}
