//! librdkafka's transactions. A call that times out continues when it is repeated, unless its description says
//! otherwise.

use std::ffi::c_void;
use std::time::Duration;

use rdkafka::bindings as rd;

use super::client::{c_string, Client};
use super::partitions::PartitionList;
use super::pinned::internal;
use super::{check_error, millis, NativeError};

/// A consumer's membership of its group, which offsets are sent with: a copy of librdkafka's serialized form.
#[derive(Clone)]
pub struct GroupMetadata(Vec<u8>);

impl Client {
    /// Has the next abort give the producer a new epoch. A broker that rejected messages misses their sequence numbers:
    /// librdkafka 2.12 does not reuse them, so the next transaction that writes to the same partition would fail.
    pub fn bump_epoch_after_abort(&self, why: &str) {
        let Ok(why) = c_string(why) else { return };
        // SAFETY: the handle is live.
        unsafe { internal::require_epoch_bump(self.raw(), &why) }
    }

    pub fn init_transactions(&self, timeout: Duration) -> Result<(), NativeError> {
        // SAFETY: the client is live; the error that it returns is ours.
        unsafe { check_error(rd::rd_kafka_init_transactions(self.raw(), millis(timeout))) }
    }

    pub fn begin_transaction(&self) -> Result<(), NativeError> {
        // SAFETY: as above.
        unsafe { check_error(rd::rd_kafka_begin_transaction(self.raw())) }
    }

    pub fn commit_transaction(&self, timeout: Duration) -> Result<(), NativeError> {
        // SAFETY: as above.
        unsafe { check_error(rd::rd_kafka_commit_transaction(self.raw(), millis(timeout))) }
    }

    pub fn abort_transaction(&self, timeout: Duration) -> Result<(), NativeError> {
        // SAFETY: as above.
        unsafe { check_error(rd::rd_kafka_abort_transaction(self.raw(), millis(timeout))) }
    }

    /// Does not continue when it is repeated: an answer that comes after `timeout` is lost.
    pub fn send_offsets(
        &self,
        offsets: &PartitionList,
        group: &GroupMetadata,
        timeout: Duration,
    ) -> Result<(), NativeError> {
        let mut metadata = std::ptr::null_mut();
        // SAFETY: client and list are live, and so are the bytes. The metadata that is read from them is ours until its
        // destroy; the call copies both.
        unsafe {
            check_error(rd::rd_kafka_consumer_group_metadata_read(
                &mut metadata,
                group.0.as_ptr().cast::<c_void>(),
                group.0.len(),
            ))?;
            let sent = rd::rd_kafka_send_offsets_to_transaction(self.raw(), offsets.raw(), metadata, millis(timeout));
            rd::rd_kafka_consumer_group_metadata_destroy(metadata);
            check_error(sent)
        }
    }

    /// The consumer's present membership; `None` without a group.
    pub fn group_metadata(&self) -> Option<Result<GroupMetadata, NativeError>> {
        // SAFETY: the client is a live consumer. Metadata and buffer are ours to free, the buffer with librdkafka's
        // `free`.
        unsafe {
            let metadata = rd::rd_kafka_consumer_group_metadata(self.raw());
            if metadata.is_null() {
                return None;
            }
            let (mut buffer, mut size) = (std::ptr::null_mut(), 0);
            let written = check_error(rd::rd_kafka_consumer_group_metadata_write(metadata, &mut buffer, &mut size));
            rd::rd_kafka_consumer_group_metadata_destroy(metadata);
            Some(written.map(|()| {
                let bytes = std::slice::from_raw_parts(buffer.cast::<u8>().cast_const(), size).to_vec();
                rd::rd_kafka_mem_free(self.raw(), buffer.cast());
                GroupMetadata(bytes)
            }))
        }
    }
}
