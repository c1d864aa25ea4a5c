//! Enqueues accumulated messages in librdkafka, a chunk in one call, from whichever thread needs it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::accumulator::{Accumulator, Buffered};
use super::state::{OpenClient, ProducerHooks, ProducerState};
use crate::kafka::client::error::{Error, Failure};
use crate::librdkafka::chunk::Chunk;
use crate::librdkafka::code::Code;
use crate::librdkafka::delivery_report::{Opaque, Payload};

impl<H: ProducerHooks> ProducerState<H> {
    /// For the accumulator's own `send_many`: enqueues what the queue takes and returns how many messages are left. An
    /// error concerns the producer, and drops what is left.
    pub fn enqueue_own(&self, open: &OpenClient<H>, one: &Arc<Accumulator>) -> Result<usize, Error> {
        let first = self.enqueue_earlier(open, Some(one));
        let mut buffered = one.lock();
        let result = match buffered.refused.take() {
            Some(error) => Err(error),
            None if first => self.enqueue_chunk(open, one, &mut buffered),
            None => Ok(buffered.left()),
        };
        buffered.turns += 1;
        if result.is_err() {
            buffered.clear();
        }
        result
    }

    /// Enqueues all that is accumulated. False when the queue is full before that.
    pub fn enqueue_all(&self, open: &OpenClient<H>) -> bool {
        self.accumulators.none() || self.enqueue_in_order(open, &self.accumulators.all())
    }

    /// The same for what this thread accumulated before: up to `until`, or all.
    pub fn enqueue_earlier(&self, open: &OpenClient<H>, until: Option<&Arc<Accumulator>>) -> bool {
        if self.accumulators.none() {
            return true;
        }
        let thread = std::thread::current().id();
        let all = self.accumulators.all();
        let earlier = all.into_iter().take_while(|one| until.is_none_or(|until| !Arc::ptr_eq(one, until)));
        let earlier: Vec<_> = earlier.filter(|one| one.thread == thread).collect();
        self.enqueue_in_order(open, &earlier)
    }

    pub(super) fn enqueue_in_order(&self, open: &OpenClient<H>, accumulators: &[Arc<Accumulator>]) -> bool {
        let mut full = Vec::new();
        for one in accumulators {
            if full.contains(&one.thread) || !self.enqueue_other(open, one) {
                full.push(one.thread);
            }
        }
        full.is_empty()
    }

    /// For all but its own `send_many`. Returns whether nothing is left that could be enqueued.
    fn enqueue_other(&self, open: &OpenClient<H>, one: &Accumulator) -> bool {
        let mut buffered = one.lock();
        if buffered.refused.is_some() {
            return true;
        }
        match self.enqueue_chunk(open, one, &mut buffered) {
            Ok(left) => left == 0,
            Err(error) => {
                buffered.refused = Some(error);
                true
            }
        }
    }

    fn enqueue_chunk(&self, open: &OpenClient<H>, one: &Accumulator, buffered: &mut Buffered) -> Result<usize, Error> {
        if buffered.chunk.is_empty() {
            return Ok(0);
        }
        let (done, stopped) = self.produce_chunk(open, one, &buffered.chunk, buffered.enqueued);
        buffered.enqueued += done;
        if let Some(error) = stopped {
            return Err(error);
        }
        let left = buffered.left();
        if left == 0 {
            buffered.clear();
        }
        Ok(left)
    }

    /// Enqueues the messages from number `from` on until the queue is full. Returns how many are done, and the error
    /// that stops all that follow.
    fn produce_chunk(
        &self,
        open: &OpenClient<H>,
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
            return (0, Some(Error::Misuse("send_many: the topic belongs to another producer".to_owned())));
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
        batch.add_sent(done);
        sent.fetch_sub(count - done + failed, Ordering::SeqCst);
        self.counters.failed.fetch_add(failed as u64, Ordering::Relaxed);
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
