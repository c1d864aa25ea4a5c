//! Acts on what a fetch brought besides messages: partitions that come and go, and commits that were answered.

use std::sync::atomic::Ordering;

use super::assignment::Wanted;
use super::commit::refused;
use super::events::Notice;
use super::read::Reading;
use super::{Consumer, ConsumerHooks, Shared};
use crate::kafka::client::error::Error;
use crate::kafka::client::log::{Level, LogRecord};
use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::partitions::{Entry, PartitionList, NO_OFFSET};
use crate::librdkafka::record::Partition;

/// What the program may want to know of its group.
pub enum GroupEvent {
    /// They are being read from now on.
    Assigned(Vec<Partition>),
    /// They go to other members when this has been heard.
    Revoked(Vec<Partition>),
    /// They went to other members already, so their offsets cannot be committed any more.
    Lost(Vec<Partition>),
    /// A commit that nobody waited for was answered.
    Committed { result: Result<(), Error>, offsets: Vec<(Partition, i64)> },
}

impl<H: ConsumerHooks> Consumer<H> {
    /// Acts on all that was noticed, and tells the hook. The first error that it returns is raised at the end.
    pub(super) fn act_on_notices(&self, native: &NativeConsumer) -> Result<(), Error> {
        let mut result = Ok(());
        while let Some(notice) = self.shared.next_notice() {
            let told = match notice {
                Notice::Rebalance { assign: true, partitions } => match self.take_on(native, &partitions) {
                    Some(taken) => self.tell(GroupEvent::Assigned(taken)),
                    None => Ok(()),
                },
                Notice::Rebalance { assign: false, partitions } => {
                    let lost = native.assignment_lost();
                    let all = lost || !native.cooperative();
                    if !lost
                        && self.settings.auto_commit
                        && matches!(self.lock(&self.reading).assignment.wanted, Wanted::Topics(_))
                    {
                        self.pass_markers(native, &mut self.lock(&self.reading));
                    }
                    // What was done of them has been stored, and librdkafka commits that before it gives them up.
                    let seen = self.lock(&self.reading).assignment.revoked(&names(&partitions), all);
                    let told = seen.map_or(Ok(()), |gone| {
                        self.tell(if lost { GroupEvent::Lost(gone) } else { GroupEvent::Revoked(gone) })
                    });
                    self.hand_over(native, &partitions, all);
                    told
                }
                Notice::Committed { code, offsets } => self.tell_of_commit(code, &offsets),
            };
            result = result.and(told);
        }
        result
    }

    /// Takes on what is wanted of the partitions that the group has assigned. What the program is to be told; None where
    /// nothing is wanted, since the subscription was replaced.
    fn take_on(&self, native: &NativeConsumer, partitions: &[Entry]) -> Option<Vec<Partition>> {
        let mut reading = self.lock(&self.reading);
        reading.assignment.granted(&names(partitions), native.cooperative());
        let Wanted::Topics(_) = reading.assignment.wanted else {
            self.decline(native, true, &mut reading);
            return None;
        };
        let wanted = |entry: &&Entry| reading.assignment.wants_topic(&entry.partition.topic);
        let taken: Vec<Entry> = partitions.iter().filter(wanted).cloned().collect();
        self.shared.apply(native, true, &taken);
        if taken.is_empty() && !partitions.is_empty() {
            return None;
        }
        let names = names(&taken);
        reading.assignment.tell(&names);
        self.arrived(native, &mut reading, &taken);
        Some(names)
    }

    fn arrived(&self, native: &NativeConsumer, reading: &mut Reading, partitions: &[Entry]) {
        reading.assigned = true;
        reading.stopped.assigned(&names(partitions));
        partitions.iter().for_each(|entry| reading.received.begin(&entry.partition));
        if reading.paused.is_empty() {
            return;
        }
        if !native.cooperative() {
            reading.paused.retain(|paused| partitions.iter().any(|entry| entry.partition == *paused));
        }
        // librdkafka forgets with a partition that it was paused.
        let again: Vec<Partition> =
            names(partitions).into_iter().filter(|partition| reading.paused.contains(partition)).collect();
        if !again.is_empty() {
            let _ = native.pause(&PartitionList::without_offsets(&again));
        }
    }

    /// Gives up partitions that the group has revoked, unless the program reads them by its own choice now.
    fn hand_over(&self, native: &NativeConsumer, partitions: &[Entry], all: bool) {
        let mut reading = self.lock(&self.reading);
        if let Some(own) = reading.assignment.own() {
            let is_own = |partition: &Partition| own.iter().any(|(own, _)| own == partition);
            let gone: Vec<Partition> = names(partitions).into_iter().filter(|partition| !is_own(partition)).collect();
            gone.iter().for_each(|partition| reading.forget(partition));
            return self.decline(native, false, &mut reading);
        }
        let paused = reading.paused.clone();
        partitions.iter().for_each(|entry| reading.forget(&entry.partition));
        if all {
            // An eager group takes all partitions and deals anew: what comes back stays paused, and is still waited for.
            reading.assigned = false;
            reading.paused = paused;
        }
        self.shared.apply(native, false, partitions);
    }

    fn tell(&self, event: GroupEvent) -> Result<(), Error> {
        // A hook that commits may have another one called.
        let before = self.lock(&self.hook).replace(std::thread::current().id());
        let told = self.shared.hooks.group_event(event);
        *self.lock(&self.hook) = before;
        told
    }

    fn tell_of_commit(&self, code: Code, offsets: &[Entry]) -> Result<(), Error> {
        let worst = offsets.iter().map(|entry| entry.code).find(|code| *code != Code::NONE).unwrap_or(code);
        if worst == Code::NONE {
            let mut reading = self.lock(&self.reading);
            offsets.iter().for_each(|entry| reading.offsets.committed(&entry.partition, entry.offset));
        }
        let result = match worst {
            Code::NONE => Ok(()),
            code => Err(refused(offsets.iter().map(|entry| (&entry.partition, entry.offset)), code, code.text())),
        };
        if !self.shared.hooks.hears_commits() {
            if let Err(error) = result {
                let text = format!("{error}. The next commit tries again");
                self.shared.hooks.log(LogRecord { level: Level::Error, text });
            }
            return Ok(());
        }
        let offsets = offsets.iter().map(|entry| (entry.partition.clone(), entry.offset)).collect();
        self.tell(GroupEvent::Committed { result, offsets })
    }
}

impl<H: ConsumerHooks> Shared<H> {
    pub(super) fn apply(&self, native: &NativeConsumer, assign: bool, partitions: &[Entry]) {
        self.rebalances.fetch_add(u64::from(assign), Ordering::Relaxed);
        if let Err(problem) = native.apply_rebalance(assign, partitions) {
            let text = format!("rebalance: cannot change the assignment: {} ({})", problem.text, problem.code.name());
            self.hooks.log(LogRecord { level: Level::Error, text });
        }
    }

    /// Takes on partitions again, at what the group has committed of them.
    pub(super) fn take_on_more(&self, native: &NativeConsumer, partitions: &[Partition]) {
        let entry = |partition: &Partition| Entry { partition: partition.clone(), offset: NO_OFFSET, code: Code::NONE };
        if !partitions.is_empty() {
            self.apply(native, true, &partitions.iter().map(entry).collect::<Vec<_>>());
        }
    }
}

fn names(entries: &[Entry]) -> Vec<Partition> {
    entries.iter().map(|entry| entry.partition.clone()).collect()
}
