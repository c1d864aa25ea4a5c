//! `AsyncProducer.send_many`: chunk by chunk, with the loop's turn in between.

use std::sync::Arc;
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::PyIterator;

use crate::kafka::Batch;
use crate::python::aio::connection::connect;
use crate::python::aio::fairness;
use crate::python::producer::send_many::Sender;

use super::backpressure::when_room;
use super::raised;

/// Sends all that the iterator has. Dropped before its end, what was handed over stays sent.
pub async fn send_all(mut sender: Sender, items: Py<PyIterator>, key: Option<Py<PyAny>>) -> PyResult<Arc<Batch>> {
    raised(connect(&sender.core).await)?;
    let mut began = Instant::now();
    loop {
        let more = Python::attach(|py| {
            let key = key.as_ref().map(|key| key.bind(py));
            sender.fill(items.bind(py), key)
        });
        let sent = send(&mut sender).await;
        match (more, sent) {
            // What came before the bad one is sent all the same; not in the child of a source that forked.
            (Err(error), _) if sender.core.producer.forked() => return Err(error),
            (Err(error), Ok(())) | (_, Err(error)) => return Err(Python::attach(|py| sender.note(py, error))),
            (Ok(false), Ok(())) => return Ok(sender.seal()),
            (Ok(true), Ok(())) => {}
        }
        if began.elapsed() > fairness::TIME_SLICE {
            fairness::yield_now().await;
            began = Instant::now();
        }
    }
}

async fn send(sender: &mut Sender) -> PyResult<()> {
    sender.put()?;
    let mut before = usize::MAX;
    while before > 0 {
        let (core, this) = (sender.core.clone(), &*sender);
        // As for single messages, max_block counts from when this message first met a full queue.
        let fewer = |left: usize| (left == 0 || left < before).then_some(left);
        let moved = when_room(&core, this.batch().topic, || this.try_send().map(fewer));
        match moved.await {
            Ok(left) => before = left,
            Err(error) => {
                sender.stopped();
                return Err(error);
            }
        }
    }
    Ok(())
}
