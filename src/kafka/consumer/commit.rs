//! Commits, which a broker answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::poll::{ReadState, BATCH};
use super::subscription_state::Subscription;
use super::{Consumer, ConsumerHooks};
use crate::kafka::client::error::Error;
use crate::kafka::client::wait::{check, Deadline, Interrupt, TICK};
use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::partitions::PartitionList;
use crate::librdkafka::record::Partition;
use crate::librdkafka::transactions::GroupMetadata;

impl<H: ConsumerHooks> Consumer<H> {
    /// The group membership that a transaction's offsets are sent with.
    pub fn group_metadata(&self) -> Result<GroupMetadata, Error> {
        let native = self.open("group_metadata")?;
        if !self.settings.grouped {
            return Err(Error::Misuse(
                "the consumer has no group, so a transaction cannot keep its offsets. Give it a group_id".to_owned(),
            ));
        }
        let operation = "cannot read the group's metadata";
        let metadata = native.client().group_metadata();
        let metadata = metadata.ok_or_else(|| Error::failed(operation, Code::STATE, ""))?;
        metadata.map_err(|problem| Error::failed(operation, problem.code, &problem.text))
    }

    /// Commits processed messages, or the given offsets, and waits for the broker's answer.
    pub fn commit(
        &self,
        offsets: Option<HashMap<Partition, i64>>,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
    ) -> Result<(), Error> {
        let native = self.open("commit")?;
        let offsets = self.to_commit(&native, offsets)?;
        loop {
            let result = self.commit_offsets(&native, &offsets, deadline, interrupt, || {});
            // A cooperative member may commit after a rebalance: it revokes no partition before the next read.
            let may_hold = |code: Code| code.is_rebalance() && code != Code::UNKNOWN_MEMBER_ID;
            match &result {
                Err(Error::Commit { code, .. }) if may_hold(*code) && !native.assignment_lost() => {}
                _ => return result,
            }
            if deadline.passed() {
                return result;
            }
            std::thread::sleep(deadline.step(TICK));
            check(interrupt)?;
        }
    }

    /// Sends a commit without waiting. A later read reports the answer.
    pub fn commit_async(&self, offsets: Option<HashMap<Partition, i64>>) -> Result<(), Error> {
        let native = self.open("commit")?;
        let offsets = self.to_commit(&native, offsets)?;
        if offsets.is_empty() {
            return Ok(());
        }
        native.commit_async(&list_of(&offsets)).map_err(|code| failed(&offsets, code, code.text()))
    }

    /// Whether processed messages are committed automatically. A mock takes commits of members alone once its group has
    /// had members (rd_kafka_mock_handle_OffsetCommit, rdkafka_mock_handlers.c).
    pub(super) fn auto_commits(&self, state: &ReadState) -> bool {
        let takes_part = matches!(state.subscriptions.current, Subscription::Topics(_));
        let refused = self.on_mock && state.subscriptions.joined.is_some() && !takes_part;
        self.settings.grouped && self.settings.auto_commit && !refused
    }

    fn to_commit(
        &self,
        native: &NativeConsumer,
        offsets: Option<HashMap<Partition, i64>>,
    ) -> Result<HashMap<Partition, i64>, Error> {
        if !self.settings.grouped {
            return Err(Error::Misuse(
                "cannot commit: the consumer has no group. Give it a group_id to keep offsets".to_owned(),
            ));
        }
        let mut state = self.lock_state();
        let Some(offsets) = offsets else {
            // A program that commits has processed the last message, too.
            self.store_processed(&mut state);
            self.store_after_markers(native, &mut state);
            return Ok(state.processed.to_commit());
        };
        // These offsets replace what was committed before.
        for partition in offsets.keys() {
            state.processed.mark_uncommitted(partition);
            if state.processed.next(partition).is_none() {
                // Otherwise a marker before the first message could decrease the committed offset.
                state.received.forget(partition);
            }
        }
        Ok(offsets)
    }

    fn commit_offsets(
        &self,
        native: &NativeConsumer,
        offsets: &HashMap<Partition, i64>,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
        meanwhile: impl Fn(),
    ) -> Result<(), Error> {
        if offsets.is_empty() {
            return Ok(());
        }
        let commit = native.commit(&list_of(offsets)).map_err(|code| failed(offsets, code, code.text()))?;
        loop {
            if let Some((code, entries)) = commit.result(deadline.step(TICK)) {
                let worst = entries.iter().map(|entry| entry.code).find(|code| *code != Code::NONE).unwrap_or(code);
                let mut state = self.lock_state();
                for entry in entries.iter().filter(|entry| entry.code == Code::NONE && code == Code::NONE) {
                    state.processed.committed(&entry.partition, entry.offset);
                }
                return if worst == Code::NONE { Ok(()) } else { Err(failed(offsets, worst, worst.text())) };
            }
            meanwhile();
            check(interrupt)?;
            if deadline.passed() {
                let cause = self.context.brokers.last_cause().unwrap_or_else(|| "no answer in time".to_owned());
                return Err(failed(offsets, Code::TIMED_OUT, &cause));
            }
        }
    }

    /// Commits all processed messages, through a rebalance if there is one.
    pub(super) fn commit_processed(
        &self,
        native: &Arc<NativeConsumer>,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
    ) -> Result<(), Error> {
        // A broker answers the requests of a connection in order, and the answer to JoinGroup waits for all members. So
        // a later commit may wait until this member has given up revoked partitions.
        let serve_group = |timeout| {
            let fetched = self.fetch(native, &mut self.lock_state(), timeout, BATCH);
            let _ = self.handle_events(native).and(fetched);
        };
        // Without a subscription this commit is refused for good if the group has other members.
        let alone = self.lock_state().subscriptions.manual().is_some();
        let may_hold = |code: Code| code.is_rebalance() && !(alone && code == Code::UNKNOWN_MEMBER_ID);
        loop {
            let offsets = {
                let mut state = self.lock_state();
                self.store_after_markers(native, &mut state);
                state.processed.to_commit()
            };
            let result = self.commit_offsets(native, &offsets, deadline, interrupt, || serve_group(Duration::ZERO));
            match &result {
                Err(Error::Commit { code, .. }) if may_hold(*code) && !deadline.passed() => {}
                _ => return result,
            }
            // Then commit the partitions that this member still has.
            serve_group(deadline.step(TICK));
            check(interrupt)?;
        }
    }
}

fn failed(offsets: &HashMap<Partition, i64>, code: Code, detail: &str) -> Error {
    refused(offsets.iter().map(|(partition, offset)| (partition, *offset)), code, detail)
}

/// The error of a refused commit.
pub(super) fn refused<'a>(offsets: impl Iterator<Item = (&'a Partition, i64)>, code: Code, detail: &str) -> Error {
    let mut names: Vec<String> =
        offsets.map(|(partition, offset)| format!("'{}' [{}] @{offset}", partition.topic, partition.id)).collect();
    names.sort();
    Error::Commit {
        message: format!("cannot commit offsets of {}: {detail} ({})", names.join(", "), code.name()),
        code,
    }
}

fn list_of(offsets: &HashMap<Partition, i64>) -> PartitionList {
    PartitionList::of(offsets.iter().map(|(partition, offset)| (partition, *offset)))
}
