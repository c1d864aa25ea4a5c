//! Positions: seek, pause and resume.

use std::time::{Duration, Instant};

use super::poll::{PendingSeek, ReadState};
use super::{Consumer, ConsumerHooks};
use crate::kafka::client::error::Error;
use crate::kafka::client::wait::{check, Deadline, Interrupt, TICK};
use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::librdkafka::partitions::{Entry, PartitionList};
use crate::librdkafka::record::Partition;

/// A partition that cannot be sought for this long has stopped, and its error has not been fetched yet.
const STOPPED_AFTER: Duration = Duration::from_millis(500);

impl ReadState {
    /// The next offset to return, as far as is known. `taken` is librdkafka's position, also after transaction markers.
    pub(super) fn position(&self, partition: &Partition, taken: Option<i64>) -> Option<i64> {
        let fetched = self.held.iter().chain(&self.buffer).filter(|message| message.is_from(partition));
        let dropped = self.dropped_from.get(partition).copied();
        fetched.map(|message| message.offset()).min().or(dropped).or_else(|| {
            let returned = self.returned.iter().rev().find(|message| message.is_from(partition));
            let read_to = returned
                .map(|message| message.offset() + 1)
                .or_else(|| self.processed.next(partition))
                .or_else(|| self.starts.get(partition).copied());
            read_to.max(taken)
        })
    }
}

impl<H: ConsumerHooks> Consumer<H> {
    /// Sets the offset of the next message of each partition.
    pub fn seek(
        &self,
        targets: &[(Partition, i64)],
        deadline: Deadline,
        interrupt: Interrupt<'_>,
    ) -> Result<(), Error> {
        let native = self.open("seek")?;
        let assigned = self.assignment()?;
        if let Some((partition, _)) = targets.iter().find(|(partition, _)| !assigned.contains(partition)) {
            return Err(Error::Misuse(format!(
                "seek: '{}' [{}] is not assigned to this consumer. Seek in on_assign, or assign() the partition first",
                partition.topic, partition.id
            )));
        }
        let started = Instant::now();
        let mut left = self.try_seek(&native, targets.to_vec(), false, deadline)?;
        while !left.is_empty() {
            // Without the lock: a signal handler may use this consumer, or close it.
            check(interrupt)?;
            std::thread::sleep(Duration::from_millis(5));
            let stopped = started.elapsed() > STOPPED_AFTER;
            left = self.try_seek(&*self.open("seek")?, left, stopped, deadline)?;
        }
        Ok(())
    }

    /// Returns the partitions that cannot be sought yet, since they have just been assigned.
    fn try_seek(
        &self,
        native: &NativeConsumer,
        targets: Vec<(Partition, i64)>,
        all_stopped: bool,
        deadline: Deadline,
    ) -> Result<Vec<(Partition, i64)>, Error> {
        let mut state = self.lock_state();
        self.store_processed(&mut state);
        targets.iter().for_each(|(partition, _)| state.drop_fetched(partition));
        let (stopped, others): (Vec<_>, Vec<_>) =
            targets.iter().cloned().partition(|(partition, _)| all_stopped || state.read_errors.contains(partition));
        self.restart(native, &mut state, &stopped)?;
        let entries = if others.is_empty() {
            Vec::new()
        } else {
            let list = PartitionList::of(others.iter().map(|(partition, offset)| (partition, *offset)));
            native
                .seek(&list, deadline.step(TICK))
                .map_err(|problem| Error::failed("cannot seek", problem.code, &problem.text))?
        };
        let (moved, left): (Vec<_>, Vec<_>) = targets.into_iter().partition(|(partition, _)| {
            !entries.iter().any(|entry| entry.partition == *partition && entry.code != Code::NONE)
        });
        for (partition, offset) in &moved {
            state.processed.set(&partition.topic, partition.id, *offset);
            state.pending_seeks.insert(partition.clone(), PendingSeek::new(*offset));
            state.received.begin(partition);
            state.read_errors.started_at(partition, *offset);
            state.expect_position(partition, *offset);
        }
        if self.auto_commits(&state) {
            native.store_offsets(&PartitionList::of(moved.iter().map(|(partition, offset)| (partition, *offset))));
        }
        let not_yet = |code| matches!(code, Code::STATE | Code::PREV_IN_PROGRESS | Code::TIMED_OUT | Code::OUTDATED);
        let refused = |entry: &&Entry| entry.code != Code::NONE && (deadline.passed() || !not_yet(entry.code));
        entries.iter().find(refused).map_or(Ok(left), |entry| {
            let operation = format!("cannot seek '{}' [{}]", entry.partition.topic, entry.partition.id);
            Err(Error::failed(&operation, entry.code, ""))
        })
    }

    /// Returns no messages of the partitions until `resume`. Messages already fetched are held.
    pub fn pause(&self, partitions: &[Partition]) -> Result<(), Error> {
        let native = self.open("pause")?;
        let mut state = self.lock_state();
        self.checked("pause", partitions, native.pause(&PartitionList::without_offsets(partitions)))?;
        state.paused.extend(partitions.iter().cloned());
        let (held, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut state.buffer)
            .into_iter()
            .partition(|message| partitions.iter().any(|partition| message.is_from(partition)));
        state.held.extend(held);
        state.buffer.extend(rest);
        Ok(())
    }

    pub fn resume(&self, partitions: &[Partition]) -> Result<(), Error> {
        let native = self.open("resume")?;
        let mut state = self.lock_state();
        self.checked("resume", partitions, native.resume(&PartitionList::without_offsets(partitions)))?;
        state.paused.retain(|partition| !partitions.contains(partition));
        state.release_held();
        Ok(())
    }

    pub fn paused(&self) -> Vec<Partition> {
        self.lock_state().paused.iter().cloned().collect()
    }

    fn checked(
        &self,
        operation: &str,
        partitions: &[Partition],
        result: Result<Vec<Entry>, Code>,
    ) -> Result<(), Error> {
        let failed = |code, name: String| Error::failed(&format!("cannot {operation} {name}"), code, "");
        let entries = result.map_err(|code| failed(code, "partitions".to_owned()))?;
        let assigned = self.assignment()?;
        if let Some(partition) = partitions.iter().find(|partition| !assigned.contains(partition)) {
            return Err(Error::Misuse(format!(
                "{operation}: '{}' [{}] is not assigned to this consumer",
                partition.topic, partition.id
            )));
        }
        match entries.iter().find(|entry| entry.code != Code::NONE) {
            Some(entry) => Err(failed(entry.code, format!("'{}' [{}]", entry.partition.topic, entry.partition.id))),
            None => Ok(()),
        }
    }
}
