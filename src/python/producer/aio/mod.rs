//! `AsyncProducer`: a producer's waits on an event loop. All else it shares with `Producer`.

mod backpressure;
mod class;
mod delivery;
mod send;
mod send_many;
mod transaction;
mod wakers;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use pyo3::prelude::*;

use crate::error::Error;
use crate::kafka;
use crate::python::aio::connection::{Connect, Connection};
use crate::python::aio::loop_waker::{LoopCallback, LoopWaker};

use super::core::ProducerCore;

pub use backpressure::when_space;
pub use class::AsyncProducer;
pub use delivery::{done, refuse_on_loop, DoneCallback};
pub use transaction::AsyncTransaction;
pub use wakers::Wakers;

/// What a `ProducerCore` has for waits on event loops.
pub struct ProducerAio {
    /// Of an `AsyncProducer`, whose deliveries refuse to block a thread that runs a loop.
    pub asynchronous: bool,
    pub wakers: Arc<Wakers>,
    pub connection: Connection,
    /// One step of a transaction at a time: a step whose wait was cancelled ends before the next begins.
    pub transacting: Mutex<()>,
    /// A commit succeeded after its wait was cancelled.
    pub committed: AtomicBool,
    /// The loop on which an `EarlyFlushCall` is pending, or `LoopWaker::NONE`.
    flushing_loop: AtomicU64,
    /// Messages sent since a delivery was last awaited.
    sent_since: AtomicU32,
}

impl ProducerAio {
    pub fn new(asynchronous: bool, wakers: Arc<Wakers>) -> Self {
        let connection = Connection::default();
        ProducerAio {
            asynchronous,
            wakers,
            connection,
            transacting: Mutex::default(),
            committed: AtomicBool::new(false),
            flushing_loop: AtomicU64::new(LoopWaker::NONE),
            sent_since: AtomicU32::new(u32::MAX / 2),
        }
    }
}

/// Flushes early every 128 messages for a program that sends many and then awaits them together. Otherwise `linger_ms`
/// would delay the first ones until the program awaits them.
pub fn note_sent(core: &ProducerCore) {
    const EVERY: u32 = 128;
    const AT_MOST: u32 = 10_000;
    let since = core.aio.sent_since.fetch_add(1, Ordering::Relaxed);
    if since % EVERY == EVERY - 1 && since < AT_MOST {
        core.producer.flush_early();
    }
}

impl Connect for ProducerCore {
    fn connection(&self) -> &Connection {
        &self.aio.connection
    }

    fn connect(&self, alone: &(dyn Fn() -> bool + Sync)) -> Result<(), kafka::Error> {
        match self.producer.connect(&|| alone() || self.producer.closing()) {
            Err(kafka::Error::Interrupted) => Err(kafka::Error::Closed { operation: "connect", object: "producer" }),
            result => result,
        }
    }
}

/// Flushes after the tasks that are ready now have run, so that `linger_ms` does not delay what they await: of a
/// thousand deliveries that are awaited together, the first is not sent alone.
pub fn flush_early(loop_waker: &Arc<LoopWaker>, core: &Arc<ProducerCore>) {
    // The call may be pending on another loop, which may have stopped before running it.
    if core.aio.flushing_loop.swap(loop_waker.id, Ordering::Relaxed) == loop_waker.id {
        return;
    }
    core.aio.sent_since.store(0, Ordering::Relaxed);
    loop_waker.call_soon(Arc::new(EarlyFlushCall { core: core.clone() }));
}

struct EarlyFlushCall {
    core: Arc<ProducerCore>,
}

impl LoopCallback for EarlyFlushCall {
    fn run(&self, _py: Python<'_>) -> PyResult<()> {
        self.core.aio.flushing_loop.store(LoopWaker::NONE, Ordering::Relaxed);
        self.core.producer.flush_early();
        Ok(())
    }
}

fn raised<T>(result: Result<T, kafka::Error>) -> PyResult<T> {
    Ok(result.map_err(Error::from)?)
}
