//! What the program wants to read, and what the group has assigned. They differ after a replaced subscription.

use std::time::Instant;

use super::poll::ReadState;
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::fetched::Fetched;
use crate::librdkafka::partitions::PartitionList;
use crate::librdkafka::record::Partition;

#[derive(Default)]
pub(super) enum Subscription {
    #[default]
    Nothing,
    /// Names, or patterns that begin with `^`.
    Topics(Vec<String>),
    /// Assigned by the program, each with its start offset.
    Manual(Vec<(Partition, i64)>),
}

#[derive(Default)]
pub(super) struct SubscriptionState {
    pub(super) current: Subscription,
    /// Incremented by each change: shows a call whether a callback has changed the subscription meanwhile.
    pub(super) epoch: u64,
    /// The topics replaced others, whose messages may still come.
    pub(super) topics_replaced: bool,
    /// When the consumer last joined its group. librdkafka remembers the group's protocol after leaving.
    pub(super) joined: Option<Instant>,
    /// What the group has assigned and not revoked, whether it is read or not.
    assigned: Vec<Partition>,
    /// The part that was reported to the program; None before the first report.
    announced: Option<Vec<Partition>>,
}

impl SubscriptionState {
    pub(super) fn replace(&mut self, wanted: Subscription) {
        let topics = |wanted: &Subscription| matches!(wanted, Subscription::Topics(_));
        self.topics_replaced = topics(&wanted) && (self.topics_replaced || topics(&self.current));
        self.current = wanted;
        self.epoch += 1;
    }

    pub(super) fn wants_topic(&self, topic: &str) -> bool {
        match &self.current {
            Subscription::Nothing => false,
            Subscription::Topics(topics) => topics.iter().any(|wanted| wanted == topic || wanted.starts_with('^')),
            Subscription::Manual(manual) => manual.iter().any(|(partition, _)| *partition.topic == *topic),
        }
    }

    /// Whether a fetch may return messages of a replaced subscription.
    pub(super) fn filters(&self) -> bool {
        self.topics_replaced || matches!(self.current, Subscription::Nothing)
    }

    /// Whether an error of this partition concerns what is read.
    pub(super) fn covers(&self, partition: &Partition) -> bool {
        match &self.current {
            Subscription::Manual(manual) if !partition.topic.is_empty() && partition.id >= 0 => {
                manual.iter().any(|(manual, _)| manual == partition)
            }
            Subscription::Nothing => false,
            _ => partition.topic.is_empty() || self.wants_topic(&partition.topic),
        }
    }

    pub(super) fn manual(&self) -> Option<&[(Partition, i64)]> {
        match &self.current {
            Subscription::Manual(manual) => Some(manual),
            _ => None,
        }
    }

    /// The group has assigned these, in addition to those that it has assigned before, or instead of them.
    pub(super) fn assigned_by_group(&mut self, partitions: &[Partition], incremental: bool) {
        if !incremental {
            self.assigned.clear();
        }
        self.assigned.extend_from_slice(partitions);
    }

    /// The assignment of these is reported to the program.
    pub(super) fn announce(&mut self, partitions: &[Partition]) {
        self.announced.get_or_insert_with(Vec::new).extend_from_slice(partitions);
    }

    /// The group revokes these. Returns those to report to the program; None if there is nothing to report.
    pub(super) fn revoked(&mut self, partitions: &[Partition], all: bool) -> Option<Vec<Partition>> {
        let gone = |partition: &Partition| all || partitions.contains(partition);
        self.assigned.retain(|partition| !gone(partition));
        let announced = self.announced.as_mut()?;
        let seen: Vec<Partition> =
            partitions.iter().filter(|partition| announced.contains(partition)).cloned().collect();
        announced.retain(|partition| !gone(partition));
        if all {
            self.announced = None;
        }
        (!seen.is_empty() || partitions.is_empty()).then_some(seen)
    }

    /// What the group has assigned, of the topics subscribed to now.
    pub(super) fn still_assigned(&self) -> Vec<Partition> {
        self.assigned.iter().filter(|partition| self.wants_topic(&partition.topic)).cloned().collect()
    }
}

impl ReadState {
    pub(super) fn forget_all(&mut self) {
        let ReadState { assigned, missing, warned, subscriptions, .. } = std::mem::take(self);
        *self = ReadState { assigned, missing, warned, subscriptions, ..ReadState::default() };
    }

    /// Forgets positions. Processed offsets are still to be committed.
    pub(super) fn forget_positions(&mut self) {
        let offsets = std::mem::take(&mut self.processed);
        self.forget_all();
        self.processed = offsets;
    }

    /// Whether this message belongs to a replaced subscription.
    pub(super) fn is_replaced(&self, incoming: &Fetched) -> bool {
        let topic = incoming.topic();
        !topic.is_empty() && !self.subscriptions.wants_topic(&topic)
    }

    /// The program's assignment with its positions.
    pub(super) fn manual_positions(&self, native: &NativeConsumer) -> Vec<(Partition, i64)> {
        let manual = self.subscriptions.manual().unwrap_or_default();
        let fetched = native.positions(&PartitionList::without_offsets(manual.iter().map(|(partition, _)| partition)));
        let fetched = fetched.unwrap_or_default();
        let position = |(partition, start): &(Partition, i64)| {
            let seek = self.pending_seeks.get(partition).map(|seek| seek.offset);
            let fetched = || fetched.iter().find(|entry| entry.partition == *partition && entry.offset >= 0);
            let started = || self.starts.get(partition).copied();
            let position = seek.or_else(|| fetched().map(|entry| entry.offset)).or_else(started).unwrap_or(*start);
            (partition.clone(), position)
        };
        manual.iter().map(position).collect()
    }

    /// Partitions were assigned or sought again here. librdkafka has no position of its own before a message comes.
    pub(super) fn restarted_at(&mut self, positions: Vec<(Partition, i64)>) {
        self.starts.extend(positions.into_iter().filter(|(_, offset)| *offset >= 0));
    }
}
