//! Reading: batches from librdkafka, handed out message by message, done when the next one is asked for.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::expected_position::ExpectedPosition;
pub(super) use super::fetch::PendingSeek;
use super::processed_offsets::ProcessedOffsets;
use super::read_errors::ReadErrors;
use super::subscription_state::SubscriptionState;
use super::topic_lookup::TopicLookup;
use super::transaction_markers::ReceivedPositions;
use super::{Consumer, ConsumerHooks};
use crate::kafka::client::error::Error;
use crate::kafka::client::wait::{check, Deadline, Interrupt, TICK};
use crate::librdkafka::fetched::Fetched;
use crate::librdkafka::record::Partition;

/// Messages taken from librdkafka in one go.
pub(super) const BATCH: usize = 500;
/// More than this is never taken at once, whatever `consume` asks for.
const MAX_FETCH: usize = 10_000;
/// Nor more bytes, beyond the first message, since their objects are 5 to 10 times as large: what the Java client takes of a
/// partition at once (`max.partition.fetch.bytes`).
const MAX_TAKEN_BYTES: usize = 1 << 20;
/// librdkafka counts `max.poll.interval.ms` by its own polls, and a rebalance waits for one: while a batch is handed out
/// slowly, it is polled this often all the same.
const POLL_EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct ReadState {
    /// Fetched and not handed out.
    pub(super) buffer: VecDeque<Fetched>,
    /// Fetched, and not to be handed out now: its partition is paused, or it lies behind the end of an `until`.
    pub(super) held: Vec<Fetched>,
    /// Something may be held by an `until`.
    pub(super) bounded: bool,
    /// Handed out, and done when the next one is asked for: the last of each row.
    pub(super) returned: Vec<Fetched>,
    pub(super) processed: ProcessedOffsets,
    pub(super) paused: HashSet<Partition>,
    /// Seeks whose first message has not come. librdkafka may have been looking up where to begin when it was told to seek,
    /// and then begins there after all: its answer is not held against the seek (rd_kafka_toppar_handle_Offset, 2.12).
    pub(super) pending_seeks: HashMap<Partition, PendingSeek>,
    /// The next offsets of partitions that were assigned in place of others.
    pub(super) expected_positions: Vec<ExpectedPosition>,
    /// Where reading went on after the last message of a partition that cannot be read.
    pub(super) unreadable: HashMap<Partition, i64>,
    /// Where the messages began that were dropped because their partitions go.
    pub(super) dropped: HashMap<Partition, i64>,
    pub(super) received: ReceivedPositions,
    /// Offsets that partitions were assigned with.
    pub(super) starts: HashMap<Partition, i64>,
    /// What ended reading.
    pub(super) read_errors: ReadErrors,
    pub(super) subscriptions: SubscriptionState,
    /// Partitions were shared out, if only none, or are of one's own choice.
    pub(super) assigned: bool,
    pub(super) fetched_at: Option<Instant>,
    /// Topics of a groupless consumer that have not been found yet.
    pub(super) missing: Vec<String>,
    pub(super) lookup: Option<TopicLookup>,
    /// When a lookup ended.
    pub(super) lookup_ended: Option<Instant>,
    pub(super) warned: HashSet<String>,
}

impl ReadState {
    /// Whether librdkafka has been polled lately enough.
    fn polled_recently(&self) -> bool {
        self.fetched_at.is_some_and(|at| at.elapsed() < POLL_EVERY)
    }

    /// Takes the next messages out of the buffer.
    fn take_buffered(&mut self, limit: usize) -> Vec<Fetched> {
        let mut bytes = 0;
        let larger = self.buffer.iter().take(limit).skip(1).position(|message| {
            bytes += message.size();
            bytes > MAX_TAKEN_BYTES
        });
        let count = larger.map_or(limit.min(self.buffer.len()), |index| index + 1);
        self.buffer.drain(..count).collect()
    }

    /// Drops what was fetched of a partition and not handed out.
    pub(super) fn drop_fetched(&mut self, partition: &Partition) {
        self.buffer.retain(|message| !message.is_from(partition));
        self.held.retain(|message| !message.is_from(partition));
        self.pending_seeks.remove(partition);
        self.unreadable.remove(partition);
        self.dropped.remove(partition);
        self.received.forget(partition);
    }

    /// Drops messages of partitions that go, and keeps in mind where reading stood.
    pub(super) fn drop_buffered(&mut self, gone: impl Fn(&Fetched) -> bool) {
        let ReadState { buffer, held, dropped, .. } = self;
        for message in buffer.iter().chain(&*held).filter(|message| gone(message)) {
            let first = dropped.entry(message.topic_partition()).or_insert(message.offset());
            *first = message.offset().min(*first);
        }
        buffer.retain(|message| !gone(message));
        held.retain(|message| !gone(message));
    }

    /// Another member reads this partition now, and commits its offsets.
    pub(super) fn forget(&mut self, partition: &Partition) {
        self.drop_fetched(partition);
        self.returned.retain(|message| !message.is_from(partition));
        self.paused.remove(partition);
        self.starts.remove(partition);
        self.processed.forget(partition);
        self.read_errors.forget(partition);
    }

    /// Puts back what was held, unless its partition is paused.
    pub(super) fn release_held(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let (held, paused) = (std::mem::take(&mut self.held), &self.paused);
        let (stays, back): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|message| paused.iter().any(|partition| message.is_from(partition)));
        self.held = stays;
        put_first(&mut self.buffer, back);
    }
}

/// What a reader handed out or gave back while another thread had the lock.
#[derive(Default)]
pub(super) struct DeferredUpdates {
    returned: Vec<Fetched>,
    put_back: Vec<Fetched>,
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
        let Some(mut state) = self.try_lock_state() else { return Ok(None) };
        if self.closing.load(Ordering::Relaxed) || state.bounded {
            return Ok(None);
        }
        self.store_processed(&mut state);
        Ok(if state.polled_recently() { state.buffer.pop_front() } else { None })
    }

    /// As `try_next`, for up to `limit` messages.
    pub fn try_take(&self, limit: usize) -> Vec<Fetched> {
        let Some(mut state) = self.try_lock_state() else { return Vec::new() };
        if self.closing.load(Ordering::Relaxed) || state.bounded {
            return Vec::new();
        }
        self.store_processed(&mut state);
        if state.polled_recently() {
            state.take_buffered(limit)
        } else {
            Vec::new()
        }
    }

    /// The next messages: waits for the first up to the deadline, and for no other. What was handed out before is done.
    pub fn next(&self, limit: usize, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<Vec<Fetched>, Error> {
        if !self.ready(limit, deadline, interrupt)? {
            return Ok(Vec::new());
        }
        Ok(self.lock(&self.state).take_buffered(limit))
    }

    /// Waits for a message up to the deadline, which is false. It stays here until somebody takes it.
    pub fn ready(&self, limit: usize, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<bool, Error> {
        let _reader = self.lock_reader()?;
        let mut state = self.lock(&self.state);
        if std::mem::take(&mut state.bounded) {
            state.release_held();
        }
        drop(state);
        self.fill(limit, deadline, interrupt, |state| !state.buffer.is_empty())
    }

    /// Fetches until `ready` or the deadline, which is false. What was handed out before is done.
    pub(super) fn fill(
        &self,
        limit: usize,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
        ready: impl Fn(&ReadState) -> bool,
    ) -> Result<bool, Error> {
        let native = self.open("read")?;
        loop {
            if self.closing.load(Ordering::Relaxed) {
                return Err(Error::Closed { operation: "read", object: "consumer" });
            }
            let mut state = self.lock(&self.state);
            self.store_processed(&mut state);
            let mut fetched = Ok(());
            if !ready(&state) || !state.polled_recently() {
                let at_once = ready(&state) || state.read_errors.error().is_some();
                let timeout = if at_once { Duration::ZERO } else { deadline.step(TICK) };
                fetched = self.fetch(&native, &mut state, timeout, limit.clamp(BATCH, MAX_FETCH));
                if state.buffer.is_empty() {
                    self.store_after_markers_if_due(&native, &mut state);
                }
            }
            drop(state);
            self.handle_events(&native).and(fetched)?;
            if ready(&self.lock(&self.state)) {
                return Ok(true);
            }
            self.raise_read_error(&native)?;
            check(interrupt)?;
            self.raise_if_unreachable(&native)?;
            if deadline.passed() {
                return Ok(false);
            }
            self.yield_lock();
        }
    }

    /// The caller passed these messages on; they are done when the next one is asked for.
    pub fn mark_returned(&self, messages: impl IntoIterator<Item = Fetched>) {
        match self.try_lock_state() {
            Some(mut state) => messages.into_iter().for_each(|message| message.push_latest(&mut state.returned)),
            None => self.defer(|deferred| deferred.returned.extend(messages)),
        }
    }

    /// The caller may hold what another thread wants before it gives up the lock (Python's GIL), and must not wait for it.
    fn defer(&self, put: impl FnOnce(&mut DeferredUpdates)) {
        put(&mut self.lock(&self.deferred));
        self.has_deferred.store(true, Ordering::Release);
    }

    /// What was put aside while another thread had the lock.
    pub(super) fn apply_deferred(&self, state: &mut ReadState) {
        if !self.has_deferred.swap(false, Ordering::Acquire) {
            return;
        }
        let deferred = std::mem::take(&mut *self.lock(&self.deferred));
        if deferred.abandoned {
            state.returned.clear();
        }
        deferred.returned.into_iter().for_each(|message| message.push_latest(&mut state.returned));
        put_first(&mut state.buffer, deferred.put_back);
    }

    /// Takes back messages that were not passed on, to be the next ones.
    pub fn put_back(&self, messages: impl IntoIterator<Item = Fetched>) {
        match self.try_lock_state() {
            Some(mut state) => put_first(&mut state.buffer, messages),
            None => self.defer(|deferred| deferred.put_back.extend(messages)),
        }
    }

    /// The user's code failed on what was handed out last: do not commit it.
    pub fn mark_unprocessed(&self) {
        match self.try_lock_state() {
            Some(mut state) => {
                self.apply_deferred(&mut state);
                state.returned.clear();
            }
            None => self.defer(|deferred| {
                deferred.returned.clear();
                deferred.abandoned = true;
            }),
        }
    }

    /// What was handed out is done, and may be committed.
    pub(super) fn store_processed(&self, state: &mut ReadState) {
        if self.has_deferred.load(Ordering::Relaxed) {
            self.apply_deferred(state);
        }
        if state.returned.is_empty() {
            return;
        }
        let native = if self.auto_commits(state) { self.current() } else { None };
        // Taken out and put back: its memory is kept.
        let mut rows = std::mem::take(&mut state.returned);
        for last in rows.drain(..) {
            if let Some(native) = &native {
                last.store_offset(native.client());
            }
            state.processed.processed(&last.topic(), last.partition(), last.offset());
        }
        state.returned = rows;
    }
}
