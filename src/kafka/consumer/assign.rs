//! `assign` and `unsubscribe`, and the rebalances of a replaced subscription.
//!
//! librdkafka delays an unsubscribe while the group rebalances, so an assignment and its revocation may come after it.
//! Each must be answered, or the member never leaves. The answer assigns nothing: an eager group replaces the whole
//! assignment, so the program's own is made again at its positions; a cooperative one (KIP-848, too) gets an empty list
//! of changes.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::close::SEND_DELAY;
use super::expected_position::ExpectedPosition;
use super::poll::{ReadState, BATCH};
use super::subscription_state::Subscription;
use super::{Consumer, ConsumerHooks};
use crate::kafka::client::error::Error;
use crate::kafka::client::wait::{check, Deadline, Interrupt, TICK};
use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::partitions::PartitionList;
#[cfg(target_os = "linux")]
use crate::librdkafka::pinned::left_group;
use crate::librdkafka::record::Partition;

/// How long a call waits for a read on another thread to end, to run the group's callbacks itself. A read that an event
/// loop has cancelled ends within a tick; any other runs them.
const READER_TIMEOUT: Duration = Duration::from_millis(200);
/// How long a call waits for the answer to the first JoinGroup request. Brokers since 2.2 answer it at once (KIP-394).
const FIRST_JOIN_TIMEOUT: Duration = Duration::from_millis(500);
/// How long the queued messages of a replaced subscription are drained to find its revocation.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

impl<H: ConsumerHooks> Consumer<H> {
    pub fn unsubscribe(&self, interrupt: Interrupt<'_>) -> Result<(), Error> {
        const FAILED: &str = "cannot unsubscribe";
        let native = self.open("unsubscribe")?;
        let (epoch, called) = self.end_subscription(&native, FAILED, interrupt)?;
        let mut state = self.lock_state();
        if state.subscriptions.epoch == epoch {
            self.replace_assignment(&native, FAILED, &[])?;
            state.forget_positions();
        }
        called
    }

    /// Reads these partitions and no others, from the given offset, else from the committed one, else from where
    /// `auto.offset.reset` says. Messages returned before count as processed.
    pub fn assign(&self, partitions: Vec<(Partition, Option<i64>)>, interrupt: Interrupt<'_>) -> Result<(), Error> {
        const FAILED: &str = "cannot assign partitions";
        let native = self.open("assign")?;
        for (index, (partition, _)) in partitions.iter().enumerate() {
            if partitions[..index].iter().any(|(other, _)| other == partition) {
                let twice = format!("'{}' [{}] is given twice", partition.topic, partition.id);
                return Err(Error::failed(FAILED, Code::INVALID_ARG, &twice));
            }
        }
        let replaces = !matches!(self.lock_state().subscriptions.current, Subscription::Nothing);
        let (epoch, called) = self.end_subscription(&native, FAILED, interrupt)?;
        let mut state = self.lock_state();
        if state.subscriptions.epoch != epoch {
            return called;
        }
        let replaces = replaces || state.subscriptions.joined.is_some();
        let position = |offset: Option<i64>| offset.unwrap_or_else(|| self.default_start());
        let manual: Vec<_> =
            partitions.iter().map(|(partition, offset)| (partition.clone(), position(*offset))).collect();
        self.replace_assignment(&native, FAILED, &manual)?;
        state.forget_positions();
        for (partition, start) in &manual {
            state.read_errors.started_at(partition, *start);
        }
        for (partition, offset) in &partitions {
            match offset {
                Some(offset) => {
                    state.processed.forget(partition);
                    state.starts.insert(partition.clone(), *offset);
                    if replaces {
                        state.expected_positions.push(ExpectedPosition::at(partition.clone(), *offset));
                    }
                }
                None => self.require_start(&mut state, partition),
            }
        }
        state.missing = manual.iter().map(|(partition, _)| partition.topic.to_string()).collect();
        state.missing.sort_unstable();
        state.missing.dedup();
        // Most topics return a message before the first lookup, which then leaves them out.
        state.lookup_ended = Some(Instant::now());
        state.subscriptions.replace(Subscription::Manual(manual));
        #[cfg(target_os = "linux")]
        if state.subscriptions.joined.is_some() {
            left_group::note(&self.group, true);
        }
        state.assigned = true;
        if self.on_mock && self.settings.auto_commit && state.subscriptions.joined.is_some() {
            const COMMITS: &str =
                "a mock cluster takes no commits of a consumer that has left its group: what is read by \
                this assignment is not committed";
            if state.warned.insert(COMMITS.to_owned()) {
                self.context.warn(COMMITS.to_owned());
            }
        }
        called
    }

    /// Ends the present subscription or assignment, and runs the callbacks of revocations that have come. Returns their
    /// error, and the epoch, which changes if they subscribe or assign.
    fn end_subscription(
        &self,
        native: &NativeConsumer,
        failed: &str,
        interrupt: Interrupt<'_>,
    ) -> Result<(u64, Result<(), Error>), Error> {
        self.await_first_join(native, interrupt)?;
        let mut state = self.lock_state();
        self.store_processed(&mut state);
        if self.settings.grouped && !self.lock(&self.subscribed).is_empty() {
            native.unsubscribe().map_err(|code| Error::failed(failed, code, ""))?;
        }
        state.drop_buffered(|_| true);
        // Messages that are dropped from now on do not count as received, nor do markers.
        state.received = Default::default();
        state.subscriptions.replace(Subscription::Nothing);
        state.assigned = false;
        state.lookup = None;
        state.missing.clear();
        state.read_errors = Default::default();
        self.lock(&self.subscribed).clear();
        let epoch = state.subscriptions.epoch;
        let in_group = state.subscriptions.joined.is_some();
        drop(state);
        let called = if in_group { self.serve_events(native, interrupt) } else { Ok(()) };
        Ok((epoch, called))
    }

    /// When the subscription changes, librdkafka forgets its first JoinGroup request. The broker does not: until the
    /// session times out, the group waits for the member that was named in the answer.
    pub(super) fn await_first_join(&self, native: &NativeConsumer, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let Some(joined) = self.lock_state().subscriptions.joined.filter(|_| self.context.unsubscribes_first) else {
            return Ok(());
        };
        let answered = Deadline::after(Some(FIRST_JOIN_TIMEOUT));
        let under_way = || self.context.joining.load(Ordering::SeqCst) || joined.elapsed() < SEND_DELAY;
        while under_way() && native.member_id().is_empty() && !answered.passed() {
            std::thread::sleep(TICK / 10);
            check(interrupt)?;
        }
        Ok(())
    }

    /// Handles the events that have come. Drops messages between them: nothing is subscribed to.
    fn serve_events(&self, native: &NativeConsumer, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let reader_deadline = Deadline::after(Some(READER_TIMEOUT));
        let _reader = loop {
            match self.lock_reader() {
                Ok(reader) => break reader,
                // That read handles them.
                Err(_) if self.in_hook() || reader_deadline.passed() => return Ok(()),
                Err(_) => std::thread::sleep(TICK / 10),
            }
            check(interrupt)?;
        };
        let drain_deadline = Deadline::after(Some(DRAIN_TIMEOUT));
        let mut result = Ok(());
        loop {
            let state = self.lock_state();
            let fetched = native.drain(BATCH);
            drop(state);
            result = result.and(self.handle_events(native));
            if fetched == 0 || drain_deadline.passed() {
                return result;
            }
            check(interrupt)?;
        }
    }

    /// Replaces librdkafka's assignment by the group's protocol, or by the last group's after leaving it.
    pub(super) fn replace_assignment(
        &self,
        native: &NativeConsumer,
        failed: &str,
        manual: &[(Partition, i64)],
    ) -> Result<(), Error> {
        let list = PartitionList::of(manual.iter().map(|(partition, offset)| (partition, *offset)));
        let mut attempts = 3;
        loop {
            match native.replace_assignment(&list) {
                // The member joined the group at this moment and now uses its protocol.
                Err(problem) if problem.code == Code::STATE && attempts > 0 => attempts -= 1,
                result => return result.map_err(|problem| Error::failed(failed, problem.code, &problem.text)),
            }
        }
    }

    /// Answers a rebalance of a replaced subscription without reading any of its partitions.
    pub(super) fn keep_assignment(&self, native: &NativeConsumer, assign: bool, state: &mut ReadState) {
        if native.cooperative() || state.subscriptions.manual().is_none() || self.closing() {
            return self.context.apply_rebalance(native, assign, &[]);
        }
        // Before the answer, which ends the fetches.
        let positions = state.manual_positions(native);
        if !assign {
            self.context.apply_rebalance(native, false, &[]);
        }
        if let Err(error) = self.replace_assignment(native, "rebalance: cannot keep the assignment", &positions) {
            self.context.warn(error.to_string());
        }
        state.restarted_at(positions);
        if !state.paused.is_empty() {
            // An assignment makes librdkafka forget pauses.
            let _ = native.pause(&PartitionList::without_offsets(&state.paused));
        }
    }

    /// Replaces what was read before by a subscription.
    pub(super) fn start_subscription(
        &self,
        native: &NativeConsumer,
        state: &mut ReadState,
        topics: &[String],
    ) -> Result<(), Error> {
        if state.subscriptions.manual().is_some() {
            self.store_processed(state);
            state.subscriptions.replace(Subscription::Nothing);
            self.replace_assignment(native, "cannot subscribe", &[])?;
            state.forget_all();
            state.assigned = false;
        }
        state.subscriptions.replace(Subscription::Topics(topics.to_vec()));
        if self.settings.grouped {
            #[cfg(target_os = "linux")]
            left_group::note(&self.group, false);
            state.subscriptions.joined = Some(Instant::now());
        }
        if state.subscriptions.topics_replaced {
            let subscriptions = std::mem::take(&mut state.subscriptions);
            state.drop_buffered(|message| !subscriptions.wants_topic(&message.topic()));
            state.subscriptions = subscriptions;
        }
        Ok(())
    }

    /// Reads partitions again that an unsubscribe dropped before the group learned of it, since the next subscription
    /// came first: a cooperative group does not assign them again.
    pub(super) fn reassign_unsubscribed(&self, native: &NativeConsumer, state: &ReadState) {
        if native.cooperative() {
            self.context.reassign(native, &state.subscriptions.still_assigned());
        }
    }
}
