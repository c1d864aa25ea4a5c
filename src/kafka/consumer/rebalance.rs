//! Handles queued events: partitions that are assigned or revoked, and answers to commits.

use std::sync::atomic::Ordering;

use super::commit::refused;
use super::events::QueuedEvent;
use super::poll::ReadState;
use super::subscription_state::Subscription;
use super::{Consumer, ConsumerContext, ConsumerHooks};
use crate::kafka::client::error::Error;
use crate::kafka::client::log::{Level, LogRecord};
use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::partitions::{Entry, PartitionList, NO_OFFSET};
use crate::librdkafka::record::Partition;

/// What a group reports to the program.
pub enum GroupEvent {
    /// These partitions are read from now on.
    Assigned(Vec<Partition>),
    /// These partitions go to other members after the callback.
    Revoked(Vec<Partition>),
    /// Other members have these partitions already: their offsets can no longer be committed.
    Lost(Vec<Partition>),
    /// The answer to a commit that no call waited for.
    Committed { result: Result<(), Error>, offsets: Vec<(Partition, i64)> },
}

impl<H: ConsumerHooks> Consumer<H> {
    /// Handles all queued events and runs their callbacks. Returns their first error.
    pub(super) fn handle_events(&self, native: &NativeConsumer) -> Result<(), Error> {
        let mut result = Ok(());
        while let Some(event) = self.context.next_event() {
            let handled = match event {
                QueuedEvent::Rebalance { assign: true, partitions } => match self.assign_granted(native, &partitions) {
                    Some(taken) => self.call_hook(GroupEvent::Assigned(taken)),
                    None => Ok(()),
                },
                QueuedEvent::Rebalance { assign: false, partitions } => {
                    let lost = native.assignment_lost();
                    let all = lost || !native.cooperative();
                    if !lost
                        && self.settings.auto_commit
                        && matches!(self.lock(&self.state).subscriptions.current, Subscription::Topics(_))
                    {
                        self.store_after_markers(native, &mut self.lock(&self.state));
                    }
                    // Processed offsets are stored; librdkafka commits them before it revokes the partitions.
                    let seen = self.lock(&self.state).subscriptions.revoked(&names(&partitions), all);
                    let hook_result = seen.map_or(Ok(()), |gone| {
                        self.call_hook(if lost { GroupEvent::Lost(gone) } else { GroupEvent::Revoked(gone) })
                    });
                    self.revoke(native, &partitions, all);
                    hook_result
                }
                QueuedEvent::Committed { code, offsets } => self.report_commit(code, &offsets),
            };
            result = result.and(handled);
        }
        result
    }

    /// Assigns the group's partitions that are subscribed to. Returns them; None after the subscription was replaced.
    fn assign_granted(&self, native: &NativeConsumer, partitions: &[Entry]) -> Option<Vec<Partition>> {
        let mut state = self.lock(&self.state);
        state.subscriptions.assigned_by_group(&names(partitions), native.cooperative());
        let Subscription::Topics(_) = state.subscriptions.current else {
            self.keep_assignment(native, true, &mut state);
            return None;
        };
        let wanted = |entry: &&Entry| state.subscriptions.wants_topic(&entry.partition.topic);
        let taken: Vec<Entry> = partitions.iter().filter(wanted).cloned().collect();
        self.context.apply_rebalance(native, true, &taken);
        if taken.is_empty() && !partitions.is_empty() {
            return None;
        }
        let names = names(&taken);
        state.subscriptions.announce(&names);
        self.mark_assigned(native, &mut state, &taken);
        Some(names)
    }

    fn mark_assigned(&self, native: &NativeConsumer, state: &mut ReadState, partitions: &[Entry]) {
        state.assigned = true;
        state.read_errors.assigned(&names(partitions));
        partitions.iter().for_each(|entry| state.received.begin(&entry.partition));
        if state.paused.is_empty() {
            return;
        }
        if !native.cooperative() {
            state.paused.retain(|paused| partitions.iter().any(|entry| entry.partition == *paused));
        }
        // An assignment makes librdkafka forget pauses.
        let again: Vec<Partition> =
            names(partitions).into_iter().filter(|partition| state.paused.contains(partition)).collect();
        if !again.is_empty() {
            let _ = native.pause(&PartitionList::without_offsets(&again));
        }
    }

    /// Ends reading revoked partitions, unless the program has assigned them itself meanwhile.
    fn revoke(&self, native: &NativeConsumer, partitions: &[Entry], all: bool) {
        let mut state = self.lock(&self.state);
        if let Some(manual) = state.subscriptions.manual() {
            let is_manual = |partition: &Partition| manual.iter().any(|(manual, _)| manual == partition);
            let gone: Vec<Partition> =
                names(partitions).into_iter().filter(|partition| !is_manual(partition)).collect();
            gone.iter().for_each(|partition| state.forget(partition));
            return self.keep_assignment(native, false, &mut state);
        }
        let paused = state.paused.clone();
        partitions.iter().for_each(|entry| state.forget(&entry.partition));
        if all {
            // An eager group revokes all and assigns again. A partition that comes back is still paused.
            state.assigned = false;
            state.paused = paused;
        }
        self.context.apply_rebalance(native, false, partitions);
    }

    fn call_hook(&self, event: GroupEvent) -> Result<(), Error> {
        // A callback that commits may run another one.
        let before = self.lock(&self.hook_thread).replace(std::thread::current().id());
        let result = self.context.hooks.group_event(event);
        *self.lock(&self.hook_thread) = before;
        result
    }

    fn report_commit(&self, code: Code, offsets: &[Entry]) -> Result<(), Error> {
        let worst = offsets.iter().map(|entry| entry.code).find(|code| *code != Code::NONE).unwrap_or(code);
        if worst == Code::NONE {
            let mut state = self.lock(&self.state);
            offsets.iter().for_each(|entry| state.processed.committed(&entry.partition, entry.offset));
        }
        let result = match worst {
            Code::NONE => Ok(()),
            code => Err(refused(offsets.iter().map(|entry| (&entry.partition, entry.offset)), code, code.text())),
        };
        if !self.context.hooks.wants_commits() {
            if let Err(error) = result {
                let text = format!("{error}. The next commit tries again");
                self.context.hooks.log(LogRecord { level: Level::Error, text });
            }
            return Ok(());
        }
        let offsets = offsets.iter().map(|entry| (entry.partition.clone(), entry.offset)).collect();
        self.call_hook(GroupEvent::Committed { result, offsets })
    }
}

impl<H: ConsumerHooks> ConsumerContext<H> {
    pub(super) fn apply_rebalance(&self, native: &NativeConsumer, assign: bool, partitions: &[Entry]) {
        self.rebalances.fetch_add(u64::from(assign), Ordering::Relaxed);
        if let Err(problem) = native.apply_rebalance(assign, partitions) {
            let text = format!("rebalance: cannot change the assignment: {} ({})", problem.text, problem.code.name());
            self.hooks.log(LogRecord { level: Level::Error, text });
        }
    }

    /// Assigns partitions again, at their committed offsets.
    pub(super) fn reassign(&self, native: &NativeConsumer, partitions: &[Partition]) {
        let entry = |partition: &Partition| Entry { partition: partition.clone(), offset: NO_OFFSET, code: Code::NONE };
        if !partitions.is_empty() {
            self.apply_rebalance(native, true, &partitions.iter().map(entry).collect::<Vec<_>>());
        }
    }
}

fn names(entries: &[Entry]) -> Vec<Partition> {
    entries.iter().map(|entry| entry.partition.clone()).collect()
}
