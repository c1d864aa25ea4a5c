//! At least once: which offsets may be committed.
//!
//! A message is *returned* first, and *processed* when the program asks for the next one. Only then is its offset + 1
//! stored in librdkafka to be committed. If a loop body raises, its message is not processed, and comes again.

use std::collections::HashMap;

use crate::librdkafka::record::Partition;

/// The offset after the last processed message of each partition. There are few partitions, so a scan that starts at
/// the last hit beats hashing.
#[derive(Default)]
pub struct ProcessedOffsets {
    entries: Vec<PartitionOffset>,
    last: usize,
}

struct PartitionOffset {
    partition: Partition,
    next: i64,
    committed: bool,
}

impl ProcessedOffsets {
    pub fn processed(&mut self, topic: &str, id: i32, offset: i64) {
        self.set(topic, id, offset + 1);
    }

    /// Sets the offset to read next.
    pub fn set(&mut self, topic: &str, id: i32, next: i64) {
        let matches = |entry: &PartitionOffset| entry.partition.id == id && *entry.partition.topic == *topic;
        let found = match self.entries.get(self.last) {
            Some(last) if matches(last) => Some(self.last),
            _ => self.entries.iter().position(matches),
        };
        match found {
            Some(index) => {
                self.last = index;
                self.entries[index].next = next;
                self.entries[index].committed = false;
            }
            None => {
                self.last = self.entries.len();
                let partition = Partition { topic: topic.into(), id };
                self.entries.push(PartitionOffset { partition, next, committed: false });
            }
        }
    }

    /// The offset to read next; None before a message is processed.
    pub fn next(&self, partition: &Partition) -> Option<i64> {
        self.entries.iter().find(|entry| entry.partition == *partition).map(|entry| entry.next)
    }

    /// Processed, and not committed as far as is known.
    pub fn to_commit(&self) -> HashMap<Partition, i64> {
        self.entries
            .iter()
            .filter(|entry| !entry.committed)
            .map(|entry| (entry.partition.clone(), entry.next))
            .collect()
    }

    pub fn committed(&mut self, partition: &Partition, next: i64) {
        for entry in &mut self.entries {
            if entry.partition == *partition && entry.next == next {
                entry.committed = true;
            }
        }
    }

    /// The program commits another offset.
    pub fn mark_uncommitted(&mut self, partition: &Partition) {
        self.entries.iter_mut().filter(|entry| entry.partition == *partition).for_each(|entry| entry.committed = false);
    }

    /// Another member now reads this partition and commits its offsets.
    pub fn forget(&mut self, partition: &Partition) {
        self.entries.retain(|entry| entry.partition != *partition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(id: i32) -> Partition {
        Partition { topic: "t".into(), id }
    }

    #[test]
    fn processed_offsets_are_to_be_committed_until_they_are() {
        let mut offsets = ProcessedOffsets::default();
        offsets.processed("t", 0, 4);
        offsets.processed("t", 1, 7);
        offsets.processed("t", 0, 5);
        assert_eq!(offsets.to_commit(), HashMap::from([(partition(0), 6), (partition(1), 8)]));
        offsets.committed(&partition(0), 5);
        assert_eq!(offsets.to_commit().len(), 2, "an older commit does not cover a newer offset");
        offsets.committed(&partition(0), 6);
        assert_eq!(offsets.to_commit(), HashMap::from([(partition(1), 8)]));
        offsets.processed("t", 0, 6);
        assert_eq!(offsets.to_commit().len(), 2);
    }

    #[test]
    fn an_offset_that_another_commit_replaced_is_to_be_committed_again() {
        let mut offsets = ProcessedOffsets::default();
        offsets.processed("t", 0, 4);
        offsets.committed(&partition(0), 5);
        assert!(offsets.to_commit().is_empty());
        offsets.mark_uncommitted(&partition(0));
        offsets.committed(&partition(0), 2);
        assert_eq!(offsets.to_commit(), HashMap::from([(partition(0), 5)]));
    }

    #[test]
    fn a_revoked_partition_is_not_committed() {
        let mut offsets = ProcessedOffsets::default();
        offsets.processed("t", 0, 4);
        offsets.processed("u", 0, 7);
        offsets.forget(&partition(0));
        assert_eq!(offsets.to_commit().into_values().collect::<Vec<_>>(), [8]);
    }
}
