//! The waits of `AsyncConsumer` on an event loop. The rest is shared with `Consumer`.
//!
//! Messages stay in the engine's buffer until a task takes them, so a cancelled wait loses none.

mod class;
mod fetch;
mod many;
mod offsets;
mod one;
mod peek;
mod until;

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;

use crate::error::Error;
use crate::kafka::{self, Deadline};
use crate::python::aio::connection::{Connect, Connection};
use crate::python::aio::timer::within;

use super::core::ConsumerCore;

pub use class::AsyncConsumer;
use fetch::FetchThread;

/// The state of a consumer for waits on event loops.
pub struct AsyncConsumerState {
    /// Whether this is an `AsyncConsumer`.
    pub asynchronous: bool,
    pub connection: Connection,
    fetch_thread: FetchThread,
    reading: AtomicBool,
}

impl AsyncConsumerState {
    pub fn new(asynchronous: bool) -> Self {
        let connection = Connection::default();
        AsyncConsumerState {
            asynchronous,
            connection,
            fetch_thread: FetchThread::default(),
            reading: AtomicBool::new(false),
        }
    }
}

impl Connect for ConsumerCore {
    fn connection(&self) -> &Connection {
        &self.aio.connection
    }

    fn connect(&self, alone: &(dyn Fn() -> bool + Sync)) -> Result<(), kafka::Error> {
        match self.begin(&|| alone() || self.consumer.closing()) {
            Err(kafka::Error::Interrupted) => Err(kafka::Error::Closed { operation: "connect", object: "consumer" }),
            result => result,
        }
    }
}

/// Reading is for one task at a time: with two, asking for the next message would not mean that the last one is
/// processed.
struct ReaderGuard(Arc<ConsumerCore>);

impl ReaderGuard {
    /// None while a group callback runs. Refused in a task of that callback, since the callback would wait for itself.
    fn try_take(core: &Arc<ConsumerCore>) -> PyResult<Option<Self>> {
        refuse_in_own_hook(core, "read")?;
        if core.consumer.in_hook() {
            return Ok(None);
        }
        Self::of(core).map(Some)
    }

    /// Waits until no group callback runs; one may outlive the cancelled read or commit it belongs to. None if the
    /// deadline passes first.
    async fn take(core: &Arc<ConsumerCore>, deadline: Deadline) -> PyResult<Option<Self>> {
        refuse_in_own_hook(core, "read")?;
        let turn = Self::of(core)?;
        Ok(no_hook(core, "read", deadline).await?.then_some(turn))
    }

    fn of(core: &Arc<ConsumerCore>) -> PyResult<Self> {
        if core.aio.reading.swap(true, Ordering::AcqRel) {
            let message =
                "cannot read: another task is reading from this consumer. Give each task a consumer of its own";
            return Err(Error::from(kafka::Error::Misuse(message.to_owned())).into());
        }
        Ok(ReaderGuard(core.clone()))
    }
}

fn refuse_in_own_hook(core: &ConsumerCore, operation: &str) -> PyResult<()> {
    if core.consumer.in_hook() && core.group.is_own_event()? {
        raised(core.consumer.refuse_in_hook(operation))?;
    }
    Ok(())
}

/// Waits until no group callback runs; false if the deadline passes first.
async fn no_hook(core: &ConsumerCore, operation: &str, deadline: Deadline) -> PyResult<bool> {
    const STEP: Duration = Duration::from_millis(5);
    while core.consumer.in_hook() {
        refuse_in_own_hook(core, operation)?;
        if deadline.passed() {
            return Ok(false);
        }
        let _: Option<()> = within(Some(deadline.step(STEP)), pending()).await?;
    }
    Ok(true)
}

impl Drop for ReaderGuard {
    fn drop(&mut self) {
        self.0.aio.reading.store(false, Ordering::Release);
    }
}

fn raised<T>(result: Result<T, kafka::Error>) -> PyResult<T> {
    Ok(result.map_err(Error::from)?)
}
