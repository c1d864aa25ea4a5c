//! At least once: which offsets may be committed.
//!
//! A record is *handed out* first. It becomes *done* when the next one is asked for, and only then is its offset + 1 given
//! to librdkafka to commit. A loop body that raises leaves its record handed out, so it comes again.

use std::collections::HashMap;

use super::record::Partition;

#[derive(Default)]
pub struct Offsets {
    handed_out: Vec<(Partition, i64)>,
    /// Done, and not given to librdkafka yet. Offsets are of the next record to read.
    to_store: HashMap<Partition, i64>,
    /// Done, and not known to be committed.
    to_commit: HashMap<Partition, i64>,
}

impl Offsets {
    pub fn hand_out(&mut self, partition: Partition, offset: i64) {
        self.handed_out.push((partition, offset + 1));
    }

    pub fn take_back(&mut self, partition: Partition, offset: i64) {
        let place = (partition, offset + 1);
        self.handed_out.retain(|handed| *handed != place);
    }

    /// The user came back for more: what was handed out is done.
    pub fn settle(&mut self) {
        for (partition, next) in self.handed_out.drain(..) {
            if let Some(stored) = self.to_store.get_mut(&partition) {
                *stored = next;
                self.to_commit.insert(partition, next);
            } else {
                self.to_store.insert(partition.clone(), next);
                self.to_commit.insert(partition, next);
            }
        }
    }

    /// The user's code failed on what was handed out.
    pub fn abandon(&mut self) {
        self.handed_out.clear();
    }

    pub fn any_to_store(&self) -> bool {
        !self.to_store.is_empty()
    }

    pub fn take_to_store(&mut self) -> HashMap<Partition, i64> {
        std::mem::take(&mut self.to_store)
    }

    pub fn to_commit(&self) -> &HashMap<Partition, i64> {
        &self.to_commit
    }

    pub fn committed(&mut self, partition: &Partition, next: i64) {
        if self.to_commit.get(partition) == Some(&next) {
            self.to_commit.remove(partition);
        }
    }

    /// Another member reads this partition now, and commits its offsets.
    pub fn forget(&mut self, partition: &Partition) {
        self.handed_out.retain(|(other, _)| other != partition);
        self.to_store.remove(partition);
        self.to_commit.remove(partition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(id: i32) -> Partition {
        Partition { topic: "t".into(), id }
    }

    #[test]
    fn a_record_is_done_when_the_next_is_asked_for() {
        let mut offsets = Offsets::default();
        offsets.hand_out(partition(0), 4);
        assert!(offsets.to_commit().is_empty());
        offsets.settle();
        offsets.hand_out(partition(0), 5);
        assert_eq!(offsets.to_commit(), &HashMap::from([(partition(0), 5)]));
        offsets.abandon();
        offsets.settle();
        assert_eq!(offsets.take_to_store(), HashMap::from([(partition(0), 5)]));
    }

    #[test]
    fn a_partition_that_is_gone_is_not_committed() {
        let mut offsets = Offsets::default();
        offsets.hand_out(partition(0), 4);
        offsets.hand_out(partition(1), 7);
        offsets.settle();
        offsets.forget(&partition(0));
        assert_eq!(offsets.to_commit(), &HashMap::from([(partition(1), 8)]));
        offsets.committed(&partition(1), 7);
        assert_eq!(offsets.to_commit().len(), 1, "an older commit does not cover a newer offset");
        offsets.committed(&partition(1), 8);
        assert!(offsets.to_commit().is_empty());
    }
}
