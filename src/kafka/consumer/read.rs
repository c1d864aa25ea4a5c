//! Reading: batches from librdkafka, handed out message by message, done when the next one is asked for.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::assignment::Assignment;
pub(super) use super::fetch::Sought;
use super::lookup::Lookup;
use super::markers::Received;
use super::offsets::Offsets;
use super::stopped::Stopped;
use super::stray::Expected;
use super::{Consumer, ConsumerHooks};
use crate::kafka::client::error::Error;
use crate::kafka::client::wait::{check, Deadline, Interrupt, TICK};
use crate::librdkafka::fetched::Fetched;
use crate::librdkafka::record::Partition;

/// Messages taken from librdkafka in one go.
pub(super) const BATCH: usize = 500;
/// More than this is never taken at once, whatever `consume` asks for.
const LARGEST_BATCH: usize = 10_000;
/// Nor more bytes, beyond the first message, since their objects are 5 to 10 times as large: what the Java client takes of a
/// partition at once (`max.partition.fetch.bytes`).
const LARGEST_PORTION: usize = 1 << 20;
/// librdkafka counts `max.poll.interval.ms` by its own polls, and a rebalance waits for one: while a batch is handed out
/// slowly, it is polled this often all the same.
const POLL_EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Reading {
    /// Fetched and not handed out.
    pub(super) buffer: VecDeque<Fetched>,
    /// Fetched, and not to be handed out now: its partition is paused, or it lies behind the end of an `until`.
    pub(super) held: Vec<Fetched>,
    /// Something may be held by an `until`.
    pub(super) bounded: bool,
    /// Handed out, and done when the next one is asked for: the last of each row.
    pub(super) handed_out: Vec<Fetched>,
    pub(super) offsets: Offsets,
    pub(super) paused: HashSet<Partition>,
    /// Seeks whose first message has not come. librdkafka may have been looking up where to begin when it was told to seek,
    /// and then begins there after all: its answer is not held against the seek (rd_kafka_toppar_handle_Offset, 2.12).
    pub(super) sought: HashMap<Partition, Sought>,
    /// The next offsets of partitions that were assigned in place of others.
    pub(super) expected: Vec<Expected>,
    /// Where reading went on after the last message of a partition that cannot be read.
    pub(super) unreadable: HashMap<Partition, i64>,
    /// Where the messages began that were dropped because their partitions go.
    pub(super) dropped: HashMap<Partition, i64>,
    pub(super) received: Received,
    /// Offsets that partitions were assigned with.
    pub(super) starts: HashMap<Partition, i64>,
    /// What ended reading.
    pub(super) stopped: Stopped,
    pub(super) assignment: Assignment,
    /// Partitions were shared out, if only none, or are of one's own choice.
    pub(super) assigned: bool,
    pub(super) fetched_at: Option<Instant>,
    /// Topics of a groupless consumer that have not been found yet.
    pub(super) missing: Vec<String>,
    pub(super) lookup: Option<Lookup>,
    /// When a lookup ended.
    pub(super) looked_at: Option<Instant>,
    pub(super) warned: HashSet<String>,
}

impl Reading {
    /// Whether librdkafka has been polled lately enough.
    fn fresh(&self) -> bool {
        self.fetched_at.is_some_and(|at| at.elapsed() < POLL_EVERY)
    }

    /// Takes the next messages out of the buffer.
    fn portion(&mut self, limit: usize) -> Vec<Fetched> {
        let mut bytes = 0;
        let larger = self.buffer.iter().take(limit).skip(1).position(|message| {
            bytes += message.size();
            bytes > LARGEST_PORTION
        });
        let count = larger.map_or(limit.min(self.buffer.len()), |index| index + 1);
        self.buffer.drain(..count).collect()
    }

    /// Drops what was fetched of a partition and not handed out.
    pub(super) fn discard(&mut self, partition: &Partition) {
        self.buffer.retain(|message| !message.is_of(partition));
        self.held.retain(|message| !message.is_of(partition));
        self.sought.remove(partition);
        self.unreadable.remove(partition);
        self.dropped.remove(partition);
        self.received.forget(partition);
    }

    /// Drops messages of partitions that go, and keeps in mind where reading stood.
    pub(super) fn give_up(&mut self, gone: impl Fn(&Fetched) -> bool) {
        let Reading { buffer, held, dropped, .. } = self;
        for message in buffer.iter().chain(&*held).filter(|message| gone(message)) {
            let first = dropped.entry(message.topic_partition()).or_insert(message.offset());
            *first = message.offset().min(*first);
        }
        buffer.retain(|message| !gone(message));
        held.retain(|message| !gone(message));
    }

    /// Another member reads this partition now, and commits its offsets.
    pub(super) fn forget(&mut self, partition: &Partition) {
        self.discard(partition);
        self.handed_out.retain(|message| !message.is_of(partition));
        self.paused.remove(partition);
        self.starts.remove(partition);
        self.offsets.forget(partition);
        self.stopped.forget(partition);
    }

    /// Puts back what was held, unless its partition is paused.
    pub(super) fn release(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let (held, paused) = (std::mem::take(&mut self.held), &self.paused);
        let (stays, back): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|message| paused.iter().any(|partition| message.is_of(partition)));
        self.held = stays;
        put_first(&mut self.buffer, back);
    }
}

/// What a reader handed out or gave back while another thread had the lock.
#[derive(Default)]
pub(super) struct Deferred {
    handed_out: Vec<Fetched>,
    given_back: Vec<Fetched>,
    abandoned: bool,
}

fn put_first(buffer: &mut VecDeque<Fetched>, messages: impl IntoIterator<Item = Fetched>) {
    let rest = std::mem::take(buffer);
    buffer.extend(messages);
    buffer.extend(rest);
}

impl<H: ConsumerHooks> Consumer<H> {
    /// The next message if it is at hand, without waiting. What was handed out before is done.
    pub fn try_next(&self) -> Result<Option<Fetched>, Error> {
        let Some(mut reading) = self.reading_now() else { return Ok(None) };
        if self.closing.load(Ordering::Relaxed) || reading.bounded {
            return Ok(None);
        }
        self.settle(&mut reading);
        Ok(if reading.fresh() { reading.buffer.pop_front() } else { None })
    }

    /// As `try_next`, for up to `limit` messages.
    pub fn try_take(&self, limit: usize) -> Vec<Fetched> {
        let Some(mut reading) = self.reading_now() else { return Vec::new() };
        if self.closing.load(Ordering::Relaxed) || reading.bounded {
            return Vec::new();
        }
        self.settle(&mut reading);
        if reading.fresh() {
            reading.portion(limit)
        } else {
            Vec::new()
        }
    }

    /// The next messages: waits for the first up to the deadline, and for no other. What was handed out before is done.
    pub fn next(&self, limit: usize, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<Vec<Fetched>, Error> {
        if !self.ready(limit, deadline, interrupt)? {
            return Ok(Vec::new());
        }
        Ok(self.lock(&self.reading).portion(limit))
    }

    /// Waits for a message up to the deadline, which is false. It stays here until somebody takes it.
    pub fn ready(&self, limit: usize, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<bool, Error> {
        let _reader = self.be_reader()?;
        let mut reading = self.lock(&self.reading);
        if std::mem::take(&mut reading.bounded) {
            reading.release();
        }
        drop(reading);
        self.fill(limit, deadline, interrupt, |reading| !reading.buffer.is_empty())
    }

    /// Fetches until `ready` or the deadline, which is false. What was handed out before is done.
    pub(super) fn fill(
        &self,
        limit: usize,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
        ready: impl Fn(&Reading) -> bool,
    ) -> Result<bool, Error> {
        let native = self.open("read")?;
        loop {
            if self.closing.load(Ordering::Relaxed) {
                return Err(Error::Closed { operation: "read", object: "consumer" });
            }
            let mut reading = self.lock(&self.reading);
            self.settle(&mut reading);
            let mut fetched = Ok(());
            if !ready(&reading) || !reading.fresh() {
                let at_once = ready(&reading) || reading.stopped.error().is_some();
                let patience = if at_once { Duration::ZERO } else { deadline.step(TICK) };
                fetched = self.fetch(&native, &mut reading, patience, limit.clamp(BATCH, LARGEST_BATCH));
                if reading.buffer.is_empty() {
                    self.pass_markers_if_due(&native, &mut reading);
                }
            }
            drop(reading);
            self.act_on_notices(&native).and(fetched)?;
            if ready(&self.lock(&self.reading)) {
                return Ok(true);
            }
            self.require_mended(&native)?;
            check(interrupt)?;
            self.require_broker(&native)?;
            if deadline.passed() {
                return Ok(false);
            }
            self.let_others_in();
        }
    }

    /// The caller passed these messages on; they are done when the next one is asked for.
    pub fn handed_out(&self, messages: impl IntoIterator<Item = Fetched>) {
        match self.reading_now() {
            Some(mut reading) => messages.into_iter().for_each(|message| message.add_to(&mut reading.handed_out)),
            None => self.put_aside(|aside| aside.handed_out.extend(messages)),
        }
    }

    /// The caller may hold what another thread wants before it gives up the lock (Python's GIL), and must not wait for it.
    fn put_aside(&self, put: impl FnOnce(&mut Deferred)) {
        put(&mut self.lock(&self.aside));
        self.has_aside.store(true, Ordering::Release);
    }

    /// What was put aside while another thread had the lock.
    pub(super) fn take_aside(&self, reading: &mut Reading) {
        if !self.has_aside.swap(false, Ordering::Acquire) {
            return;
        }
        let aside = std::mem::take(&mut *self.lock(&self.aside));
        if aside.abandoned {
            reading.handed_out.clear();
        }
        aside.handed_out.into_iter().for_each(|message| message.add_to(&mut reading.handed_out));
        put_first(&mut reading.buffer, aside.given_back);
    }

    /// Takes back messages that were not passed on, to be the next ones.
    pub fn give_back(&self, messages: impl IntoIterator<Item = Fetched>) {
        match self.reading_now() {
            Some(mut reading) => put_first(&mut reading.buffer, messages),
            None => self.put_aside(|aside| aside.given_back.extend(messages)),
        }
    }

    /// The user's code failed on what was handed out last: do not commit it.
    pub fn abandon(&self) {
        match self.reading_now() {
            Some(mut reading) => {
                self.take_aside(&mut reading);
                reading.handed_out.clear();
            }
            None => self.put_aside(|aside| {
                aside.handed_out.clear();
                aside.abandoned = true;
            }),
        }
    }

    /// What was handed out is done, and may be committed.
    pub(super) fn settle(&self, reading: &mut Reading) {
        if self.has_aside.load(Ordering::Relaxed) {
            self.take_aside(reading);
        }
        if reading.handed_out.is_empty() {
            return;
        }
        let native = if self.commits_by_itself(reading) { self.current() } else { None };
        // Taken out and put back: its memory is kept.
        let mut rows = std::mem::take(&mut reading.handed_out);
        for last in rows.drain(..) {
            if let Some(native) = &native {
                last.store_offset(native.client());
            }
            reading.offsets.done(&last.topic(), last.partition(), last.offset());
        }
        reading.handed_out = rows;
    }
}
