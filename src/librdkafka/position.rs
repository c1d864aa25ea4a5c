//! A consumer's partitions: assignment, seek, pause, positions, and committed, stored and listed offsets.

use std::time::Duration;

use rdkafka::bindings as rd;

use super::code::Code;
use super::consumer::NativeConsumer;
use super::partitions::{Entry, PartitionList};
use super::record::Partition;
use super::{check_error, checked, code, millis, NativeError};

impl NativeConsumer {
    pub fn assignment(&self) -> Result<Vec<Entry>, Code> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: the client is live; on success the list is ours.
        unsafe {
            checked(rd::rd_kafka_assignment(self.client().raw(), &mut raw))?;
            Ok(PartitionList::from_raw(raw).entries())
        }
    }

    /// Assigns these partitions and no others, outside of the group.
    pub fn assign(&self, list: &PartitionList) -> Result<(), Code> {
        // SAFETY: client and list are live; the list is copied.
        checked(unsafe { rd::rd_kafka_assign(self.client().raw(), list.raw()) })
    }

    /// As `assign`, also after a cooperative rebalance, whose assignment changes only incrementally.
    pub fn replace_assignment(&self, list: &PartitionList) -> Result<(), NativeError> {
        if !self.cooperative() {
            return Ok(self.assign(list)?);
        }
        let assigned = self.assignment()?;
        if !assigned.is_empty() {
            self.incremental_unassign(&PartitionList::without_offsets(assigned.iter().map(|entry| &entry.partition)))?;
        }
        self.incremental_assign(list)
    }

    /// Adds partitions to the assignment, outside of the group.
    pub fn incremental_assign(&self, list: &PartitionList) -> Result<(), NativeError> {
        // SAFETY: client and list are live; the list is copied.
        unsafe { check_error(rd::rd_kafka_incremental_assign(self.client().raw(), list.raw())) }
    }

    /// Removes partitions from an assignment, of `assign` or of a cooperative group.
    pub fn incremental_unassign(&self, list: &PartitionList) -> Result<(), NativeError> {
        // SAFETY: client and list are live; the list is copied.
        unsafe { check_error(rd::rd_kafka_incremental_unassign(self.client().raw(), list.raw())) }
    }

    /// Moves partitions to the offsets of the list, and discards their queued messages. Each entry has its error;
    /// `STATE` means that the partition is not being fetched yet.
    pub fn seek(&self, list: &PartitionList, timeout: Duration) -> Result<Vec<Entry>, NativeError> {
        // SAFETY: client and list are live; librdkafka writes the result of each partition into the list.
        unsafe { check_error(rd::rd_kafka_seek_partitions(self.client().raw(), list.raw(), millis(timeout).max(1)))? };
        Ok(list.entries())
    }

    /// As `seek`, without a wait for partitions that are not being fetched yet. Returns those that were moved.
    pub fn try_seek(&self, targets: &[(Partition, i64)]) -> Vec<Partition> {
        let list = PartitionList::of(targets.iter().map(|(partition, offset)| (partition, *offset)));
        let entries = self.seek(&list, Duration::from_millis(200)).unwrap_or_default();
        entries.into_iter().filter(|entry| entry.code == Code::NONE).map(|entry| entry.partition).collect()
    }

    pub fn pause(&self, list: &PartitionList) -> Result<Vec<Entry>, Code> {
        // SAFETY: as above.
        checked(unsafe { rd::rd_kafka_pause_partitions(self.client().raw(), list.raw()) })?;
        Ok(list.entries())
    }

    pub fn resume(&self, list: &PartitionList) -> Result<Vec<Entry>, Code> {
        // SAFETY: as above.
        checked(unsafe { rd::rd_kafka_resume_partitions(self.client().raw(), list.raw()) })?;
        Ok(list.entries())
    }

    /// The offset after the last item of each partition that `fetch` has returned, transaction markers included; below
    /// 0 where there is none.
    pub fn positions(&self, list: &PartitionList) -> Result<Vec<Entry>, Code> {
        // SAFETY: as above.
        checked(unsafe { rd::rd_kafka_position(self.client().raw(), list.raw()) })?;
        Ok(list.entries())
    }

    /// The committed offsets of the partitions; below 0 where there is none.
    pub fn committed(&self, list: &PartitionList, timeout: Duration) -> Result<Vec<Entry>, Code> {
        // SAFETY: as above.
        checked(unsafe { rd::rd_kafka_committed(self.client().raw(), list.raw(), millis(timeout)) })?;
        Ok(list.entries())
    }

    /// Stores offsets for the next automatic commit.
    pub fn store_offsets(&self, list: &PartitionList) {
        // SAFETY: as above. It fails for a partition that was revoked meanwhile, which its new owner commits.
        unsafe { rd::rd_kafka_offsets_store(self.client().raw(), list.raw()) };
    }

    /// Whether the group has assigned this member's partitions to others, because it took this member for dead.
    pub fn assignment_lost(&self) -> bool {
        // SAFETY: the client is live.
        unsafe { rd::rd_kafka_assignment_lost(self.client().raw()) != 0 }
    }

    /// Sends a commit of the list, whose result a later fetch passes to `ClientEvents::committed`.
    pub fn commit_async(&self, list: &PartitionList) -> Result<(), Code> {
        // SAFETY: client and list are live; the list is copied.
        checked(unsafe { rd::rd_kafka_commit(self.client().raw(), list.raw(), 1) })
    }
}

/// The offset of a partition that a query asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    Beginning,
    /// With `read_committed`, the last stable offset.
    End,
    /// The first offset with at least this timestamp, in milliseconds.
    At(i64),
}

/// A ListOffsets request that was sent (KIP-396).
pub struct OffsetQuery {
    queue: *mut rd::rd_kafka_queue_t,
}

// SAFETY: the queue is locked inside librdkafka.
unsafe impl Send for OffsetQuery {}

impl NativeConsumer {
    pub fn list_offsets(
        &self,
        queried: &[(Entry, OffsetSpec)],
        committed_only: bool,
        timeout: Duration,
    ) -> OffsetQuery {
        let mut list = PartitionList::new();
        for (entry, spec) in queried {
            let offset = match spec {
                OffsetSpec::Beginning => -2,
                OffsetSpec::End => -1,
                OffsetSpec::At(timestamp_ms) => (*timestamp_ms).max(0),
            };
            list.add(&entry.partition.topic, entry.partition.id, offset);
        }
        let level = if committed_only {
            rd::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED
        } else {
            rd::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED
        };
        let mut why = [0; 512];
        // SAFETY: client and list are live; the call copies list and options. The queue is owned by the query.
        unsafe {
            let raw = self.client().raw();
            let query = OffsetQuery { queue: rd::rd_kafka_queue_new(raw) };
            let options = rd::rd_kafka_AdminOptions_new(raw, rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS);
            let error = rd::rd_kafka_AdminOptions_set_isolation_level(options, level);
            if !error.is_null() {
                rd::rd_kafka_error_destroy(error);
            }
            rd::rd_kafka_AdminOptions_set_request_timeout(options, millis(timeout), why.as_mut_ptr(), why.len());
            rd::rd_kafka_ListOffsets(raw, list.raw(), options, query.queue);
            rd::rd_kafka_AdminOptions_destroy(options);
            query
        }
    }
}

impl OffsetQuery {
    /// The offsets with their timestamps, -1 where there is none, if the result comes within `timeout`.
    pub fn result(&self, timeout: Duration) -> Option<Result<Vec<(Entry, i64)>, Code>> {
        // SAFETY: the queue is live; the event is ours until its destroy, and so is all that it refers to.
        unsafe {
            let event = rd::rd_kafka_queue_poll(self.queue, millis(timeout));
            if event.is_null() {
                return None;
            }
            let failed = code(rd::rd_kafka_event_error(event));
            let listed = rd::rd_kafka_event_ListOffsets_result(event);
            let result = if failed != Code::NONE || listed.is_null() {
                Err(if failed == Code::NONE { Code::FAIL } else { failed })
            } else {
                let mut count = 0;
                let infos = rd::rd_kafka_ListOffsets_result_infos(listed, &mut count);
                Ok((0..count)
                    .filter_map(|index| {
                        let info = *infos.add(index);
                        let entry = super::partitions::entry(rd::rd_kafka_ListOffsetsResultInfo_topic_partition(info))?;
                        Some((entry, rd::rd_kafka_ListOffsetsResultInfo_timestamp(info)))
                    })
                    .collect())
            };
            rd::rd_kafka_event_destroy(event);
            Some(result)
        }
    }
}

impl Drop for OffsetQuery {
    fn drop(&mut self) {
        // SAFETY: owned, and released once.
        unsafe { rd::rd_kafka_queue_destroy(self.queue) }
    }
}
