//! Sending one message, and waiting on a thread for space in the queue or for the delivery.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::delivery::{DeliveryState, TopicId};
use super::state::{DeliveryOf, ProducerHooks};
use super::Producer;
use crate::kafka::client::error::Error;
use crate::kafka::client::wait::{check, Deadline, Interrupt, TICK};
use crate::librdkafka::code::Code;
use crate::librdkafka::delivery_report::{Opaque, Payload};

/// Why a message was not enqueued.
pub enum SendError<C> {
    /// The queue is full. Returns the callback for another attempt.
    Full(Option<C>),
    Failed(Error),
}

/// A `SendError` under locks, where no `Error` may be made.
enum ProduceError {
    Closed,
    UnknownTopic,
    Code(Code),
}

impl<H: ProducerHooks> Producer<H> {
    /// The number of a topic, for sending to it.
    pub fn topic(&self, name: &str) -> Result<TopicId, Error> {
        let open = self.current().ok_or(Error::Closed { operation: "send", object: "producer" })?;
        if let Some(known) = self.state.topic_names.read().unwrap_or_else(PoisonError::into_inner).ids.get(name) {
            return Ok(*known);
        }
        let mut names = self.state.topic_names.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.ids.get(name) {
            return Ok(*known);
        }
        let handle = open.native.topic(name).map_err(|code| {
            let message = format!("cannot send to {name:?}: not a topic name: {} ({})", code.text(), code.name());
            Error::Failed { message, code, fatal: false }
        })?;
        let (id, name) = (TopicId(names.list.len() as u32), Arc::<str>::from(name));
        names.list.push(name.clone());
        names.ids.insert(name, id);
        open.topics.write().unwrap_or_else(PoisonError::into_inner).push(handle);
        Ok(id)
    }

    pub fn topic_name(&self, topic: TopicId) -> Arc<str> {
        self.state.topic_name(topic)
    }

    /// Enqueues one message, without waiting.
    pub fn try_send(
        &self,
        topic: TopicId,
        payload: &Payload<'_>,
        callback: Option<H::Callback>,
    ) -> Result<Arc<DeliveryOf<H>>, SendError<H::Callback>> {
        let delivery = Arc::new(DeliveryState::new(topic, callback));
        match self.produce(payload, &delivery) {
            Ok(()) => Ok(delivery),
            Err(ProduceError::Closed) => {
                Err(SendError::Failed(Error::Closed { operation: "send", object: "producer" }))
            }
            Err(ProduceError::UnknownTopic) => {
                Err(SendError::Failed(Error::Misuse("send: the topic belongs to another producer".to_owned())))
            }
            Err(ProduceError::Code(Code::QUEUE_FULL)) => Err(SendError::Full(delivery.take_callback())),
            Err(ProduceError::Code(code)) => Err(SendError::Failed(match self.current() {
                Some(open) => self.state.refused(&open, &self.topic_name(topic), payload, code),
                None => Error::Closed { operation: "send", object: "producer" },
            })),
        }
    }

    /// The part of `try_send` under locks. It neither makes an `Error`, which takes another lock, nor drops a callback,
    /// which may run Python code.
    fn produce(&self, payload: &Payload<'_>, delivery: &Arc<DeliveryOf<H>>) -> Result<(), ProduceError> {
        let guard = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let open = guard.as_ref().ok_or(ProduceError::Closed)?;
        if !self.state.enqueue_earlier(open, None) {
            return Err(ProduceError::Code(Code::QUEUE_FULL));
        }
        let topics = open.topics.read().unwrap_or_else(PoisonError::into_inner);
        if self.closing() {
            return Err(ProduceError::Closed);
        }
        let handle = topics.get(delivery.topic.0 as usize).ok_or(ProduceError::UnknownTopic)?;
        self.state.sent.0.fetch_add(1, Ordering::SeqCst);
        open.native.produce(handle, payload, Opaque::Message(delivery.clone())).map_err(|(code, _ours)| {
            self.state.sent.0.fetch_sub(1, Ordering::SeqCst);
            ProduceError::Code(code)
        })
    }

    /// Waits until some messages have left the queue.
    pub fn wait_for_space(&self, topic: TopicId, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let polls = self.state.polls.load(Ordering::SeqCst);
        let moved = || self.state.polls.load(Ordering::SeqCst) != polls || self.closing();
        if !self.on_report_thread() && self.state.progress.wait(deadline, interrupt, moved)? {
            return Ok(());
        }
        let waited = if self.on_report_thread() { Duration::ZERO } else { self.settings.max_block };
        Err(self.queue_full(topic, waited))
    }

    /// The error of a message that found the queue full.
    pub fn queue_full(&self, topic: TopicId, waited: Duration) -> Error {
        let cause = self.state.brokers.last_cause().map_or_else(String::new, |cause| format!("; {cause}"));
        Error::QueueFull {
            message: format!(
                "cannot send to '{}': the producer's queue stayed full for {} s, with {} messages \
                 unacknowledged{cause}. Send slower, raise queue_buffering_max_messages, or raise max_block_ms",
                self.topic_name(topic),
                waited.as_secs_f64(),
                self.pending(),
            ),
        }
    }

    /// Waits for deliveries: until `done`, which returns true, or the deadline. Not delayed by `linger_ms`: a flush of
    /// 2 ms sends what is held back. It is repeated, since librdkafka cannot send a message before it knows the topic's
    /// partitions.
    pub fn wait_until(
        &self,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
        done: impl Fn() -> bool,
    ) -> Result<bool, Error> {
        while !done() {
            self.refuse_in_callback("wait for another delivery")?;
            if let Some(open) = self.current() {
                open.native.flush(deadline.step(Duration::from_millis(2)));
            }
            let step = Deadline::after(Some(deadline.step(TICK)));
            if !self.state.progress.wait(step, interrupt, &done)? && deadline.passed() {
                return Ok(done());
            }
            check(interrupt)?;
        }
        Ok(true)
    }

    /// A delivery callback runs on the thread that reports deliveries, so it cannot wait for more of them.
    pub(super) fn refuse_in_callback(&self, operation: &str) -> Result<(), Error> {
        if self.on_report_thread() {
            return Err(Error::Misuse(format!(
                "a delivery callback cannot {operation}: it runs on the thread that reports deliveries"
            )));
        }
        Ok(())
    }

    pub(super) fn on_report_thread(&self) -> bool {
        let id = self.state.report_thread.lock().unwrap_or_else(PoisonError::into_inner);
        *id == Some(std::thread::current().id())
    }
}
