//! `AsyncProducer`: the waits of a producer on an event loop. All else is the synchronous producer's own.

mod backpressure;
mod class;
mod delivery;
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

use super::core::Core;

pub use backpressure::when_room;
pub use class::AsyncProducer;
pub use delivery::{done, refuse_on_loop, too_late, DoneCall};
pub use transaction::AsyncTransaction;
pub use wakers::Rounds;

/// What a core has for waits on event loops.
pub struct Aio {
    /// Whether an `AsyncProducer` was made, whose deliveries do not block a thread that runs a loop.
    pub asynchronous: bool,
    pub rounds: Arc<Rounds>,
    pub connection: Connection,
    /// Transactions go step by step: one that was given up on ends before the next begins.
    pub transacting: Mutex<()>,
    /// A commit went through, and nobody has learned of it.
    pub committed: AtomicBool,
    /// The loop that has it in hand to `hurry`, or `LoopWaker::NONE`.
    hurrying: AtomicU64,
    /// Messages that were sent since somebody awaited one.
    since: AtomicU32,
}

impl Aio {
    pub fn new(asynchronous: bool, rounds: Arc<Rounds>) -> Self {
        let connection = Connection::default();
        Aio {
            asynchronous,
            rounds,
            connection,
            transacting: Mutex::default(),
            committed: AtomicBool::new(false),
            hurrying: AtomicU64::new(LoopWaker::NONE),
            since: AtomicU32::new(u32::MAX / 2),
        }
    }
}

/// A program that awaits its messages in lots has the first of a lot sent while it makes the others: a message of a lot is
/// not held back for `linger_ms` only to be asked for when the lot is complete.
pub fn sent(core: &Core) {
    const LOT: u32 = 128;
    const LARGEST: u32 = 10_000;
    let since = core.aio.since.fetch_add(1, Ordering::Relaxed);
    if since % LOT == LOT - 1 && since < LARGEST {
        core.producer.hurry();
    }
}

impl Connect for Core {
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

/// Has what waits for `linger_ms` sent, when the loop is through with the tasks that are ready now: of a thousand
/// deliveries that are awaited together the first does not go alone.
pub fn hurry(port: &Arc<LoopWaker>, core: &Arc<Core>) {
    // Another loop may have stopped before it came to it.
    if core.aio.hurrying.swap(port.id, Ordering::Relaxed) == port.id {
        return;
    }
    core.aio.since.store(0, Ordering::Relaxed);
    port.call_soon(Arc::new(Push { core: core.clone() }));
}

struct Push {
    core: Arc<Core>,
}

impl LoopCallback for Push {
    fn run(&self, _py: Python<'_>) -> PyResult<()> {
        self.core.aio.hurrying.store(LoopWaker::NONE, Ordering::Relaxed);
        self.core.producer.hurry();
        Ok(())
    }
}

fn raised<T>(result: Result<T, kafka::Error>) -> PyResult<T> {
    Ok(result.map_err(Error::from)?)
}
