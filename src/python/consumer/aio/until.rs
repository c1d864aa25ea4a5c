//! `until_end` and `values`: other asynchronous iterators.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use pyo3::prelude::*;

use crate::kafka::{Deadline, Fetched, UntilEnd};
use crate::python::aio::operation::Operation;

use super::fetch::{fetch, fetch_fn};
use super::one::{MessageSource, NextMessage, ReturnAs, SubscribedMessages};
use super::AsyncConsumer;

/// The messages up to the end of each partition, which is asked for at the first read.
#[derive(Clone)]
pub struct BoundedMessages {
    consumer: Arc<Py<AsyncConsumer>>,
    until: Arc<Mutex<Option<UntilEnd>>>,
    timeout: Duration,
}

impl BoundedMessages {
    pub fn new(consumer: Arc<Py<AsyncConsumer>>, timeout: Duration) -> Self {
        BoundedMessages { consumer, until: Arc::default(), timeout }
    }
}

impl MessageSource for BoundedMessages {
    fn consumer(&self) -> &Py<AsyncConsumer> {
        &self.consumer
    }

    fn take(&self) -> PyResult<Option<Fetched>> {
        // Locked by the fetch thread during its job, whose wait may be cancelled while it waits for a callback on this
        // loop.
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
            let (until, timeout) = (self.until.clone(), self.timeout);
            fetch_fn(move |engine, interrupt| {
                let mut until = until.lock().unwrap_or_else(PoisonError::into_inner);
                let known = match until.take() {
                    Some(known) => known,
                    None => engine.until_end(timeout, interrupt)?,
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
    source: BoundedMessages,
}

impl AsyncMessagesUntilEnd {
    pub fn new(consumer: Py<AsyncConsumer>, timeout: Duration) -> Self {
        AsyncMessagesUntilEnd { source: BoundedMessages::new(Arc::new(consumer), timeout) }
    }
}

#[pymethods]
impl AsyncMessagesUntilEnd {
    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(&self) -> Operation {
        Operation::from_fast_path(
            "AsyncConsumer.until_end",
            NextMessage::new(self.source.clone(), ReturnAs::Message, None),
        )
    }
}

/// What `AsyncConsumer.values` returns.
#[pyclass(module = "kjson", frozen, name = "_AsyncValues")]
pub struct AsyncValues {
    source: SubscribedMessages,
}

impl AsyncValues {
    pub fn new(consumer: Py<AsyncConsumer>) -> Self {
        AsyncValues { source: SubscribedMessages(Arc::new(consumer)) }
    }
}

#[pymethods]
impl AsyncValues {
    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(&self) -> PyResult<Operation> {
        let idle_timeout = self.source.consumer().get().core()?.idle_timeout;
        Ok(Operation::from_fast_path(
            "AsyncConsumer.values",
            NextMessage::new(self.source.clone(), ReturnAs::Value, idle_timeout),
        ))
    }
}
