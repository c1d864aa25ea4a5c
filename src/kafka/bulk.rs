//! Sending many messages at once: one call into librdkafka for a sheaf of them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::batch::{Batch, Sheaf};
use super::code::Code;
use super::delivery::{Failure, TopicId};
use super::error::Error;
use super::failures::summary;
use super::native::outgoing::{Carried, Payload};
use super::producer::{Producer, ProducerHooks};
use super::record::Header;
use super::wait::{Deadline, Interrupt};

impl<H: ProducerHooks> Producer<H> {
    /// A new batch without messages; `seal_batch` ends it.
    pub fn start_batch(&self, topic: TopicId) -> Arc<Batch> {
        self.shared.batches.start(topic)
    }

    pub fn seal_batch(&self, batch: &Arc<Batch>) {
        batch.seal();
        self.shared.forget_if_done(batch);
    }

    /// Sends a sheaf with its batch, waiting for room where the queue is full. A message that librdkafka does not take is
    /// a failure of the batch like one that a broker refused; an error here concerns the producer.
    pub fn send_sheaf(
        &self,
        batch: &Arc<Batch>,
        partition: i32,
        headers: &[Header],
        sheaf: &Sheaf,
        interrupt: Interrupt<'_>,
    ) -> Result<(), Error> {
        let mut from = 0;
        let mut patience = None;
        loop {
            let done = self.try_send_sheaf(batch, partition, headers, sheaf, from)?;
            from += done;
            if from == sheaf.len() {
                return Ok(());
            }
            // As for single messages, max_block counts from when this message first met a full queue.
            if done > 0 {
                patience = None;
            }
            let deadline = *patience.get_or_insert_with(|| Deadline::after(Some(self.settings.max_block)));
            self.wait_for_room(batch.topic, deadline, interrupt)?;
        }
    }

    /// Sends what there is room for, from the message of that number on, and says how many that was.
    pub fn try_send_sheaf(
        &self,
        batch: &Arc<Batch>,
        partition: i32,
        headers: &[Header],
        sheaf: &Sheaf,
        from: usize,
    ) -> Result<usize, Error> {
        let open = self.current().ok_or(Error::Closed { operation: "send_many", object: "producer" })?;
        // Before the topics: `Producer::topic` locks the names and then the topics.
        let name = self.topic_name(batch.topic);
        let topics = open.topics.read().unwrap_or_else(PoisonError::into_inner);
        if self.closing() {
            return Err(Error::Closed { operation: "send_many", object: "producer" });
        }
        let handle = topics
            .get(batch.topic.0 as usize)
            .ok_or_else(|| Error::Misuse("send_many: the topic is of another producer".to_owned()))?;
        let sent = &self.shared.sent.0;
        let count = sheaf.len() - from;
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
                message: self.refused(&open, &name, &payload, code).to_string(),
            };
            self.shared.failures.fail(batch, index, failure);
            failed += 1;
        };
        let (done, stopped) = if headers.is_empty() {
            open.line.produce_sheaf(handle, partition, sheaf, from, (batch.number, first), |index, bounds, code| {
                fail(index, sheaf.part(&bounds.value), sheaf.part(&bounds.key), code);
            })
        } else {
            // librdkafka's call for many messages takes no headers.
            let mut done = 0;
            let mut stopped = None;
            for bounds in &sheaf.messages[from..] {
                let (key, value) = (sheaf.part(&bounds.key), sheaf.part(&bounds.value));
                let payload = Payload { partition, key, value, timestamp_ms: None, headers, forwarded: None };
                let index = first + done as u32;
                match open.line.produce(handle, &payload, Carried::Slot { batch: batch.number, index }) {
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
        self.shared.tally.failed.fetch_add(failed as u64, Ordering::Relaxed);
        match stopped {
            None | Some(Code::QUEUE_FULL) => Ok(done),
            Some(code) => {
                let payload =
                    Payload { partition, key: None, value: None, timestamp_ms: None, headers: &[], forwarded: None };
                Err(self.refused(&open, &name, &payload, code))
            }
        }
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
