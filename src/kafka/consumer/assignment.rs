//! What is to be read, and what the group has assigned meanwhile: the two differ where a subscription was replaced, see
//! `replace`.

use std::time::Instant;

use super::read::Reading;
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::fetched::Fetched;
use crate::librdkafka::partitions::PartitionList;
use crate::librdkafka::record::Partition;

/// What is to be read.
#[derive(Default)]
pub(super) enum Wanted {
    #[default]
    Nothing,
    /// Names, or patterns that begin with `^`.
    Topics(Vec<String>),
    /// The program's own choice, with where each partition begins.
    Own(Vec<(Partition, i64)>),
}

#[derive(Default)]
pub(super) struct Assignment {
    pub(super) wanted: Wanted,
    /// Counts what was wanted: a call that lets callbacks run sees by it whether they have made another choice.
    pub(super) epoch: u64,
    /// The topics replaced others, of which messages may still come.
    pub(super) topics_replaced: bool,
    /// When the group was last subscribed to. librdkafka remembers its protocol when it has left.
    pub(super) joined: Option<Instant>,
    /// What the group has assigned and not revoked, whether it was taken on or not.
    granted: Vec<Partition>,
    /// What of it the program was told of; None if no assignment was told.
    told: Option<Vec<Partition>>,
}

impl Assignment {
    pub(super) fn want(&mut self, wanted: Wanted) {
        let topics = |wanted: &Wanted| matches!(wanted, Wanted::Topics(_));
        self.topics_replaced = topics(&wanted) && (self.topics_replaced || topics(&self.wanted));
        self.wanted = wanted;
        self.epoch += 1;
    }

    pub(super) fn wants_topic(&self, topic: &str) -> bool {
        match &self.wanted {
            Wanted::Nothing => false,
            Wanted::Topics(topics) => topics.iter().any(|wanted| wanted == topic || wanted.starts_with('^')),
            Wanted::Own(own) => own.iter().any(|(partition, _)| *partition.topic == *topic),
        }
    }

    /// Whether a fetch may bring what is not wanted.
    pub(super) fn sifts(&self) -> bool {
        self.topics_replaced || matches!(self.wanted, Wanted::Nothing)
    }

    /// Whether an error that a fetch reported is about what is read.
    pub(super) fn concerns(&self, partition: &Partition) -> bool {
        match &self.wanted {
            Wanted::Own(own) if !partition.topic.is_empty() && partition.id >= 0 => {
                own.iter().any(|(own, _)| own == partition)
            }
            Wanted::Nothing => false,
            _ => partition.topic.is_empty() || self.wants_topic(&partition.topic),
        }
    }

    pub(super) fn own(&self) -> Option<&[(Partition, i64)]> {
        match &self.wanted {
            Wanted::Own(own) => Some(own),
            _ => None,
        }
    }

    /// The group has assigned these, besides those that it has assigned before, or instead of them.
    pub(super) fn granted(&mut self, partitions: &[Partition], besides: bool) {
        if !besides {
            self.granted.clear();
        }
        self.granted.extend_from_slice(partitions);
    }

    /// The program is told that it reads these now.
    pub(super) fn tell(&mut self, partitions: &[Partition]) {
        self.told.get_or_insert_with(Vec::new).extend_from_slice(partitions);
    }

    /// The group revokes these. Which of them the program has to be told of; None if of nothing.
    pub(super) fn revoked(&mut self, partitions: &[Partition], all: bool) -> Option<Vec<Partition>> {
        let gone = |partition: &Partition| all || partitions.contains(partition);
        self.granted.retain(|partition| !gone(partition));
        let told = self.told.as_mut()?;
        let seen: Vec<Partition> = partitions.iter().filter(|partition| told.contains(partition)).cloned().collect();
        told.retain(|partition| !gone(partition));
        if all {
            self.told = None;
        }
        (!seen.is_empty() || partitions.is_empty()).then_some(seen)
    }

    /// What the group counts as this member's and is wanted again.
    pub(super) fn regained(&self) -> Vec<Partition> {
        self.granted.iter().filter(|partition| self.wants_topic(&partition.topic)).cloned().collect()
    }
}

impl Reading {
    pub(super) fn forget_all(&mut self) {
        let Reading { assigned, missing, warned, assignment, .. } = std::mem::take(self);
        *self = Reading { assigned, missing, warned, assignment, ..Reading::default() };
    }

    /// Forgets where reading stands. What is done is still to be committed.
    pub(super) fn forget_place(&mut self) {
        let offsets = std::mem::take(&mut self.offsets);
        self.forget_all();
        self.offsets = offsets;
    }

    /// Whether this came of something that is not read any more.
    pub(super) fn is_replaced(&self, incoming: &Fetched) -> bool {
        let topic = incoming.topic();
        !topic.is_empty() && !self.assignment.wants_topic(&topic)
    }

    /// The program's own choice, from where reading stands.
    pub(super) fn own_places(&self, native: &NativeConsumer) -> Vec<(Partition, i64)> {
        let own = self.assignment.own().unwrap_or_default();
        let taken = native.taken(&PartitionList::without_offsets(own.iter().map(|(partition, _)| partition)));
        let taken = taken.unwrap_or_default();
        let place = |(partition, start): &(Partition, i64)| {
            let sought = self.sought.get(partition).map(|sought| sought.offset);
            let taken = || taken.iter().find(|entry| entry.partition == *partition && entry.offset >= 0);
            let begun = || self.starts.get(partition).copied();
            let place = sought.or_else(|| taken().map(|entry| entry.offset)).or_else(begun).unwrap_or(*start);
            (partition.clone(), place)
        };
        own.iter().map(place).collect()
    }

    /// They were assigned anew or sought again, to go on at these places. Until a message comes of one, librdkafka has no
    /// position in it.
    pub(super) fn begin_at(&mut self, places: Vec<(Partition, i64)>) {
        self.starts.extend(places.into_iter().filter(|(_, offset)| *offset >= 0));
    }
}
