//! `rd_kafka_topic_partition_list_t`. Lists are short-lived: `rd_kafka_destroy` never returns while one that stored
//! offsets is alive (https://github.com/confluentinc/librdkafka/issues/3796).

use std::ffi::{CStr, CString};
use std::sync::Arc;

use rdkafka::bindings as rd;

use super::code::Code;
use super::record::Partition;

/// No offset: the committed one, or a list that needs none.
pub const NO_OFFSET: i64 = rd::RD_KAFKA_OFFSET_INVALID as i64;

pub struct PartitionList {
    raw: *mut rd::rd_kafka_topic_partition_list_t,
}

/// An entry of a list: a partition, an offset in it, and the result of the call for it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub partition: Partition,
    pub offset: i64,
    pub code: Code,
}

impl PartitionList {
    pub fn new() -> Self {
        // SAFETY: allocates; the result is owned by the new object.
        PartitionList { raw: unsafe { rd::rd_kafka_topic_partition_list_new(8) } }
    }

    pub fn of<'a>(entries: impl IntoIterator<Item = (&'a Partition, i64)>) -> Self {
        let mut list = PartitionList::new();
        for (partition, offset) in entries {
            list.add(&partition.topic, partition.id, offset);
        }
        list
    }

    /// A list for a call that reads no offsets from it.
    pub fn without_offsets<'a>(partitions: impl IntoIterator<Item = &'a Partition>) -> Self {
        Self::of(partitions.into_iter().map(|partition| (partition, NO_OFFSET)))
    }

    /// Skips a topic whose name contains a NUL: no broker has one.
    pub fn add(&mut self, topic: &str, partition: i32, offset: i64) {
        let Ok(topic) = CString::new(topic) else { return };
        // SAFETY: the list is live and copies the name; the returned entry belongs to the list.
        unsafe {
            let entry = rd::rd_kafka_topic_partition_list_add(self.raw, topic.as_ptr(), partition);
            (*entry).offset = offset;
        }
    }

    pub fn entries(&self) -> Vec<Entry> {
        // SAFETY: the list is live and owned.
        unsafe { read(self.raw) }
    }

    pub(super) fn raw(&self) -> *mut rd::rd_kafka_topic_partition_list_t {
        self.raw
    }

    /// # Safety
    /// `raw` is a live list that the caller owns.
    pub(super) unsafe fn from_raw(raw: *mut rd::rd_kafka_topic_partition_list_t) -> Self {
        PartitionList { raw }
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: owned, and freed once.
        unsafe { rd::rd_kafka_topic_partition_list_destroy(self.raw) }
    }
}

/// # Safety
/// `list` is null or a live list.
pub(super) unsafe fn read(list: *const rd::rd_kafka_topic_partition_list_t) -> Vec<Entry> {
    // SAFETY: as above.
    let Some(list) = (unsafe { list.as_ref() }) else { return Vec::new() };
    let count = usize::try_from(list.cnt).unwrap_or(0);
    let mut last: Option<Arc<str>> = None;
    (0..count)
        .filter_map(|index| {
            // SAFETY: the list has `count` elements.
            let mut entry = unsafe { entry(list.elems.add(index)) }?;
            match &last {
                Some(topic) if **topic == *entry.partition.topic => entry.partition.topic = topic.clone(),
                _ => last = Some(entry.partition.topic.clone()),
            }
            Some(entry)
        })
        .collect()
}

/// # Safety
/// `raw` is null or a live element of a list.
pub(super) unsafe fn entry(raw: *const rd::rd_kafka_topic_partition_t) -> Option<Entry> {
    // SAFETY: as above; the topic is NUL-terminated. The code is read as a number: brokers send some that the enum does
    // not list.
    unsafe {
        let element = raw.as_ref()?;
        let topic = Arc::from(&*CStr::from_ptr(element.topic).to_string_lossy());
        let code = Code(std::ptr::addr_of!((*raw).err).cast::<i32>().read());
        Some(Entry { partition: Partition { topic, id: element.partition }, offset: element.offset, code })
    }
}
