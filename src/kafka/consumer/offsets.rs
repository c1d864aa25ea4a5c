//! At least once: which offsets may be committed.
//!
//! A record is *handed out* first. It becomes *done* when the next one is asked for, and only then is its offset + 1 given
//! to librdkafka to commit. A loop body that raises leaves its record handed out, so it comes again.

use std::collections::HashMap;

use crate::librdkafka::record::Partition;

/// How far each partition is done, as the offset of the next record to read. Few partitions: a scan, begun at the one that
/// was hit last, beats hashing.
#[derive(Default)]
pub struct Offsets {
    done: Vec<Done>,
    last: usize,
}

struct Done {
    partition: Partition,
    next: i64,
    committed: bool,
}

impl Offsets {
    /// The record at `offset` is done.
    pub fn done(&mut self, topic: &str, id: i32, offset: i64) {
        self.moved(topic, id, offset + 1);
    }

    /// `next` is the one to read next: the program has sought it.
    pub fn moved(&mut self, topic: &str, id: i32, next: i64) {
        let matches = |done: &Done| done.partition.id == id && *done.partition.topic == *topic;
        let found = match self.done.get(self.last) {
            Some(last) if matches(last) => Some(self.last),
            _ => self.done.iter().position(matches),
        };
        match found {
            Some(index) => {
                self.last = index;
                self.done[index].next = next;
                self.done[index].committed = false;
            }
            None => {
                self.last = self.done.len();
                let partition = Partition { topic: topic.into(), id };
                self.done.push(Done { partition, next, committed: false });
            }
        }
    }

    /// The offset of the next record to read, if one of this partition is done.
    pub fn next(&self, partition: &Partition) -> Option<i64> {
        self.done.iter().find(|done| done.partition == *partition).map(|done| done.next)
    }

    /// Done, and not known to be committed.
    pub fn to_commit(&self) -> HashMap<Partition, i64> {
        self.done.iter().filter(|done| !done.committed).map(|done| (done.partition.clone(), done.next)).collect()
    }

    pub fn committed(&mut self, partition: &Partition, next: i64) {
        for done in &mut self.done {
            if done.partition == *partition && done.next == next {
                done.committed = true;
            }
        }
    }

    /// Another offset is being committed than the one that is done.
    pub fn replaced(&mut self, partition: &Partition) {
        self.done.iter_mut().filter(|done| done.partition == *partition).for_each(|done| done.committed = false);
    }

    /// Another member reads this partition now, and commits its offsets.
    pub fn forget(&mut self, partition: &Partition) {
        self.done.retain(|done| done.partition != *partition);
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
        let mut offsets = Offsets::default();
        offsets.done("t", 0, 4);
        offsets.done("t", 1, 7);
        offsets.done("t", 0, 5);
        assert_eq!(offsets.to_commit(), HashMap::from([(partition(0), 6), (partition(1), 8)]));
        offsets.committed(&partition(0), 5);
        assert_eq!(offsets.to_commit().len(), 2, "an older commit does not cover a newer offset");
        offsets.committed(&partition(0), 6);
        assert_eq!(offsets.to_commit(), HashMap::from([(partition(1), 8)]));
        offsets.done("t", 0, 6);
        assert_eq!(offsets.to_commit().len(), 2);
    }

    #[test]
    fn what_another_commit_replaced_is_to_be_committed_again() {
        let mut offsets = Offsets::default();
        offsets.done("t", 0, 4);
        offsets.committed(&partition(0), 5);
        assert!(offsets.to_commit().is_empty());
        offsets.replaced(&partition(0));
        offsets.committed(&partition(0), 2);
        assert_eq!(offsets.to_commit(), HashMap::from([(partition(0), 5)]));
    }

    #[test]
    fn a_partition_that_is_gone_is_not_committed() {
        let mut offsets = Offsets::default();
        offsets.done("t", 0, 4);
        offsets.done("u", 0, 7);
        offsets.forget(&partition(0));
        assert_eq!(offsets.to_commit().into_values().collect::<Vec<_>>(), [8]);
    }
}
