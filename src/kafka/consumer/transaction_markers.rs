//! Commits positions after transaction markers, which have offsets and are never returned. Once all messages of a
//! partition are processed, the position after the markers is committed; otherwise the lag would never become 0.

use std::time::{Duration, Instant};

use super::poll::ReadState;
use super::{Consumer, ConsumerHooks};
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::fetched::Fetched;
use crate::librdkafka::partitions::PartitionList;
use crate::librdkafka::record::Partition;

/// How often an idle consumer checks for markers. Automatic commits are made every 5 s by default.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// For a partition whose offsets decreased: librdkafka's position does so only in a seek or an assignment.
const UNRELIABLE: i64 = i64::MAX;

/// The offset after the last message received of each partition since its assignment or seek; 0 before the first one.
/// Lists a partition only while librdkafka's position comes from the same assignment or seek.
#[derive(Default)]
pub(super) struct ReceivedPositions {
    partitions: Vec<(Partition, i64)>,
    checked_at: Option<Instant>,
}

impl ReceivedPositions {
    /// The partition was assigned or sought.
    pub(super) fn begin(&mut self, partition: &Partition) {
        self.forget(partition);
        self.partitions.push((partition.clone(), 0));
    }

    pub(super) fn forget(&mut self, partition: &Partition) {
        self.partitions.retain(|(known, _)| known != partition);
    }

    /// librdkafka's position is wrong: it counts dropped messages and errors with an offset (rdkafka_queue.c:830).
    pub(super) fn invalidate(&mut self, incoming: &Fetched) {
        self.partitions.retain(|(partition, _)| !incoming.is_from(partition));
    }

    /// Counts all messages of the partition up to this one.
    pub(super) fn add(&mut self, message: &Fetched) {
        let next = message.offset() + 1;
        match self.partitions.iter_mut().find(|(partition, _)| message.is_from(partition)) {
            Some((_, known)) => *known = if next < *known { UNRELIABLE } else { next },
            None => self.partitions.push((message.topic_partition(), next)),
        }
    }

    pub(super) fn has_any(&self, topic: &str) -> bool {
        self.partitions.iter().any(|(partition, next)| *next > 0 && *partition.topic == *topic)
    }

    pub(super) fn due(&mut self) -> bool {
        let due = self.checked_at.is_none_or(|at| at.elapsed() >= CHECK_INTERVAL);
        if due {
            self.checked_at = Some(Instant::now());
        }
        due
    }
}

impl ReadState {
    /// The partitions of which every received message is processed.
    fn fully_processed(&self) -> impl Iterator<Item = &Partition> {
        self.received.partitions.iter().filter_map(|(partition, next)| {
            let processed = self.processed.next(partition).unwrap_or(0) >= *next;
            let exact = self.pending_seeks.get(partition).is_none_or(|seek| seek.exact);
            (processed && exact && !self.read_errors.contains(partition)).then_some(partition)
        })
    }
}

impl<H: ConsumerHooks> Consumer<H> {
    /// Has the next commit include the markers after the processed messages. Never decreases an offset.
    pub(super) fn store_after_markers(&self, native: &NativeConsumer, state: &mut ReadState) {
        let list = PartitionList::without_offsets(state.fully_processed());
        let Ok(positions) = native.positions(&list) else { return };
        let mut stored = PartitionList::new();
        for entry in positions {
            let partition = &entry.partition;
            if entry.offset > state.processed.next(partition).unwrap_or(0) {
                state.processed.set(&partition.topic, partition.id, entry.offset);
                stored.add(&partition.topic, partition.id, entry.offset);
            }
        }
        if self.settings.auto_commit {
            native.store_offsets(&stored);
        }
    }

    /// The same for automatic commits, every `CHECK_INTERVAL`.
    pub(super) fn store_after_markers_if_due(&self, native: &NativeConsumer, state: &mut ReadState) {
        if self.settings.grouped && self.settings.auto_commit && state.received.due() {
            self.store_after_markers(native, state);
        }
    }
}
