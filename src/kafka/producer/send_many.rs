//! Sending many messages at once: they are accumulated, and enqueued in librdkafka a chunk at a time.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use super::accumulator::Accumulator;
use super::delivery::TopicId;
use super::delivery_batch::BatchState;
use super::failures::summary;
use super::idle_flush;
use super::state::{OpenClient, ProducerHooks};
use super::Producer;
use crate::kafka::client::error::Error;
use crate::kafka::client::wait::{Deadline, Interrupt, TICK};
use crate::librdkafka::chunk::MessageParts;
use crate::librdkafka::record::Header;
use crate::os::thread::spawn;

impl<H: ProducerHooks> Producer<H> {
    /// The accumulator of one `send_many`. From a `slow` source, each message must be accumulated before the next one
    /// is asked for.
    pub fn start_accumulator(
        &self,
        topic: TopicId,
        partition: i32,
        headers: Vec<Header>,
        slow: bool,
    ) -> Arc<Accumulator> {
        let accumulator = Arc::new(Accumulator::new(self.state.batches.start(topic), partition, headers));
        if slow {
            self.state.accumulators.register(&accumulator, || self.start_idle_flusher());
        }
        accumulator
    }

    /// No more messages.
    pub fn end_accumulator(&self, accumulator: &Arc<Accumulator>) {
        self.state.accumulators.unregister(accumulator);
        accumulator.batch.seal();
        self.state.forget_if_done(&accumulator.batch);
    }

    /// Adds a message. Returns whether it is time to enqueue; None, and nothing is added, while another thread
    /// enqueues.
    pub fn accumulate(&self, accumulator: &Accumulator, bytes: &[u8], parts: MessageParts) -> Option<bool> {
        let due = accumulator.add(bytes, parts)?;
        self.state.accumulators.wake();
        Some(due)
    }

    /// Enqueues what the queue takes and returns how many messages are left. A message that librdkafka refuses is a
    /// failure of the batch, like one that a broker refused; an error here concerns the producer.
    pub fn try_enqueue(&self, accumulator: &Arc<Accumulator>) -> Result<usize, Error> {
        let open = self.current().ok_or(Error::Closed { operation: "send_many", object: "producer" })?;
        self.state.enqueue_own(&open, accumulator)
    }

    /// Enqueues all, waiting while the queue is full.
    pub fn enqueue(&self, accumulator: &Arc<Accumulator>, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let mut before = usize::MAX;
        let mut timeout = None;
        loop {
            let left = self.try_enqueue(accumulator)?;
            if left == 0 {
                return Ok(());
            }
            // As for single messages, max_block counts from when this message first met a full queue.
            if left < before {
                timeout = None;
            }
            before = left;
            let deadline = *timeout.get_or_insert_with(|| Deadline::after(Some(self.settings.max_block)));
            self.wait_for_space(accumulator.batch.topic, deadline, interrupt)?;
        }
    }

    /// Enqueues what every `send_many` of this producer has accumulated: a flush or commit includes that.
    pub(super) fn enqueue_all(
        &self,
        open: &OpenClient<H>,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
    ) -> Result<(), Error> {
        while !self.state.enqueue_all(open) && !deadline.passed() {
            let polls = self.state.polls.load(Ordering::SeqCst);
            let moved = || self.state.polls.load(Ordering::SeqCst) != polls;
            self.state.progress.wait(Deadline::after(Some(deadline.step(TICK))), interrupt, moved)?;
        }
        Ok(())
    }

    fn start_idle_flusher(&self) -> bool {
        let Some(open) = self.current() else { return false };
        let (state, open) = (self.state.clone(), Arc::downgrade(&open));
        let run = move || idle_flush::run(&state, &open);
        spawn("kjson-idleflush", run).is_ok()
    }

    /// The error of a batch with failures.
    pub fn batch_error(batch: &BatchState) -> Option<Error> {
        let (failures, more) = batch.failures();
        let message = summary(failures.first()?, failures.len(), more);
        Some(Error::Delivery { message, failures })
    }
}
