//! At least once: which offsets may be committed.
//!
//! A record is *handed out* first. It becomes *done* when the next one is asked for, and only then is its offset + 1 given
//! to librdkafka to commit. A loop body that raises leaves its record handed out, so it comes again.

use std::collections::HashMap;

use crate::librdkafka::record::Partition;

/// How far each partition is done, as the offset of the next record to read. Few partitions: a scan, begun at the one that
/// was hit last, beats hashing.
#[derive(Default)]
pub struct ProcessedOffsets {
    partitions: Vec<PartitionOffset>,
    last: usize,
}

struct PartitionOffset {
    partition: Partition,
    next: i64,
    committed: bool,
}

impl ProcessedOffsets {
    /// The record at `offset` is done.
    pub fn processed(&mut self, topic: &str, id: i32, offset: i64) {
        self.set(topic, id, offset + 1);
    }

    /// `next` is the one to read next: the program has sought it.
    pub fn set(&mut self, topic: &str, id: i32, next: i64) {
        let matches = |entry: &PartitionOffset| entry.partition.id == id && *entry.partition.topic == *topic;
        let found = match self.partitions.get(self.last) {
            Some(last) if matches(last) => Some(self.last),
            _ => self.partitions.iter().position(matches),
        };
        match found {
            Some(index) => {
                self.last = index;
                self.partitions[index].next = next;
                self.partitions[index].committed = false;
            }
            None => {
                self.last = self.partitions.len();
                let partition = Partition { topic: topic.into(), id };
                self.partitions.push(PartitionOffset { partition, next, committed: false });
            }
        }
    }

    /// The offset of the next record to read, if one of this partition is done.
    pub fn next(&self, partition: &Partition) -> Option<i64> {
        self.partitions.iter().find(|entry| entry.partition == *partition).map(|entry| entry.next)
    }

    /// Done, and not known to be committed.
    pub fn to_commit(&self) -> HashMap<Partition, i64> {
        self.partitions
            .iter()
            .filter(|entry| !entry.committed)
            .map(|entry| (entry.partition.clone(), entry.next))
            .collect()
    }

    pub fn committed(&mut self, partition: &Partition, next: i64) {
        for entry in &mut self.partitions {
            if entry.partition == *partition && entry.next == next {
                entry.committed = true;
            }
        }
    }

    /// Another offset is being committed than the one that is done.
    pub fn mark_uncommitted(&mut self, partition: &Partition) {
        self.partitions
            .iter_mut()
            .filter(|entry| entry.partition == *partition)
            .for_each(|entry| entry.committed = false);
    }

    /// Another member reads this partition now, and commits its offsets.
    pub fn forget(&mut self, partition: &Partition) {
        self.partitions.retain(|entry| entry.partition != *partition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(id: i32) -> Partition {
        Partition { topic: "t".into(), id }
    }

    #[test]
    fn what_is_done_is_to_be_committed_until_it_is() {
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
    fn what_another_commit_replaced_is_to_be_committed_again() {
        let mut offsets = ProcessedOffsets::default();
        offsets.processed("t", 0, 4);
        offsets.committed(&partition(0), 5);
        assert!(offsets.to_commit().is_empty());
        offsets.mark_uncommitted(&partition(0));
        offsets.committed(&partition(0), 2);
        assert_eq!(offsets.to_commit(), HashMap::from([(partition(0), 5)]));
    }

    #[test]
    fn a_partition_that_is_gone_is_not_committed() {
        let mut offsets = ProcessedOffsets::default();
        offsets.processed("t", 0, 4);
        offsets.processed("u", 0, 7);
        offsets.forget(&partition(0));
        assert_eq!(offsets.to_commit().into_values().collect::<Vec<_>>(), [8]);
    }
}
