//! `until_end` and `values`: other things to iterate over.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use pyo3::prelude::*;

use crate::kafka::{Deadline, Fetched, UntilEnd};
use crate::python::aio::operation::Operation;

use super::fetch::{fetch, job};
use super::one::{Kind, Next, Source, Topics};
use super::AsyncConsumer;

/// The messages up to the ends of the partitions, which are found out when the first is asked for.
#[derive(Clone)]
pub struct Bounded {
    consumer: Arc<Py<AsyncConsumer>>,
    until: Arc<Mutex<Option<UntilEnd>>>,
    patience: Duration,
}

impl Bounded {
    pub fn new(consumer: Arc<Py<AsyncConsumer>>, patience: Duration) -> Self {
        Bounded { consumer, until: Arc::default(), patience }
    }
}

impl Source for Bounded {
    fn consumer(&self) -> &Py<AsyncConsumer> {
        &self.consumer
    }

    fn take(&self) -> PyResult<Option<Fetched>> {
        // The fetching thread has it as long as its job, which may be one whose wait was cancelled and which waits for a
        // callback on this loop.
        let until = match self.until.try_lock() {
            Ok(until) => until,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(None),
        };
        let engine = &self.consumer.get().core()?.consumer;
        Ok(until.as_ref().and_then(|until| engine.try_next_until(until)))
    }

    async fn wait(&self, _deadline: Deadline) -> PyResult<bool> {
        let work = || {
            let (until, patience) = (self.until.clone(), self.patience);
            job(move |engine, interrupt| {
                let mut until = until.lock().unwrap_or_else(PoisonError::into_inner);
                let known = match until.take() {
                    Some(known) => known,
                    None => engine.until_end(patience, interrupt)?,
                };
                engine.ready_until(until.insert(known), interrupt)
            })
        };
        fetch(&self.consumer, work).await
    }
}

/// What `AsyncConsumer.until_end` returns.
#[pyclass(module = "kjson", frozen, name = "_AsyncMessagesUntilEnd")]
pub struct AsyncMessagesUntilEnd {
    source: Bounded,
}

impl AsyncMessagesUntilEnd {
    pub fn new(consumer: Py<AsyncConsumer>, patience: Duration) -> Self {
        AsyncMessagesUntilEnd { source: Bounded::new(Arc::new(consumer), patience) }
    }
}

#[pymethods]
impl AsyncMessagesUntilEnd {
    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(&self) -> Operation {
        Operation::from_fast_path("AsyncConsumer.until_end", Next::new(self.source.clone(), Kind::Iterated, None))
    }
}

/// What `AsyncConsumer.values` returns.
#[pyclass(module = "kjson", frozen, name = "_AsyncValues")]
pub struct AsyncValues {
    source: Topics,
}

impl AsyncValues {
    pub fn new(consumer: Py<AsyncConsumer>) -> Self {
        AsyncValues { source: Topics(Arc::new(consumer)) }
    }
}

#[pymethods]
impl AsyncValues {
    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(&self) -> PyResult<Operation> {
        let idle = self.source.consumer().get().core()?.idle;
        Ok(Operation::from_fast_path("AsyncConsumer.values", Next::new(self.source.clone(), Kind::Value, idle)))
    }
}
