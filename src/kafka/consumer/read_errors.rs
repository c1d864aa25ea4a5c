//! Errors that end reading, of a partition, a topic or the whole group. librdkafka reports each once and then is silent, so
//! they are kept here and raised at every read until something mends them.

use std::time::{Duration, Instant};

use super::poll::ReadState;
use super::{Consumer, ConsumerHooks};
use crate::kafka::client::error::Error;
use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::fetched::Fetched;
use crate::librdkafka::partitions::{PartitionList, NO_OFFSET};
use crate::librdkafka::record::{Partition, WHOLE};

/// How long a new subscription or a seek has to mend what a topic or the group was refused for, before that is raised again:
/// librdkafka does not report the same refusal twice, and joining a group takes 3 s where `group.initial.rebalance.delay.ms`
/// is at its default.
const RETRY_TIME: Duration = Duration::from_secs(5);

struct ReadError {
    partition: Partition,
    error: Error,
    /// When the program did what may mend it.
    retried_at: Option<Instant>,
}

#[derive(Default)]
pub(super) struct ReadErrors {
    errors: Vec<ReadError>,
    /// Where partitions were told to begin of which no message has come yet.
    started: Vec<(Partition, i64)>,
    /// Those that a late report may have stopped again.
    restarts: Vec<(Partition, i64)>,
}

impl ReadErrors {
    /// The partition begins at this offset, by a seek, an assignment or a subscription. An older fetch may still be answered
    /// with an error, which librdkafka does not hold against the new place: rd_kafka_offset_reset looks at no version, reports
    /// the error, and stops the partition.
    pub(super) fn started_at(&mut self, partition: &Partition, offset: i64) {
        self.started.retain(|(started, _)| started != partition);
        self.started.push((partition.clone(), offset));
        self.mark_retried(|entry| entry == partition || (entry.id == WHOLE && entry.is_within(&partition.topic)));
    }

    /// The program did what may mend these.
    fn mark_retried(&mut self, retried: impl Fn(&Partition) -> bool) {
        let asked = self.errors.iter_mut().filter(|entry| retried(&entry.partition));
        asked.for_each(|entry| entry.retried_at = Some(Instant::now()));
    }

    /// Whether a report that the partition has nowhere to begin may be of an older fetch. Then it begins once more, and the
    /// next report counts.
    fn may_be_late(&mut self, partition: &Partition) -> bool {
        let found = self.started.iter().position(|(started, _)| started == partition);
        found.map(|index| self.restarts.push(self.started.swap_remove(index))).is_some()
    }

    pub(super) fn take_restarts(&mut self) -> Vec<(Partition, i64)> {
        std::mem::take(&mut self.restarts)
    }

    /// Whether librdkafka stops reading with this error, or retries in silence.
    pub(super) fn is_lasting(code: Code, about: &Partition) -> bool {
        let refused = matches!(
            code,
            Code::AUTO_OFFSET_RESET
                | Code::TOPIC_AUTHORIZATION_FAILED
                | Code::GROUP_AUTHORIZATION_FAILED
                | Code::CLUSTER_AUTHORIZATION_FAILED
        );
        // What the coordinator refuses has no topic. Its word on an old generation is followed by a new one.
        refused || (about.id == WHOLE && code.0 > 0 && !code.is_rebalance())
    }

    pub(super) fn add(&mut self, partition: Partition, error: Error) {
        // It may be a report from before.
        let retried_at =
            self.errors.iter().find(|entry| entry.partition == partition).and_then(|entry| entry.retried_at);
        self.clear(&partition);
        self.errors.push(ReadError { partition, error, retried_at });
    }

    /// The error to raise, the oldest first.
    pub(super) fn error(&self) -> Option<&Error> {
        let raised = |entry: &&ReadError| entry.retried_at.is_none_or(|at| at.elapsed() > RETRY_TIME);
        self.errors.iter().find(raised).map(|entry| &entry.error)
    }

    pub(super) fn clear(&mut self, partition: &Partition) {
        self.errors.retain(|entry| entry.partition != *partition);
    }

    /// The partition is not read any more.
    pub(super) fn forget(&mut self, partition: &Partition) {
        self.clear(partition);
        self.started.retain(|(started, _)| started != partition);
        self.restarts.retain(|(due, _)| due != partition);
    }

    /// A message came, so its partition, its topic and the group can be read.
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

    /// The group assigned partitions.
    pub(super) fn assigned(&mut self, partitions: &[Partition]) {
        self.errors.retain(|ReadError { partition: stopped, .. }| {
            let is_assigned = || partitions.iter().any(|partition| stopped.is_within(&partition.topic));
            stopped.id != WHOLE || !(stopped.topic.is_empty() || is_assigned())
        });
    }

    /// Only these topics are read from now on.
    fn retain_topics(&mut self, topics: &[String]) {
        self.errors.retain(|entry| topics.iter().any(|topic| entry.partition.is_within(topic)));
        self.mark_retried(|_| true);
    }

    /// Whether a topic is refused to a member of a group, which does not try again by itself.
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

/// There is nowhere to begin, and `auto_offset_reset="error"`.
pub(super) fn no_start_offset(partition: &Partition, reason: &str) -> Error {
    let operation = format!("cannot read '{}' [{}]", partition.topic, partition.id);
    let advice = "auto_offset_reset is \"error\", so say where to begin: with seek, or assign with an offset";
    Error::failed(&operation, Code::AUTO_OFFSET_RESET, &format!("{reason}. {advice}"))
}

impl<H: ConsumerHooks> Consumer<H> {
    /// Raises what ended reading, if it has not been mended.
    pub(super) fn raise_read_error(&self, native: &NativeConsumer) -> Result<(), Error> {
        if let Some((code, why)) = native.client().fatal_error() {
            let message = format!(
                "cannot read: {why} ({}). This consumer cannot go on; close it and make a new one",
                code.name()
            );
            return Err(Error::Failed { message, code, fatal: true });
        }
        self.lock(&self.state).read_errors.error().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Reads stopped partitions from these offsets again. A seek cannot move them (rd_kafka_toppar_seek refuses in the state
    /// NONE), so they are assigned anew.
    pub(super) fn restart(
        &self,
        native: &NativeConsumer,
        state: &mut ReadState,
        stopped: &[(Partition, i64)],
    ) -> Result<(), Error> {
        if stopped.is_empty() {
            return Ok(());
        }
        let failed = |code: Code, text: &str| Error::failed("cannot begin to read a stopped partition", code, text);
        let list = PartitionList::of(stopped.iter().map(|(partition, offset)| (partition, *offset)));
        if native.eager() {
            // An eager group's assignment changes only as a whole.
            let assigned = self.assignment()?;
            let taken =
                native.positions(&PartitionList::without_offsets(&assigned)).map_err(|code| failed(code, ""))?;
            let place = |partition: &Partition| {
                let target = stopped.iter().find(|(stopped, _)| stopped == partition).map(|(_, offset)| *offset);
                let seek = || state.pending_seeks.get(partition).map(|seek| seek.offset);
                let taken = || taken.iter().find(|e| e.partition == *partition && e.offset >= 0).map(|e| e.offset);
                let start = || state.starts.get(partition).copied();
                target.or_else(seek).or_else(taken).or_else(start).unwrap_or(NO_OFFSET)
            };
            let all: Vec<_> = assigned.iter().map(|partition| (partition.clone(), place(partition))).collect();
            let list = PartitionList::of(all.iter().map(|(partition, offset)| (partition, *offset)));
            native.assign(&list).map_err(|code| failed(code, ""))?;
            state.begin_at(all);
        } else {
            native.incremental_unassign(&list).map_err(|problem| failed(problem.code, &problem.text))?;
            native.incremental_assign(&list).map_err(|problem| failed(problem.code, &problem.text))?;
        }
        if !state.paused.is_empty() {
            // librdkafka forgets with an assignment what was paused.
            let _ = native.pause(&PartitionList::without_offsets(&state.paused));
        }
        stopped.iter().for_each(|(partition, _)| state.read_errors.clear(partition));
        Ok(())
    }

    /// A new subscription looks again for the offsets that were missing.
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

    /// Keeps an error that ends reading, unless it is about what is not read any more, or may be from before a seek.
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
