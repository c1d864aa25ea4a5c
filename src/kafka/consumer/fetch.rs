//! Fetches a batch from librdkafka and sorts it: messages to return, messages to hold or skip, and errors.

use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::poll::ReadState;
use super::read_errors::{no_start_offset, ReadErrors};
use super::{Consumer, ConsumerHooks};
use crate::kafka::client::error::Error;
use crate::kafka::client::wait::Deadline;
use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::fetched::Fetched;
use crate::librdkafka::partitions::PartitionList;
use crate::librdkafka::record::{Partition, WHOLE};

/// How long a seek past an unreadable message may take.
const SEEK_TIMEOUT: Duration = Duration::from_secs(1);

/// A seek whose first message has not come.
pub(super) struct PendingSeek {
    pub(super) offset: i64,
    /// When to repeat it if no message comes: a lookup of the start offset may have moved the position to the end.
    pub(super) retry_at: Option<Instant>,
    /// It was repeated: the next message is from the offset sought.
    pub(super) exact: bool,
}

impl PendingSeek {
    pub(super) fn new(offset: i64) -> Self {
        PendingSeek { offset, retry_at: Instant::now().checked_add(Duration::from_millis(500)), exact: false }
    }
}

impl ReadState {
    fn retry_due_seeks(&mut self, native: &NativeConsumer) {
        let now = Instant::now();
        let mut due = Vec::new();
        for (partition, seek) in &mut self.pending_seeks {
            if seek.retry_at.is_some_and(|at| at <= now) {
                seek.retry_at = None;
                due.push((partition.clone(), seek.offset));
            }
        }
        if !due.is_empty() {
            for partition in native.try_seek(&due) {
                if let Some(seek) = self.pending_seeks.get_mut(&partition) {
                    seek.exact = true;
                }
            }
        }
    }
}

impl<H: ConsumerHooks> Consumer<H> {
    /// Waits for the first message, then takes the rest: a call for a whole batch would wait until the timeout.
    pub(super) fn fetch(
        &self,
        native: &Arc<NativeConsumer>,
        state: &mut ReadState,
        timeout: Duration,
        limit: usize,
    ) -> Result<(), Error> {
        if !self.settings.grouped || state.subscriptions.manual().is_some() {
            self.find_topics(native, state, Deadline::after(Some(Duration::ZERO)))?;
        }
        if !state.pending_seeks.is_empty() {
            state.retry_due_seeks(native);
        }
        let first = self.fetch_batch(native, state, timeout, 1);
        state.fetched_at = Some(Instant::now());
        if state.buffer.is_empty() || self.context.has_revocation() {
            return first;
        }
        self.outage.message_received();
        first.and(self.fetch_batch(native, state, Duration::ZERO, limit - 1))
    }

    fn fetch_batch(
        &self,
        native: &NativeConsumer,
        state: &mut ReadState,
        timeout: Duration,
        limit: usize,
    ) -> Result<(), Error> {
        let before = state.buffer.len();
        native.fetch(timeout, limit, &mut state.buffer);
        let mut fetched = state.buffer.split_off(before).into_iter().peekable();
        let (mut count, mut bytes, mut result) = (0, 0, Ok(()));
        let mut seek_again: Vec<(Partition, i64)> = Vec::new();
        let filters = state.subscriptions.filters();
        while let Some(mut incoming) = fetched.next() {
            if filters && state.is_replaced(&incoming) {
                state.received.invalidate(&incoming);
                continue;
            }
            if !(state.pending_seeks.is_empty() && seek_again.is_empty())
                && is_before_seek(state, &incoming, &mut seek_again)
            {
                continue;
            }
            if !state.expected_positions.is_empty() && state.is_unexpected(&incoming, &mut seek_again) {
                state.received.invalidate(&incoming);
                continue;
            }
            if incoming.is_unreadable() {
                if seek_again.iter().any(|(partition, _)| incoming.is_from(partition)) {
                    continue;
                }
                self.skip_unreadable(native, state, &mut incoming, &mut seek_again);
            } else if incoming.code() != Code::NONE {
                state.received.invalidate(&incoming);
                result = result.and(self.handle_error(state, &incoming));
                continue;
            }
            state.read_errors.received(&incoming);
            // Once for consecutive messages of a partition. Those after an unreadable one are dropped.
            if incoming.is_unreadable() || fetched.peek().is_none_or(|next| !next.is_same_partition(&incoming)) {
                state.received.add(&incoming);
            }
            count += 1;
            bytes += incoming.size() as u64;
            let paused = !state.paused.is_empty() && state.paused.iter().any(|partition| incoming.is_from(partition));
            if paused {
                state.held.push(incoming);
            } else {
                state.buffer.push_back(incoming);
            }
        }
        let stopped_again = state.read_errors.take_restarts();
        result = result.and(self.restart(native, state, &stopped_again));
        if !seek_again.is_empty() {
            let moved = native.try_seek(&seek_again);
            let failed = seek_again.iter().filter(|(partition, _)| !moved.contains(partition));
            failed.for_each(|(partition, _)| state.received.forget(partition));
            state.restarted_at(seek_again);
        }
        self.context.received.fetch_add(count, Ordering::Relaxed);
        self.context.received_bytes.fetch_add(bytes, Ordering::Relaxed);
        // The group cannot revoke what the program has assigned.
        if state.subscriptions.manual().is_none() && self.context.has_revocation() {
            state.drop_buffered(|message| self.context.is_revoked(|entry| message.is_from(&entry.partition)));
        }
        result
    }

    /// Sets the offset of an unreadable message and seeks past it, since librdkafka would fetch the same batch again. A
    /// batch of n such messages takes n fetches: for any offset in it the broker sends the whole batch.
    fn skip_unreadable(
        &self,
        native: &NativeConsumer,
        state: &mut ReadState,
        incoming: &mut Fetched,
        seek_again: &mut Vec<(Partition, i64)>,
    ) {
        let partition = incoming.topic_partition();
        let seek = state.pending_seeks.remove(&partition).map(|seek| seek.offset);
        let known = state
            .after_unreadable
            .get(&partition)
            .copied()
            .or(seek)
            .or_else(|| state.processed.next(&partition))
            .or_else(|| state.starts.get(&partition).copied());
        let first = known.or_else(|| self.committed_offset(native, &partition)).unwrap_or(0);
        let offset = first.max(incoming.offset());
        incoming.set_offset(offset);
        let next = PartitionList::of([(&partition, offset + 1)]);
        let moved = native.seek(&next, SEEK_TIMEOUT);
        if moved.is_ok_and(|entries| entries.iter().all(|entry| entry.code == Code::NONE)) {
            state.after_unreadable.insert(partition.clone(), offset + 1);
        }
        // The rest of the partition in this fetch comes again.
        seek_again.push((partition, offset + 1));
    }

    /// Where a member starts to read, perhaps in the middle of a batch.
    fn committed_offset(&self, native: &NativeConsumer, partition: &Partition) -> Option<i64> {
        if !self.settings.grouped {
            return None;
        }
        let list = PartitionList::without_offsets(std::slice::from_ref(partition));
        let entries = native.committed(&list, SEEK_TIMEOUT).ok()?;
        entries.first().map(|entry| entry.offset).filter(|offset| *offset >= 0)
    }

    /// Raises, keeps, logs or ignores an error that a fetch returned.
    fn handle_error(&self, state: &mut ReadState, error: &Fetched) -> Result<(), Error> {
        let (code, text, topic) = (error.code(), error.reason(), error.topic());
        let partition = error.about();
        let subject = match partition.id {
            WHOLE if topic.is_empty() && self.settings.grouped => format!("in group '{}'", self.group),
            WHOLE if topic.is_empty() => "the topics".to_owned(),
            WHOLE => format!("'{topic}'"),
            id => format!("'{topic}' [{id}]"),
        };
        match code {
            Code::UNKNOWN_TOPIC | Code::UNKNOWN_TOPIC_OR_PART | Code::UNKNOWN_PARTITION => {
                self.warn_of_missing(state, topic.into_owned());
                Ok(())
            }
            Code::MAX_POLL_EXCEEDED => {
                // Other members read the partitions now; the revocation follows.
                if state.subscriptions.manual().is_none() {
                    state.drop_buffered(|_| true);
                }
                self.context
                    .warn(format!("{text}. The group has given this consumer's partitions away; it joins again now"));
                Ok(())
            }
            code if code.is_connection() => {
                self.context.brokers.record_error(code, &text);
                Ok(())
            }
            code if code.retriable() => {
                self.context.warn(format!("reading {subject}: {text} ({}); trying again", code.name()));
                Ok(())
            }
            // Raised by `raise_read_error`.
            Code::FATAL => Ok(()),
            code => {
                if !state.subscriptions.covers(&partition) {
                    return Ok(());
                }
                let error = match code {
                    Code::AUTO_OFFSET_RESET => no_start_offset(&partition, &text),
                    _ => Error::failed(&format!("cannot read {subject}"), code, &text),
                };
                if !ReadErrors::is_lasting(code, &partition) {
                    return Err(error);
                }
                self.keep_read_error(state, partition, code, error);
                Ok(())
            }
        }
    }

    pub(super) fn raise_if_unreachable(&self, native: &Arc<NativeConsumer>) -> Result<(), Error> {
        let Some(limit) = self.settings.unreachable_timeout else { return Ok(()) };
        let native = native.clone();
        if self.outage.unreachable_for(move |timeout| native.client().ping(timeout).is_ok()) < limit {
            return Ok(());
        }
        self.outage.restart();
        Err(self.context.brokers.error(
            &format!("no Kafka broker could be reached for {} s", limit.as_secs_f64()),
            "no answer",
            "Read on to keep waiting: the consumer continues where it was when a broker is back (unreachable_timeout)",
        ))
    }
}

/// Whether the first message after a seek is not from the offset sought. The seek is then repeated, which is exact: no
/// lookup is pending any more, and whatever comes next is the next message (offsets may have gaps).
fn is_before_seek(state: &mut ReadState, incoming: &Fetched, seek_again: &mut Vec<(Partition, i64)>) -> bool {
    if incoming.code() != Code::NONE {
        return false;
    }
    if seek_again.iter().any(|(partition, _)| incoming.is_from(partition)) {
        return true;
    }
    let seek = state.pending_seeks.iter().find(|(partition, _)| incoming.is_from(partition));
    let Some((partition, offset)) = seek.map(|(partition, seek)| (partition.clone(), seek.offset)) else {
        return false;
    };
    state.pending_seeks.remove(&partition);
    if incoming.offset() == offset {
        return false;
    }
    seek_again.push((partition, offset));
    true
}
