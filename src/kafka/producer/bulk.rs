//! Sending many messages at once: one call into librdkafka for a chunk of them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::accumulator::Accumulator;
use super::batch::Batch;
use super::delivery::TopicId;
use super::failures::summary;
use super::idle_flush;
use super::reports::Shared;
use super::{Open, Producer, ProducerHooks};
use crate::kafka::client::error::Error;
use crate::kafka::client::error::Failure;
use crate::kafka::client::wait::{Deadline, Interrupt, TICK};
use crate::librdkafka::chunk::{Chunk, MessageParts};
use crate::librdkafka::code::Code;
use crate::librdkafka::delivery_report::{Opaque, Payload};
use crate::librdkafka::record::Header;
use crate::os::thread::spawn;

impl<H: ProducerHooks> Producer<H> {
    /// What the messages of one `send_many` are gathered in. If whoever gives them may take long (`slow`), each has to be there
    /// before the next one is asked for.
    pub fn start_accumulator(
        &self,
        topic: TopicId,
        partition: i32,
        headers: Vec<Header>,
        slow: bool,
    ) -> Arc<Accumulator> {
        let accumulator = Arc::new(Accumulator::new(self.shared.batches.start(topic), partition, headers));
        if slow {
            self.shared.accumulators.list(&accumulator, || self.start_watcher());
        }
        accumulator
    }

    /// No more messages.
    pub fn end_accumulator(&self, accumulator: &Arc<Accumulator>) {
        self.shared.accumulators.forget(accumulator);
        accumulator.batch.seal();
        self.shared.forget_if_done(&accumulator.batch);
    }

    /// Adds a message to those that are gathered. Returns whether it is time to hand them over; None, and nothing is added, while
    /// another thread does that.
    pub fn accumulate(&self, accumulator: &Accumulator, bytes: &[u8], parts: MessageParts) -> Option<bool> {
        let due = accumulator.add(bytes, parts)?;
        self.shared.accumulators.wake();
        Some(due)
    }

    /// Hands over what there is room for and returns how many messages are left. A message that librdkafka does not take is a
    /// failure of the batch like one that a broker refused; an error here concerns the producer.
    pub fn try_hand_over(&self, accumulator: &Arc<Accumulator>) -> Result<usize, Error> {
        let open = self.current().ok_or(Error::Closed { operation: "send_many", object: "producer" })?;
        self.shared.hand_over_own(&open, accumulator)
    }

    /// Hands over all, waiting for room where the queue is full.
    pub fn hand_over(&self, accumulator: &Arc<Accumulator>, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let mut before = usize::MAX;
        let mut patience = None;
        loop {
            let left = self.try_hand_over(accumulator)?;
            if left == 0 {
                return Ok(());
            }
            // As for single messages, max_block counts from when this message first met a full queue.
            if left < before {
                patience = None;
            }
            before = left;
            let deadline = *patience.get_or_insert_with(|| Deadline::after(Some(self.settings.max_block)));
            self.wait_for_room(accumulator.batch.topic, deadline, interrupt)?;
        }
    }

    /// Hands over what every `send_many` of this producer has gathered: what is flushed or committed includes that.
    pub(super) fn hand_over_all(
        &self,
        open: &Open<H>,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
    ) -> Result<(), Error> {
        while !self.shared.hand_over_all(open) && !deadline.passed() {
            let round = self.shared.rounds.load(Ordering::SeqCst);
            let moved = || self.shared.rounds.load(Ordering::SeqCst) != round;
            self.shared.progress.wait(Deadline::after(Some(deadline.step(TICK))), interrupt, moved)?;
        }
        Ok(())
    }

    fn start_watcher(&self) -> bool {
        let Some(open) = self.current() else { return false };
        let (shared, open) = (self.shared.clone(), Arc::downgrade(&open));
        let run = move || idle_flush::run(&shared, &open);
        spawn("kjson-idleflush", run).is_ok()
    }

    /// Waits for all messages of a batch; false when the deadline passed first.
    pub fn wait_batch(&self, batch: &Batch, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<bool, Error> {
        self.wait_until(deadline, interrupt, || batch.done())
    }

    /// The error of a batch with failures.
    pub fn batch_error(batch: &Batch) -> Option<Error> {
        let (failures, more) = batch.failures();
        let message = summary(failures.first()?, failures.len(), more);
        Some(Error::Delivery { message, failures })
    }
}

impl<H: ProducerHooks> Shared<H> {
    /// Enqueues what there is room for, from the message of that number on. Returns how many that was, and what stops all that
    /// follow.
    pub(super) fn produce_sheaf(
        &self,
        open: &Open<H>,
        accumulator: &Accumulator,
        chunk: &Chunk,
        from: usize,
    ) -> (usize, Option<Error>) {
        let Accumulator { batch, partition, headers, .. } = accumulator;
        let partition = *partition;
        // Before the topics: `Producer::topic` locks the names and then the topics.
        let name = self.topic_name(batch.topic);
        let topics = open.topics.read().unwrap_or_else(PoisonError::into_inner);
        if self.closing.load(Ordering::SeqCst) {
            return (0, Some(Error::Closed { operation: "send_many", object: "producer" }));
        }
        let Some(handle) = topics.get(batch.topic.0 as usize) else {
            return (0, Some(Error::Misuse("send_many: the topic is of another producer".to_owned())));
        };
        let sent = &self.sent.0;
        let count = chunk.len() - from;
        sent.fetch_add(count, Ordering::SeqCst);
        let first = batch.len() as u32;
        let mut failed = 0;
        let mut fail = |index, value: Option<&[u8]>, key: Option<&[u8]>, code| {
            let payload = Payload { partition, key, value, timestamp_ms: None, headers, forwarded: None };
            let failure = Failure {
                topic: name.to_string(),
                partition,
                key: key.map(Into::into),
                value: value.map(Into::into),
                code,
                message: self.refused(open, &name, &payload, code).to_string(),
            };
            self.failures.fail(batch, index, failure);
            failed += 1;
        };
        let (done, stopped) = if headers.is_empty() {
            open.native.produce_chunk(handle, partition, chunk, from, (batch.number, first), |index, bounds, code| {
                fail(index, chunk.part(&bounds.value), chunk.part(&bounds.key), code);
            })
        } else {
            // librdkafka's call for many messages takes no headers.
            let mut done = 0;
            let mut stopped = None;
            for bounds in &chunk.messages[from..] {
                let (key, value) = (chunk.part(&bounds.key), chunk.part(&bounds.value));
                let payload = Payload { partition, key, value, timestamp_ms: None, headers, forwarded: None };
                let index = first + done as u32;
                match open.native.produce(handle, &payload, Opaque::InBatch { batch: batch.number, index }) {
                    Ok(()) => {}
                    Err((code @ (Code::QUEUE_FULL | Code::FATAL | Code::STATE), _)) => {
                        stopped = Some(code);
                        break;
                    }
                    Err((code, _)) => fail(index, value, key, code),
                }
                done += 1;
            }
            (done, stopped)
        };
        batch.take(done);
        sent.fetch_sub(count - done + failed, Ordering::SeqCst);
        self.tally.failed.fetch_add(failed as u64, Ordering::Relaxed);
        match stopped {
            None | Some(Code::QUEUE_FULL) => (done, None),
            Some(code) => {
                let payload =
                    Payload { partition, key: None, value: None, timestamp_ms: None, headers: &[], forwarded: None };
                (done, Some(self.refused(open, &name, &payload, code)))
            }
        }
    }
}
