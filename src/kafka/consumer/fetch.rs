//! Fetching: what came from librdkafka is sorted into messages to hand out, messages to hold, and notices to heed.

use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::read::Reading;
use super::stopped::{nowhere_to_begin, Stopped};
use super::{Consumer, ConsumerHooks};
use crate::kafka::client::error::Error;
use crate::kafka::client::wait::Deadline;
use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::fetched::Fetched;
use crate::librdkafka::partitions::PartitionList;
use crate::librdkafka::record::{Partition, WHOLE};

/// How long the reader waits for librdkafka to go on after a message that cannot be read.
const MOVE_WITHIN: Duration = Duration::from_secs(1);

pub(super) struct Sought {
    pub(super) offset: i64,
    /// When to seek once more if nothing has come: the lookup may have led to the end.
    pub(super) again_at: Option<Instant>,
    /// That was done: what comes is from the offset sought.
    pub(super) exact: bool,
}

impl Sought {
    pub(super) fn now(offset: i64) -> Self {
        Sought { offset, again_at: Instant::now().checked_add(Duration::from_millis(500)), exact: false }
    }
}

impl Reading {
    fn seek_what_is_due(&mut self, native: &NativeConsumer) {
        let now = Instant::now();
        let mut due = Vec::new();
        for (partition, sought) in &mut self.sought {
            if sought.again_at.is_some_and(|at| at <= now) {
                sought.again_at = None;
                due.push((partition.clone(), sought.offset));
            }
        }
        if !due.is_empty() {
            for partition in native.seek_again(&due) {
                if let Some(sought) = self.sought.get_mut(&partition) {
                    sought.exact = true;
                }
            }
        }
    }
}

impl<H: ConsumerHooks> Consumer<H> {
    /// Waits for the first message up to `patience`, then takes what else is there. Two calls, because librdkafka waits out
    /// the whole timeout for a full batch.
    pub(super) fn fetch(
        &self,
        native: &Arc<NativeConsumer>,
        reading: &mut Reading,
        patience: Duration,
        limit: usize,
    ) -> Result<(), Error> {
        if !self.settings.grouped || reading.assignment.own().is_some() {
            self.look_for_topics(native, reading, Deadline::after(Some(Duration::ZERO)))?;
        }
        if !reading.sought.is_empty() {
            reading.seek_what_is_due(native);
        }
        let first = self.fetch_some(native, reading, patience, 1);
        reading.fetched_at = Some(Instant::now());
        if reading.buffer.is_empty() || self.shared.has_revocation() {
            return first;
        }
        self.watch.heard();
        first.and(self.fetch_some(native, reading, Duration::ZERO, limit - 1))
    }

    fn fetch_some(
        &self,
        native: &NativeConsumer,
        reading: &mut Reading,
        patience: Duration,
        limit: usize,
    ) -> Result<(), Error> {
        let before = reading.buffer.len();
        native.fetch(patience, limit, &mut reading.buffer);
        let mut fetched = reading.buffer.split_off(before).into_iter().peekable();
        let (mut count, mut bytes, mut result) = (0, 0, Ok(()));
        let mut astray: Vec<(Partition, i64)> = Vec::new();
        let sifts = reading.assignment.sifts();
        while let Some(mut incoming) = fetched.next() {
            if sifts && reading.is_replaced(&incoming) {
                reading.received.miscounted(&incoming);
                continue;
            }
            if !(reading.sought.is_empty() && astray.is_empty()) && went_astray(reading, &incoming, &mut astray) {
                continue;
            }
            if !reading.expected.is_empty() && reading.strays(&incoming, &mut astray) {
                reading.received.miscounted(&incoming);
                continue;
            }
            if incoming.is_unreadable() {
                if astray.iter().any(|(partition, _)| incoming.is_of(partition)) {
                    continue;
                }
                self.go_on_after(native, reading, &mut incoming, &mut astray);
            } else if incoming.code() != Code::NONE {
                reading.received.miscounted(&incoming);
                result = result.and(self.heed(reading, &incoming));
                continue;
            }
            reading.stopped.heard(&incoming);
            // Once for a row of messages of one partition. What comes of it after an unreadable one is dropped.
            if incoming.is_unreadable() || fetched.peek().is_none_or(|next| !next.is_next_to(&incoming)) {
                reading.received.add(&incoming);
            }
            count += 1;
            bytes += incoming.size() as u64;
            let paused = !reading.paused.is_empty() && reading.paused.iter().any(|partition| incoming.is_of(partition));
            if paused {
                reading.held.push(incoming);
            } else {
                reading.buffer.push_back(incoming);
            }
        }
        let stopped_again = reading.stopped.take_due();
        result = result.and(self.restart(native, reading, &stopped_again));
        if !astray.is_empty() {
            let moved = native.seek_again(&astray);
            let stray = astray.iter().map(|(partition, _)| partition).filter(|partition| !moved.contains(partition));
            stray.for_each(|partition| reading.received.forget(partition));
            reading.begin_at(astray);
        }
        self.shared.received.fetch_add(count, Ordering::Relaxed);
        self.shared.received_bytes.fetch_add(bytes, Ordering::Relaxed);
        // What the program has chosen itself is not the group's to revoke.
        if reading.assignment.own().is_none() && self.shared.has_revocation() {
            // Void from now on, before anybody is told.
            let gone = |message: &Fetched| self.shared.is_revoked(|entry| message.is_of(&entry.partition));
            reading.give_up(gone);
        }
        result
    }

    /// Gives a message that cannot be read its offset, and has the next fetch go on after it: librdkafka fetches the same
    /// batch again and again. A batch of n such messages takes n fetches, since the broker sends a whole batch for any
    /// offset in it.
    fn go_on_after(
        &self,
        native: &NativeConsumer,
        reading: &mut Reading,
        incoming: &mut Fetched,
        astray: &mut Vec<(Partition, i64)>,
    ) {
        let partition = incoming.topic_partition();
        let sought = reading.sought.remove(&partition).map(|sought| sought.offset);
        let known = reading
            .unreadable
            .get(&partition)
            .copied()
            .or(sought)
            .or_else(|| reading.offsets.next(&partition))
            .or_else(|| reading.starts.get(&partition).copied());
        let first = known.or_else(|| self.committed_now(native, &partition)).unwrap_or(0);
        let offset = first.max(incoming.offset());
        incoming.set_offset(offset);
        let next = PartitionList::of([(&partition, offset + 1)]);
        let moved = native.seek(&next, MOVE_WITHIN);
        if moved.is_ok_and(|entries| entries.iter().all(|entry| entry.code == Code::NONE)) {
            reading.unreadable.insert(partition.clone(), offset + 1);
        }
        // What this fetch has of the partition after it comes again.
        astray.push((partition, offset + 1));
    }

    /// Where a member begins to read, perhaps in the middle of a batch.
    fn committed_now(&self, native: &NativeConsumer, partition: &Partition) -> Option<i64> {
        if !self.settings.grouped {
            return None;
        }
        let list = PartitionList::without_offsets(std::slice::from_ref(partition));
        let entries = native.committed(&list, MOVE_WITHIN).ok()?;
        entries.first().map(|entry| entry.offset).filter(|offset| *offset >= 0)
    }

    /// Passes on what a fetch reported besides messages: an error to raise, a warning to log, or nothing.
    fn heed(&self, reading: &mut Reading, notice: &Fetched) -> Result<(), Error> {
        let (code, text, topic) = (notice.code(), notice.reason(), notice.topic());
        let partition = notice.about();
        let place = match partition.id {
            WHOLE if topic.is_empty() && self.settings.grouped => format!("in group '{}'", self.group),
            WHOLE if topic.is_empty() => "the topics".to_owned(),
            WHOLE => format!("'{topic}'"),
            id => format!("'{topic}' [{id}]"),
        };
        match code {
            Code::UNKNOWN_TOPIC | Code::UNKNOWN_TOPIC_OR_PART | Code::UNKNOWN_PARTITION => {
                self.warn_of_missing(reading, topic.into_owned());
                Ok(())
            }
            Code::MAX_POLL_EXCEEDED => {
                // They are read by others now; the revocation follows.
                if reading.assignment.own().is_none() {
                    reading.give_up(|_| true);
                }
                self.shared
                    .warn(format!("{text}. The group has given this consumer's partitions away; it joins again now"));
                Ok(())
            }
            code if code.is_connection() => {
                self.shared.brokers.heard(code, &text);
                Ok(())
            }
            code if code.retriable() => {
                self.shared.warn(format!("reading {place}: {text} ({}); trying again", code.name()));
                Ok(())
            }
            // Raised by each read, see `require_mended`.
            Code::FATAL => Ok(()),
            code => {
                if !reading.assignment.concerns(&partition) {
                    return Ok(());
                }
                let error = match code {
                    Code::AUTO_OFFSET_RESET => nowhere_to_begin(&partition, &text),
                    _ => Error::failed(&format!("cannot read {place}"), code, &text),
                };
                if !Stopped::lasts(code, &partition) {
                    return Err(error);
                }
                // Raised from there, at every read.
                self.stop(reading, partition, code, error);
                Ok(())
            }
        }
    }

    pub(super) fn require_broker(&self, native: &Arc<NativeConsumer>) -> Result<(), Error> {
        let Some(limit) = self.settings.unreachable_timeout else { return Ok(()) };
        let asked = native.clone();
        if self.watch.unreachable_for(move |timeout| asked.client().answers(timeout).is_ok()) < limit {
            return Ok(());
        }
        self.watch.begin_again();
        Err(self.shared.brokers.error(
            &format!("no Kafka broker could be reached for {} s", limit.as_secs_f64()),
            "no answer",
            "Read on to keep waiting: the consumer goes on where it was when a broker is back (unreachable_timeout)",
        ))
    }
}

/// Whether what came of a partition is not from the place that was sought. That place is then sought once more, which is
/// exact, since nothing is being looked up any more; what comes after that is what there is (offsets may have gaps).
fn went_astray(reading: &mut Reading, incoming: &Fetched, astray: &mut Vec<(Partition, i64)>) -> bool {
    if incoming.code() != Code::NONE {
        return false;
    }
    if astray.iter().any(|(partition, _)| incoming.is_of(partition)) {
        return true;
    }
    let sought = reading.sought.iter().find(|(partition, _)| incoming.is_of(partition));
    let Some((partition, offset)) = sought.map(|(partition, sought)| (partition.clone(), sought.offset)) else {
        return false;
    };
    reading.sought.remove(&partition);
    if incoming.offset() == offset {
        return false;
    }
    astray.push((partition, offset));
    true
}
