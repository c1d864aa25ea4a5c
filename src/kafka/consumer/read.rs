//! Reading: batches from librdkafka, handed out message by message, done when the next one is asked for.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Consumer, ConsumerHooks};
use crate::kafka::code::Code;
use crate::kafka::error::Error;
use crate::kafka::log::{Level, LogRecord};
use crate::kafka::native::consume::Inlet;
use crate::kafka::native::incoming::Incoming;
use crate::kafka::native::partitions::PartitionList;
use crate::kafka::offsets::Offsets;
use crate::kafka::wait::{check, Deadline, Interrupt, TICK};

/// Messages taken from librdkafka in one go.
pub(super) const BATCH: usize = 500;
/// More than this is never taken at once, whatever `consume` asks for.
const LARGEST_BATCH: usize = 10_000;
/// librdkafka counts `max.poll.interval.ms` by its own polls, and a rebalance waits for one: while a batch is handed out
/// slowly, it is polled this often all the same.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// How often a topic that does not exist is looked for again, by a consumer without a group.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// What `OFFSET_BEGINNING` and `OFFSET_END` are in librdkafka.
const BEGINNING: i64 = -2;
const END: i64 = -1;

#[derive(Default)]
pub(super) struct Reading {
    /// Fetched and not handed out.
    pub(super) buffer: VecDeque<Incoming>,
    /// Handed out, and done when the next one is asked for.
    pub(super) handed_out: Vec<Incoming>,
    pub(super) offsets: Offsets,
    fetched_at: Option<Instant>,
    /// Topics of a groupless consumer that have not been found yet.
    pub(super) missing: Vec<String>,
    pub(super) looked_at: Option<Instant>,
    warned: HashSet<String>,
}

impl Reading {
    /// Whether librdkafka has been polled lately enough.
    fn fresh(&self) -> bool {
        self.fetched_at.is_some_and(|at| at.elapsed() < POLL_EVERY)
    }
}

impl<H: ConsumerHooks> Consumer<H> {
    /// The next message if it is at hand, without waiting. What was handed out before is done.
    pub fn try_next(&self) -> Result<Option<Incoming>, Error> {
        let mut reading = self.reading("read")?;
        if self.closing.load(Ordering::Relaxed) || reading.handed_out.len() + reading.buffer.len() == 0 {
            return Ok(None);
        }
        self.settle(&mut reading)?;
        Ok(if reading.fresh() { reading.buffer.pop_front() } else { None })
    }

    /// The next messages: waits for the first up to the deadline, and for no other. What was handed out before is done.
    pub fn next(&self, limit: usize, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<Vec<Incoming>, Error> {
        let inlet = self.open("read")?;
        let mut reading = self.reading("read")?;
        self.settle(&mut reading)?;
        loop {
            if reading.buffer.is_empty() || !reading.fresh() {
                let patience = if reading.buffer.is_empty() { deadline.step(TICK) } else { Duration::ZERO };
                self.fetch(&inlet, &mut reading, patience, limit.clamp(BATCH, LARGEST_BATCH), interrupt)?;
            }
            if !reading.buffer.is_empty() {
                let count = limit.min(reading.buffer.len());
                return Ok(reading.buffer.drain(..count).collect());
            }
            check(interrupt)?;
            if self.closing.load(Ordering::Relaxed) {
                return Err(Error::Closed { operation: "read", object: "consumer" });
            }
            self.require_broker(&inlet)?;
            if deadline.passed() {
                return Ok(Vec::new());
            }
        }
    }

    /// The caller passed these messages on; they are done when the next one is asked for.
    pub fn handed_out(&self, messages: impl IntoIterator<Item = Incoming>) {
        if let Ok(mut reading) = self.reading("read") {
            reading.handed_out.extend(messages);
        }
    }

    /// Takes back messages that were not passed on, to be the next ones.
    pub fn give_back(&self, messages: impl IntoIterator<Item = Incoming>) {
        let Ok(mut reading) = self.reading("read") else { return };
        let rest = std::mem::take(&mut reading.buffer);
        reading.buffer.extend(messages);
        reading.buffer.extend(rest);
    }

    /// The user's code failed on what was handed out last: do not commit it.
    pub fn abandon(&self) {
        if let Ok(mut reading) = self.reading("read") {
            reading.handed_out.clear();
        }
    }

    pub(super) fn settle(&self, reading: &mut Reading) -> Result<(), Error> {
        if reading.handed_out.is_empty() {
            return Ok(());
        }
        if !self.settings.grouped {
            reading.handed_out.clear();
            return Ok(());
        }
        let inlet = self.open("read")?;
        self.settle_with(&inlet, reading);
        Ok(())
    }

    pub(super) fn settle_with(&self, inlet: &Inlet, reading: &mut Reading) {
        let mut handed_out = reading.handed_out.drain(..).peekable();
        while let Some(message) = handed_out.next() {
            // A batch comes partition by partition: the last message of each run stands for all of it.
            if handed_out.peek().is_some_and(|next| next.is_next_to(&message)) {
                continue;
            }
            if self.settings.auto_commit {
                message.store_offset(inlet.client());
            }
            reading.offsets.done(&message.topic(), message.partition(), message.offset());
        }
    }

    /// Waits for the first message up to `patience`, then takes what else is there. Two calls, because librdkafka waits out
    /// the whole timeout for a full batch.
    pub(super) fn fetch(
        &self,
        inlet: &Inlet,
        reading: &mut Reading,
        patience: Duration,
        limit: usize,
        interrupt: Interrupt<'_>,
    ) -> Result<(), Error> {
        if !reading.missing.is_empty() {
            self.look_for_topics(inlet, reading, interrupt)?;
        }
        let first = self.fetch_some(inlet, reading, patience, 1);
        reading.fetched_at = Some(Instant::now());
        if reading.buffer.is_empty() {
            return first;
        }
        self.watch.heard();
        first.and(self.fetch_some(inlet, reading, Duration::ZERO, limit - 1))
    }

    /// The rebalance callback runs inside: what is buffered of a partition that it takes away is void.
    fn fetch_some(&self, inlet: &Inlet, reading: &mut Reading, patience: Duration, limit: usize) -> Result<(), Error> {
        let before = reading.buffer.len();
        inlet.fetch(patience, limit, &mut reading.buffer);
        let fetched = reading.buffer.split_off(before);
        let revoked = std::mem::take(&mut *self.lock(&self.shared.revoked));
        for revocation in &revoked {
            reading.buffer.retain(|message| !message.is_of(&revocation.partition));
            reading.offsets.forget(&revocation.partition);
        }
        let mut failed = Ok(());
        for incoming in fetched {
            if incoming.code() != Code::NONE {
                failed = failed.and(self.heed(reading, &incoming));
            } else if !revoked.iter().any(|revocation| revocation.stands && incoming.is_of(&revocation.partition)) {
                reading.buffer.push_back(incoming);
            }
        }
        failed
    }

    /// Passes on what a fetch reported besides messages: an error to raise, a warning to log, or nothing.
    fn heed(&self, reading: &mut Reading, notice: &Incoming) -> Result<(), Error> {
        let (code, text, topic) = (notice.code(), notice.reason(), notice.topic());
        let place =
            if topic.is_empty() { "the topics".to_owned() } else { format!("'{topic}' [{}]", notice.partition()) };
        match code {
            Code::PARTITION_EOF => Ok(()),
            Code::UNKNOWN_TOPIC | Code::UNKNOWN_TOPIC_OR_PART | Code::UNKNOWN_PARTITION => {
                self.warn_of_missing(reading, topic.into_owned());
                Ok(())
            }
            Code::MAX_POLL_EXCEEDED => {
                self.warn(format!("{text}. The group has given this consumer's partitions away; it joins again now"));
                Ok(())
            }
            code if code.is_connection() => {
                self.shared.brokers.heard(code, &text);
                Ok(())
            }
            code if code.retriable() => {
                self.warn(format!("reading {place}: {text} ({}); trying again", code.name()));
                Ok(())
            }
            code => Err(Error::failed(&format!("cannot read {place}"), code, &text)),
        }
    }

    fn warn_of_missing(&self, reading: &mut Reading, topic: String) {
        if reading.warned.insert(topic.clone()) {
            self.warn(format!(
                "topic '{topic}' does not exist on the cluster. The consumer waits for it to be created"
            ));
        }
    }

    fn warn(&self, text: String) {
        self.shared.hooks.log(LogRecord { level: Level::Warning, text });
    }

    fn require_broker(&self, inlet: &Arc<Inlet>) -> Result<(), Error> {
        let Some(limit) = self.settings.unreachable_timeout else { return Ok(()) };
        let asked = inlet.clone();
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

    /// Without a group: finds the partitions of the topics that are still missing and begins to read them.
    pub(super) fn look_for_topics(
        &self,
        inlet: &Inlet,
        reading: &mut Reading,
        interrupt: Interrupt<'_>,
    ) -> Result<(), Error> {
        if reading.looked_at.is_some_and(|at| at.elapsed() < LOOK_AGAIN) {
            return Ok(());
        }
        reading.looked_at = Some(Instant::now());
        let mut list = PartitionList::new();
        for topic in std::mem::take(&mut reading.missing) {
            check(interrupt)?;
            match inlet.client().metadata(Some(&topic), Duration::from_millis(150)) {
                Ok(Ok(count)) => {
                    let start = if self.settings.from_end { END } else { BEGINNING };
                    for id in 0..i32::try_from(count).unwrap_or(i32::MAX) {
                        list.add(&topic, id, start);
                    }
                }
                Ok(Err(code)) if !code.retriable() || code == Code::UNKNOWN_TOPIC_OR_PART => {
                    if code != Code::UNKNOWN_TOPIC_OR_PART {
                        return Err(Error::failed(&format!("cannot read '{topic}'"), code, ""));
                    }
                    self.warn_of_missing(reading, topic.clone());
                    reading.missing.push(topic);
                }
                _ => reading.missing.push(topic),
            }
        }
        inlet
            .assign_more(&list)
            .map_err(|problem| Error::failed("cannot take on partitions", problem.code, &problem.text))
    }
}
