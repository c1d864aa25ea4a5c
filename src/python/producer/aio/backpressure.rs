//! Waiting for room in a full queue.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use pyo3::prelude::*;

use crate::kafka::{self, DeliveryState, TopicId};
use crate::python::aio::connection::connect;
use crate::python::aio::timer::Timer;

use super::wakers::Place;
use super::{raised, Core};
use crate::python::producer::delivery::Callback;
use crate::python::producer::send::Encoded;

/// Tries again and again until there is room, for `max_block_ms`.
pub async fn when_room<T>(
    core: &Core,
    topic: TopicId,
    mut attempt: impl FnMut() -> Result<Option<T>, kafka::Error>,
) -> PyResult<T> {
    let max_block = core.producer.settings.max_block;
    let mut timer = Timer::after(Some(max_block));
    let mut place = Place::new(&core.aio.rounds);
    poll_fn(|context| {
        if let Some(done) = raised(attempt())? {
            return Poll::Ready(Ok(done));
        }
        place.wait(context.waker());
        // Again, now that nobody can make room without waking us.
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

/// Hands over a message for which there was no room, or no connection yet.
pub async fn send(core: &Arc<Core>, mut message: Encoded, bytes: &[u8]) -> PyResult<Arc<DeliveryState<Callback>>> {
    raised(connect(core).await)?;
    when_room(core, message.topic, || core.try_send(&mut message, bytes)).await
}
