//! Blocking calls: without the GIL, and interruptible by Ctrl-C.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;

use crate::error::Error;
use crate::kafka::{self, Deadline, Interrupt};

/// Runs `work` without the GIL. Its interrupt callback runs pending signal handlers; an exception of one ends the wait
/// and is raised from here.
pub fn detached<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(Interrupt<'_>) -> Result<T, kafka::Error> + Send,
) -> Result<T, Error> {
    let raised: Mutex<Option<PyErr>> = Mutex::new(None);
    let result = py.detach(|| {
        work(&|| {
            // `attach` is safe: this thread belongs to Python, and the interpreter cannot finalize while its caller
            // waits here.
            Python::attach(|py| match py.check_signals() {
                Ok(()) => false,
                Err(error) => {
                    let previous = raised.lock().unwrap_or_else(PoisonError::into_inner).replace(error);
                    drop(previous);
                    true
                }
            })
        })
    });
    match raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(Error::Python(error)),
        None => Ok(result?),
    }
}

/// Converts a timeout in seconds: `None` and infinity wait for ever.
pub fn seconds(name: &str, timeout: Option<f64>) -> PyResult<Option<Duration>> {
    duration(name, timeout, 1.0, "seconds")
}

pub fn milliseconds(name: &str, timeout: Option<f64>) -> PyResult<Option<Duration>> {
    duration(name, timeout, 1000.0, "milliseconds")
}

fn duration(name: &str, timeout: Option<f64>, per_second: f64, unit: &str) -> PyResult<Option<Duration>> {
    let Some(timeout) = timeout.filter(|timeout| *timeout != f64::INFINITY) else { return Ok(None) };
    Duration::try_from_secs_f64(timeout / per_second).map(Some).map_err(|_| {
        let message = format!("{name} must be a number of {unit} from 0 up, or None; got {timeout}");
        Error::Config { message, option: name.to_owned() }.into()
    })
}

pub fn deadline(timeout: Option<f64>) -> PyResult<Deadline> {
    Ok(Deadline::after(seconds("timeout", timeout)?))
}
