//! `AsyncConsumer`: the waits of a consumer on an event loop. All else is the synchronous consumer's own.
//!
//! Messages stay in the engine's buffer until a task has them, so a wait that is cancelled loses none.

mod class;
mod fetch;
mod many;
mod offsets;
mod one;
mod peek;
mod until;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use pyo3::prelude::*;

use crate::bindings::aio::connection::{Connection, Connects};
use crate::error::Error;
use crate::kafka;

use super::core::Core;

pub use class::AsyncConsumer;
use fetch::Fetcher;

/// What a core has for waits on event loops.
pub struct Aio {
    /// Whether an `AsyncConsumer` was made.
    pub asynchronous: bool,
    pub connection: Connection,
    fetcher: Fetcher,
    reading: AtomicBool,
}

impl Aio {
    pub fn new(asynchronous: bool) -> Self {
        let connection = Connection::default();
        Aio { asynchronous, connection, fetcher: Fetcher::default(), reading: AtomicBool::new(false) }
    }
}

impl Connects for Core {
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

/// Reading is for one task at a time: "done when the next one is asked for" has no sense for two.
struct Turn(Arc<Core>);

impl Turn {
    fn take(core: &Arc<Core>) -> PyResult<Self> {
        raised(core.consumer.refuse_in_hook("read"))?;
        if core.aio.reading.swap(true, Ordering::AcqRel) {
            let message =
                "cannot read: another task is reading from this consumer. Give each task a consumer of its own";
            return Err(Error::from(kafka::Error::Misuse(message.to_owned())).into());
        }
        Ok(Turn(core.clone()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.aio.reading.store(false, Ordering::Release);
    }
}

fn raised<T>(result: Result<T, kafka::Error>) -> PyResult<T> {
    Ok(result.map_err(Error::from)?)
}
