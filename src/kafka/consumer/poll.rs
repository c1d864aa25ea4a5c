//! Returns fetched messages to the program. A message is processed when the program asks for the next one.

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

/// The most messages of one fetch.
pub(super) const BATCH: usize = 500;
/// The same for a `consume` that asks for more.
const MAX_FETCH: usize = 10_000;
/// The most bytes that are returned at once, beyond the first message, since their objects are 5 to 10 times as large.
/// As much as the Java client fetches of a partition (`max.partition.fetch.bytes`).
const MAX_TAKEN_BYTES: usize = 1 << 20;
/// How often librdkafka is polled while a program processes a batch slowly: it measures `max.poll.interval.ms` between
/// polls, and a rebalance waits for one.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// What is known of the partitions that are read, under one lock.
#[derive(Default)]
pub(super) struct ReadState {
    /// Fetched and not returned.
    pub(super) buffer: VecDeque<Fetched>,
    /// Fetched and not to be returned now: of a paused partition, or after the end of an `UntilEnd`.
    pub(super) held: Vec<Fetched>,
    /// An `UntilEnd` may hold messages.
    pub(super) bounded: bool,
    /// Returned and not processed. Of consecutive messages of a partition only the last one.
    pub(super) returned: Vec<Fetched>,
    pub(super) processed: ProcessedOffsets,
    pub(super) paused: HashSet<Partition>,
    /// Seeks whose first message has not come. A seek while librdkafka looks up the start offset does not invalidate
    /// the answer, and reading starts there after all (rd_kafka_toppar_handle_Offset, 2.12).
    pub(super) pending_seeks: HashMap<Partition, PendingSeek>,
    /// Of partitions that replaced others in an assignment.
    pub(super) expected_positions: Vec<ExpectedPosition>,
    /// The position after the last unreadable message of a partition.
    pub(super) after_unreadable: HashMap<Partition, i64>,
    /// The first offset of messages that were dropped because of a revocation.
    pub(super) dropped_from: HashMap<Partition, i64>,
    pub(super) received: ReceivedPositions,
    /// The offsets at which partitions were assigned.
    pub(super) starts: HashMap<Partition, i64>,
    pub(super) read_errors: ReadErrors,
    pub(super) subscriptions: SubscriptionState,
    /// The group, or the program, has assigned partitions, or none.
    pub(super) assigned: bool,
    pub(super) fetched_at: Option<Instant>,
    /// Topics of a consumer without a group that have not been found.
    pub(super) missing: Vec<String>,
    pub(super) lookup: Option<TopicLookup>,
    pub(super) lookup_ended: Option<Instant>,
    pub(super) warned: HashSet<String>,
}

impl ReadState {
    fn polled_recently(&self) -> bool {
        self.fetched_at.is_some_and(|at| at.elapsed() < POLL_EVERY)
    }

    fn take_buffered(&mut self, limit: usize) -> Vec<Fetched> {
        let mut bytes = 0;
        let larger = self.buffer.iter().take(limit).skip(1).position(|message| {
            bytes += message.size();
            bytes > MAX_TAKEN_BYTES
        });
        let count = larger.map_or(limit.min(self.buffer.len()), |index| index + 1);
        self.buffer.drain(..count).collect()
    }

    /// Drops what was fetched of a partition and not returned.
    pub(super) fn drop_fetched(&mut self, partition: &Partition) {
        self.buffer.retain(|message| !message.is_from(partition));
        self.held.retain(|message| !message.is_from(partition));
        self.pending_seeks.remove(partition);
        self.after_unreadable.remove(partition);
        self.dropped_from.remove(partition);
        self.received.forget(partition);
    }

    /// Drops messages of revoked partitions. Keeps the position.
    pub(super) fn drop_buffered(&mut self, gone: impl Fn(&Fetched) -> bool) {
        let ReadState { buffer, held, dropped_from, .. } = self;
        for message in buffer.iter().chain(&*held).filter(|message| gone(message)) {
            let first = dropped_from.entry(message.topic_partition()).or_insert(message.offset());
            *first = message.offset().min(*first);
        }
        buffer.retain(|message| !gone(message));
        held.retain(|message| !gone(message));
    }

    /// Another member now reads this partition and commits its offsets.
    pub(super) fn forget(&mut self, partition: &Partition) {
        self.drop_fetched(partition);
        self.returned.retain(|message| !message.is_from(partition));
        self.paused.remove(partition);
        self.starts.remove(partition);
        self.processed.forget(partition);
        self.read_errors.forget(partition);
    }

    /// Returns held messages to the buffer, unless their partition is paused.
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

/// What a reader reported while another thread had the lock.
#[derive(Default)]
pub(super) struct DeferredUpdates {
    returned: Vec<Fetched>,
    put_back: Vec<Fetched>,
    unprocessed: bool,
}

fn put_first(buffer: &mut VecDeque<Fetched>, messages: impl IntoIterator<Item = Fetched>) {
    let rest = std::mem::take(buffer);
    buffer.extend(messages);
    buffer.extend(rest);
}

impl<H: ConsumerHooks> Consumer<H> {
    /// The next message if it is buffered. Messages returned before count as processed.
    pub fn try_next(&self) -> Result<Option<Fetched>, Error> {
        let Some(mut state) = self.try_lock_state() else { return Ok(None) };
        if self.closing.load(Ordering::Relaxed) || state.bounded {
            return Ok(None);
        }
        self.store_processed(&mut state);
        Ok(if state.polled_recently() { state.buffer.pop_front() } else { None })
    }

    /// Up to `limit` messages, as `try_next`.
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

    /// The next messages. Waits for the first one only. Messages returned before count as processed.
    pub fn next(&self, limit: usize, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<Vec<Fetched>, Error> {
        if !self.ready(limit, deadline, interrupt)? {
            return Ok(Vec::new());
        }
        Ok(self.lock(&self.state).take_buffered(limit))
    }

    /// Waits until a message is buffered; false at the deadline.
    pub fn ready(&self, limit: usize, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<bool, Error> {
        let _reader = self.lock_reader()?;
        let mut state = self.lock(&self.state);
        if std::mem::take(&mut state.bounded) {
            state.release_held();
        }
        drop(state);
        self.fill(limit, deadline, interrupt, |state| !state.buffer.is_empty())
    }

    /// Fetches until `ready`; false at the deadline. Messages returned before count as processed.
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

    /// The program has these messages. They are processed when it asks for the next one.
    pub fn mark_returned(&self, messages: impl IntoIterator<Item = Fetched>) {
        match self.try_lock_state() {
            Some(mut state) => messages.into_iter().for_each(|message| message.push_latest(&mut state.returned)),
            None => self.defer(|deferred| deferred.returned.extend(messages)),
        }
    }

    /// The caller may not wait for the lock: it may have the GIL, which the thread with the lock may wait for.
    fn defer(&self, put: impl FnOnce(&mut DeferredUpdates)) {
        put(&mut self.lock(&self.deferred));
        self.has_deferred.store(true, Ordering::Release);
    }

    pub(super) fn apply_deferred(&self, state: &mut ReadState) {
        if !self.has_deferred.swap(false, Ordering::Acquire) {
            return;
        }
        let deferred = std::mem::take(&mut *self.lock(&self.deferred));
        if deferred.unprocessed {
            state.returned.clear();
        }
        deferred.returned.into_iter().for_each(|message| message.push_latest(&mut state.returned));
        put_first(&mut state.buffer, deferred.put_back);
    }

    /// Makes these messages the next ones: the program did not get them.
    pub fn put_back(&self, messages: impl IntoIterator<Item = Fetched>) {
        match self.try_lock_state() {
            Some(mut state) => put_first(&mut state.buffer, messages),
            None => self.defer(|deferred| deferred.put_back.extend(messages)),
        }
    }

    /// The program failed on the messages returned last: do not commit them.
    pub fn mark_unprocessed(&self) {
        match self.try_lock_state() {
            Some(mut state) => {
                self.apply_deferred(&mut state);
                state.returned.clear();
            }
            None => self.defer(|deferred| {
                deferred.returned.clear();
                deferred.unprocessed = true;
            }),
        }
    }

    /// Marks returned messages as processed, to be committed.
    pub(super) fn store_processed(&self, state: &mut ReadState) {
        if self.has_deferred.load(Ordering::Relaxed) {
            self.apply_deferred(state);
        }
        if state.returned.is_empty() {
            return;
        }
        let native = if self.auto_commits(state) { self.current() } else { None };
        // Taken out and put back to reuse its memory.
        let mut returned = std::mem::take(&mut state.returned);
        for last in returned.drain(..) {
            if let Some(native) = &native {
                last.store_offset(native.client());
            }
            state.processed.processed(&last.topic(), last.partition(), last.offset());
        }
        state.returned = returned;
    }
}
