//! Waiting for space in a full queue.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use pyo3::prelude::*;

use crate::kafka::{self, TopicId};
use crate::python::aio::connection::connect;
use crate::python::aio::timer::Timer;

use super::wakers::SpaceWaiter;
use super::{raised, ProducerCore};
use crate::python::producer::delivery::SharedDelivery;
use crate::python::producer::send::EncodedMessage;

/// Repeats `attempt` until it finds space in the queue, for up to `max_block_ms`.
pub async fn when_space<T>(
    core: &ProducerCore,
    topic: TopicId,
    mut attempt: impl FnMut() -> Result<Option<T>, kafka::Error>,
) -> PyResult<T> {
    let max_block = core.producer.settings.max_block;
    let mut timer = Timer::after(Some(max_block));
    let mut waiter = SpaceWaiter::new(&core.aio.wakers);
    poll_fn(|context| {
        if let Some(done) = raised(attempt())? {
            return Poll::Ready(Ok(done));
        }
        waiter.wait(context.waker());
        // Again, since space that came before the waker was registered wakes nothing.
        if let Some(done) = raised(attempt())? {
            return Poll::Ready(Ok(done));
        }
        if timer.passed(context)? {
            return Poll::Ready(raised(Err(core.producer.queue_full(topic, max_block))));
        }
        Poll::Pending
    })
    .await
}

/// Enqueues a message that found the queue full, or no connection yet.
pub async fn send(core: &Arc<ProducerCore>, mut message: EncodedMessage, bytes: &[u8]) -> PyResult<SharedDelivery> {
    raised(connect(core).await)?;
    when_space(core, message.topic, || core.try_send(&mut message, bytes)).await
}
