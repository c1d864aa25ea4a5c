//! Commits that are waited for: answered by the broker, or an error.

use std::collections::HashMap;

use super::read::{Reading, BATCH};
use super::{Consumer, ConsumerHooks};
use crate::kafka::code::Code;
use crate::kafka::error::Error;
use crate::kafka::native::consume::Inlet;
use crate::kafka::native::partitions::PartitionList;
use crate::kafka::native::transact::GroupMetadata;
use crate::kafka::record::Partition;
use crate::kafka::wait::{check, Deadline, Interrupt, TICK};

impl<H: ConsumerHooks> Consumer<H> {
    /// The membership that a transaction names beside its offsets.
    pub fn group_metadata(&self) -> Result<GroupMetadata, Error> {
        let inlet = self.open("group_metadata")?;
        if !self.settings.grouped {
            return Err(Error::Misuse(
                "the consumer has no group, so a transaction cannot keep its offsets. Give it a group_id".to_owned(),
            ));
        }
        let operation = "cannot read the group's metadata";
        let metadata = inlet.client().group_metadata();
        let metadata = metadata.ok_or_else(|| Error::failed(operation, Code::STATE, ""))?;
        metadata.map_err(|problem| Error::failed(operation, problem.code, &problem.text))
    }

    /// Commits what was handed out, or the offsets given, and waits for the broker's answer.
    pub fn commit(
        &self,
        offsets: Option<HashMap<Partition, i64>>,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
    ) -> Result<(), Error> {
        let inlet = self.open("commit")?;
        if !self.settings.grouped {
            return Err(Error::Misuse(
                "cannot commit: the consumer has no group. Give it a group_id to keep offsets".to_owned(),
            ));
        }
        let mut reading = self.reading("commit")?;
        let offsets = match offsets {
            Some(offsets) => offsets,
            None => {
                // The caller has worked on the last one too, or would not ask.
                self.settle(&mut reading)?;
                reading.offsets.to_commit()
            }
        };
        self.commit_offsets(&inlet, &mut reading, &offsets, deadline, interrupt)
    }

    fn commit_offsets(
        &self,
        inlet: &Inlet,
        reading: &mut Reading,
        offsets: &HashMap<Partition, i64>,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
    ) -> Result<(), Error> {
        if offsets.is_empty() {
            return Ok(());
        }
        let failed = |code: Code, detail: &str| Error::Commit {
            message: format!("cannot commit offsets of {}: {detail} ({})", names_of(offsets), code.name()),
            code,
        };
        let commit = inlet.commit(&list_of(offsets)).map_err(|code| failed(code, code.text()))?;
        loop {
            if let Some((code, entries)) = commit.answer(deadline.step(TICK)) {
                let worst = entries.iter().map(|entry| entry.code).find(|code| *code != Code::NONE).unwrap_or(code);
                for entry in entries.iter().filter(|entry| entry.code == Code::NONE && code == Code::NONE) {
                    reading.offsets.committed(&entry.partition, entry.offset);
                }
                return if worst == Code::NONE { Ok(()) } else { Err(failed(worst, worst.text())) };
            }
            check(interrupt)?;
            if deadline.passed() {
                let cause = self.shared.brokers.last_cause().unwrap_or_else(|| "no answer in time".to_owned());
                return Err(failed(Code::TIMED_OUT, &cause));
            }
        }
    }

    /// Commits all that is done, through a rebalance if there is one.
    pub(super) fn commit_done(
        &self,
        inlet: &Inlet,
        reading: &mut Reading,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
    ) -> Result<(), Error> {
        loop {
            let offsets = reading.offsets.to_commit();
            let result = self.commit_offsets(inlet, reading, &offsets, deadline, interrupt);
            match &result {
                Err(Error::Commit { code, .. }) if code.is_rebalance() && !deadline.passed() => {}
                _ => return result,
            }
            // The group is being shared out anew. Take part in it, and commit what is still ours.
            let _ = self.fetch(inlet, reading, deadline.step(TICK), BATCH, interrupt);
            check(interrupt)?;
        }
    }
}

fn list_of(offsets: &HashMap<Partition, i64>) -> PartitionList {
    let mut list = PartitionList::new();
    for (partition, offset) in offsets {
        list.add(&partition.topic, partition.id, *offset);
    }
    list
}

fn names_of(offsets: &HashMap<Partition, i64>) -> String {
    let mut names: Vec<String> = offsets
        .iter()
        .map(|(partition, offset)| format!("'{}' [{}] @{offset}", partition.topic, partition.id))
        .collect();
    names.sort();
    names.join(", ")
}
