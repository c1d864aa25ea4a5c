//! `AsyncProducer.send_many`: chunk by chunk, and other tasks run in between.

use std::sync::Arc;
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyString};

use crate::kafka::BatchState;
use crate::python::aio::connection::connect;
use crate::python::aio::fairness;
use crate::python::aio::operation::Operation;
use crate::python::producer::delivery_batch::DeliveryBatch;
use crate::python::producer::send_many::BatchSender;

use super::backpressure::when_space;
use super::{raised, AsyncProducer};

/// Sends all values of the iterator. Cancelled, it leaves what is enqueued to be sent.
pub async fn send_all(
    mut sender: BatchSender,
    items: Py<PyIterator>,
    key: Option<Py<PyAny>>,
) -> PyResult<Arc<BatchState>> {
    raised(connect(&sender.core).await)?;
    let mut began = Instant::now();
    loop {
        let more = Python::attach(|py| {
            let key = key.as_ref().map(|key| key.bind(py));
            sender.fill(items.bind(py), key)
        });
        let sent = send(&mut sender).await;
        match (more, sent) {
            // The values before the bad one are sent, except in the child of a source that forked.
            (Err(error), _) if sender.core.producer.forked() => return Err(error),
            (Err(error), Ok(())) | (_, Err(error)) => return Err(Python::attach(|py| sender.with_note(py, error))),
            (Ok(false), Ok(())) => return Ok(sender.seal()),
            (Ok(true), Ok(())) => {}
        }
        if began.elapsed() > fairness::TIME_SLICE {
            fairness::yield_now().await;
            began = Instant::now();
        }
    }
}

async fn send(sender: &mut BatchSender) -> PyResult<()> {
    sender.accumulate_chunk()?;
    let mut before = usize::MAX;
    while before > 0 {
        let (core, this) = (sender.core.clone(), &*sender);
        // As for single messages, max_block counts from when this message first met a full queue.
        let fewer = |left: usize| (left == 0 || left < before).then_some(left);
        let moved = when_space(&core, this.batch().topic, || this.try_enqueue().map(fewer));
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

#[pymethods]
impl AsyncProducer {
    /// Enqueue many messages in one call, at less cost for each than `send`.
    #[pyo3(signature = (topic, values, *, key=None, headers=None, partition=None))]
    fn send_many(
        &self,
        py: Python<'_>,
        topic: &Bound<'_, PyString>,
        values: &Bound<'_, PyAny>,
        key: Option<Py<PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
        partition: Option<i32>,
    ) -> PyResult<Operation> {
        const NAME: &str = "AsyncProducer.send_many";
        let producer = self.handle()?.clone_ref(py);
        let begin = || {
            let key = key.as_ref().map(|key| key.bind(py));
            Ok((values.try_iter()?.unbind(), BatchSender::new(self.core()?, topic, values, key, headers, partition)?))
        };
        Ok(match begin() {
            Err(error) => Operation::ready::<()>(py, NAME, Err(error)),
            Ok((items, sender)) => Operation::from_future(NAME, async move {
                Ok(DeliveryBatch { batch: send_all(sender, items, key).await?, producer })
            }),
        })
    }
}
