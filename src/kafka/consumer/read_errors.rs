//! Errors that end reading, of a partition, a topic or the whole group. librdkafka reports each of them once, so they
//! are kept here and raised at every read until reading works again.

use std::time::{Duration, Instant};

use super::poll::ReadState;
use super::{Consumer, ConsumerHooks};
use crate::kafka::client::error::Error;
use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::fetched::Fetched;
use crate::librdkafka::partitions::{PartitionList, NO_OFFSET};
use crate::librdkafka::record::{Partition, WHOLE};

/// For how long a new subscription or a seek suppresses an error: librdkafka does not report it again, and joining a
/// group takes 3 s with the default `group.initial.rebalance.delay.ms`.
const RETRY_TIME: Duration = Duration::from_secs(5);

struct ReadError {
    partition: Partition,
    error: Error,
    /// When the program last subscribed, assigned or sought.
    retried_at: Option<Instant>,
}

#[derive(Default)]
pub(super) struct ReadErrors {
    errors: Vec<ReadError>,
    /// The start offsets of partitions from which no message has come.
    started: Vec<(Partition, i64)>,
    /// The partitions that a late report may have stopped, to start again.
    restarts: Vec<(Partition, i64)>,
}

impl ReadErrors {
    /// A seek, an assignment or a subscription starts the partition at this offset. An error of an earlier fetch may
    /// still come and stop the partition: rd_kafka_offset_reset does not compare versions.
    pub(super) fn started_at(&mut self, partition: &Partition, offset: i64) {
        self.started.retain(|(started, _)| started != partition);
        self.started.push((partition.clone(), offset));
        self.mark_retried(|entry| entry == partition || (entry.id == WHOLE && entry.is_within(&partition.topic)));
    }

    fn mark_retried(&mut self, is_retried: impl Fn(&Partition) -> bool) {
        let retried = self.errors.iter_mut().filter(|entry| is_retried(&entry.partition));
        retried.for_each(|entry| entry.retried_at = Some(Instant::now()));
    }

    /// Whether a missing start offset may be reported by an earlier fetch. The partition is then started again, and the
    /// next report counts.
    fn may_be_late(&mut self, partition: &Partition) -> bool {
        let found = self.started.iter().position(|(started, _)| started == partition);
        found.map(|index| self.restarts.push(self.started.swap_remove(index))).is_some()
    }

    pub(super) fn take_restarts(&mut self) -> Vec<(Partition, i64)> {
        std::mem::take(&mut self.restarts)
    }

    /// Whether librdkafka stops reading after this error. Otherwise it retries.
    pub(super) fn is_lasting(code: Code, about: &Partition) -> bool {
        let refused = matches!(
            code,
            Code::AUTO_OFFSET_RESET
                | Code::TOPIC_AUTHORIZATION_FAILED
                | Code::GROUP_AUTHORIZATION_FAILED
                | Code::CLUSTER_AUTHORIZATION_FAILED
        );
        // An error of the coordinator has no topic. After one about an old generation the member joins again.
        refused || (about.id == WHOLE && code.0 > 0 && !code.is_rebalance())
    }

    pub(super) fn add(&mut self, partition: Partition, error: Error) {
        // The report may be older than the retry.
        let retried_at =
            self.errors.iter().find(|entry| entry.partition == partition).and_then(|entry| entry.retried_at);
        self.clear(&partition);
        self.errors.push(ReadError { partition, error, retried_at });
    }

    /// The oldest error to raise.
    pub(super) fn error(&self) -> Option<&Error> {
        let raised = |entry: &&ReadError| entry.retried_at.is_none_or(|at| at.elapsed() > RETRY_TIME);
        self.errors.iter().find(raised).map(|entry| &entry.error)
    }

    pub(super) fn clear(&mut self, partition: &Partition) {
        self.errors.retain(|entry| entry.partition != *partition);
    }

    pub(super) fn forget(&mut self, partition: &Partition) {
        self.clear(partition);
        self.started.retain(|(started, _)| started != partition);
        self.restarts.retain(|(due, _)| due != partition);
    }

    /// A message shows that its partition, its topic and the group can be read.
    pub(super) fn received(&mut self, message: &Fetched) {
        if self.errors.is_empty() && self.started.is_empty() {
            return;
        }
        self.started.retain(|(started, _)| !message.is_from(started));
        self.errors.retain(|ReadError { partition, .. }| {
            let whole = partition.id == WHOLE && partition.is_within(&message.topic());
            !whole && !message.is_from(partition)
        });
    }

    /// An assignment shows that the group and the topics can be read.
    pub(super) fn assigned(&mut self, partitions: &[Partition]) {
        self.errors.retain(|ReadError { partition: stopped, .. }| {
            let is_assigned = || partitions.iter().any(|partition| stopped.is_within(&partition.topic));
            stopped.id != WHOLE || !(stopped.topic.is_empty() || is_assigned())
        });
    }

    /// Keeps the errors of these topics, which are subscribed to again.
    fn retain_topics(&mut self, topics: &[String]) {
        self.errors.retain(|entry| topics.iter().any(|topic| entry.partition.is_within(topic)));
        self.mark_retried(|_| true);
    }

    /// Whether there is an error of a topic. librdkafka does not retry it for a member of a group.
    pub(super) fn has_topic_errors(&self) -> bool {
        self.errors.iter().any(|entry| entry.partition.id == WHOLE && !entry.partition.topic.is_empty())
    }

    pub(super) fn contains(&self, partition: &Partition) -> bool {
        self.errors.iter().any(|entry| entry.partition == *partition)
    }

    fn without_offset(&self) -> Vec<Partition> {
        let reset = |error: &Error| matches!(error, Error::Failed { code: Code::AUTO_OFFSET_RESET, .. });
        self.errors.iter().filter(|entry| reset(&entry.error)).map(|entry| entry.partition.clone()).collect()
    }
}

/// The error for a partition without a start offset, with `auto_offset_reset="error"`.
pub(super) fn no_start_offset(partition: &Partition, reason: &str) -> Error {
    let operation = format!("cannot read '{}' [{}]", partition.topic, partition.id);
    let advice = "auto_offset_reset is \"error\", so set a position: seek, or assign with an offset";
    Error::failed(&operation, Code::AUTO_OFFSET_RESET, &format!("{reason}. {advice}"))
}

impl<H: ConsumerHooks> Consumer<H> {
    /// Raises the error that ended reading, if any.
    pub(super) fn raise_read_error(&self, native: &NativeConsumer) -> Result<(), Error> {
        if let Some((code, why)) = native.client().fatal_error() {
            let message = format!(
                "cannot read: {why} ({}). This consumer cannot continue; close it and make a new one",
                code.name()
            );
            return Err(Error::Failed { message, code, fatal: true });
        }
        self.lock(&self.state).read_errors.error().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Reads stopped partitions again from these offsets. They cannot be sought (rd_kafka_toppar_seek refuses in the
    /// state NONE), so they are assigned again.
    pub(super) fn restart(
        &self,
        native: &NativeConsumer,
        state: &mut ReadState,
        stopped: &[(Partition, i64)],
    ) -> Result<(), Error> {
        if stopped.is_empty() {
            return Ok(());
        }
        let failed = |code: Code, text: &str| Error::failed("cannot restart a stopped partition", code, text);
        let list = PartitionList::of(stopped.iter().map(|(partition, offset)| (partition, *offset)));
        if native.eager() {
            // An eager group's assignment changes only as a whole.
            let assigned = self.assignment()?;
            let taken =
                native.positions(&PartitionList::without_offsets(&assigned)).map_err(|code| failed(code, ""))?;
            let position = |partition: &Partition| {
                let target = stopped.iter().find(|(stopped, _)| stopped == partition).map(|(_, offset)| *offset);
                let seek = || state.pending_seeks.get(partition).map(|seek| seek.offset);
                let taken = || taken.iter().find(|e| e.partition == *partition && e.offset >= 0).map(|e| e.offset);
                let start = || state.starts.get(partition).copied();
                target.or_else(seek).or_else(taken).or_else(start).unwrap_or(NO_OFFSET)
            };
            let all: Vec<_> = assigned.iter().map(|partition| (partition.clone(), position(partition))).collect();
            let list = PartitionList::of(all.iter().map(|(partition, offset)| (partition, *offset)));
            native.assign(&list).map_err(|code| failed(code, ""))?;
            state.restarted_at(all);
        } else {
            native.incremental_unassign(&list).map_err(|problem| failed(problem.code, &problem.text))?;
            native.incremental_assign(&list).map_err(|problem| failed(problem.code, &problem.text))?;
        }
        if !state.paused.is_empty() {
            // An assignment makes librdkafka forget pauses.
            let _ = native.pause(&PartitionList::without_offsets(&state.paused));
        }
        stopped.iter().for_each(|(partition, _)| state.read_errors.clear(partition));
        Ok(())
    }

    /// A new subscription looks up missing start offsets again.
    pub(super) fn retry_without_offset(
        &self,
        native: &NativeConsumer,
        state: &mut ReadState,
        topics: &[String],
    ) -> Result<(), Error> {
        state.read_errors.retain_topics(topics);
        if !self.settings.grouped {
            return Ok(());
        }
        let assigned = self.assignment()?;
        let (again, gone): (Vec<_>, Vec<_>) =
            state.read_errors.without_offset().into_iter().partition(|partition| assigned.contains(partition));
        gone.iter().for_each(|partition| state.read_errors.forget(partition));
        assigned.iter().for_each(|partition| state.read_errors.started_at(partition, NO_OFFSET));
        let targets: Vec<_> = again.into_iter().map(|partition| (partition, NO_OFFSET)).collect();
        self.restart(native, state, &targets)
    }

    /// Keeps an error that ends reading, unless its subject is no longer read, or it may be older than a seek.
    pub(super) fn keep_read_error(&self, state: &mut ReadState, partition: Partition, code: Code, error: Error) {
        let known = state.read_errors.contains(&partition);
        let late = code == Code::AUTO_OFFSET_RESET && (known || state.read_errors.may_be_late(&partition));
        if !late && self.is_read(&partition) {
            state.read_errors.add(partition, error);
        }
    }

    fn is_read(&self, partition: &Partition) -> bool {
        let Partition { topic, id } = partition;
        let subscribed = |name: &String| **name == **topic || name.starts_with('^');
        let assigned = |other: &Partition| other.topic == *topic && (*id == WHOLE || other.id == *id);
        topic.is_empty()
            || (*id == WHOLE && self.lock(&self.subscribed).iter().any(subscribed))
            || self.assignment().map_or(true, |partitions| partitions.iter().any(assigned))
    }
}
