//! An item of a fetch: a message, or a notice in its place. Read in librdkafka's own buffer.
//!
//! Short-lived: a message keeps its fetch response and its broker's thread alive, and `rd_kafka_destroy` waits for that
//! thread. Copy what outlives the next call (270 bytes cost about 20 ns).

use std::borrow::Cow;
use std::ffi::CStr;

use rdkafka::bindings as rd;

use super::client::Client;
use super::code::Code;
use super::partitions::{PartitionList, NO_OFFSET};
use super::pinned::headers::has_headers;
use super::record::{Header, Partition, WHOLE};
use super::{code, copy, text};

pub struct Fetched {
    raw: *mut rd::rd_kafka_message_t,
}

// SAFETY: a message belongs to one owner, and what it points to is reference counted inside librdkafka.
unsafe impl Send for Fetched {}
// SAFETY: as above.
unsafe impl Sync for Fetched {}

impl Fetched {
    /// # Safety
    /// `raw` is a live message from a consumer, which the caller owns and does not use again.
    pub(super) unsafe fn from_raw(raw: *mut rd::rd_kafka_message_t) -> Self {
        Fetched { raw }
    }

    fn message(&self) -> &rd::rd_kafka_message_t {
        // SAFETY: live until the drop.
        unsafe { &*self.raw }
    }

    #[cfg(test)]
    pub(super) fn raw(&self) -> *const rd::rd_kafka_message_t {
        self.raw
    }

    /// `Code::NONE` for a message; otherwise this is a notice, which `reason` explains.
    pub fn code(&self) -> Code {
        // SAFETY: live. Read as a number because brokers send codes that the enum does not list.
        unsafe { Code(std::ptr::addr_of!((*self.raw).err).cast::<i32>().read()) }
    }

    /// Whether this is a message that librdkafka cannot read: its batch is damaged, or too large to be decompressed. It
    /// has an offset, and neither key, value nor headers.
    pub fn is_unreadable(&self) -> bool {
        matches!(self.code(), Code::BAD_COMPRESSION | Code::BAD_MSG)
            && self.offset() >= 0
            && !self.message().rkt.is_null()
    }

    /// librdkafka gives every unreadable message the first offset of its batch.
    pub fn set_offset(&mut self, offset: i64) {
        // SAFETY: the message is live and owned, and librdkafka does not read this field again.
        unsafe { (*self.raw).offset = offset }
    }

    pub fn reason(&self) -> String {
        // SAFETY: the message is live; the text belongs to it or is static.
        unsafe { text(rd::rd_kafka_message_errstr(self.raw)) }
    }

    /// Empty for a notice without a topic.
    pub fn topic(&self) -> Cow<'_, str> {
        if self.message().rkt.is_null() {
            return Cow::Borrowed("");
        }
        // SAFETY: the message keeps its topic, whose name is NUL-terminated.
        unsafe { CStr::from_ptr(rd::rd_kafka_topic_name(self.message().rkt)).to_string_lossy() }
    }

    /// The bytes of the topic's name, which are cheaper to compare than the text.
    pub fn topic_bytes(&self) -> &[u8] {
        if self.message().rkt.is_null() {
            return b"";
        }
        // SAFETY: as above.
        unsafe { CStr::from_ptr(rd::rd_kafka_topic_name(self.message().rkt)).to_bytes() }
    }

    pub fn partition(&self) -> i32 {
        self.message().partition
    }

    pub fn topic_partition(&self) -> Partition {
        Partition { topic: (&*self.topic()).into(), id: self.partition() }
    }

    /// The subject of a notice: a partition, or with `WHOLE` its topic or all topics. In a broker's error for a topic,
    /// librdkafka sets partition 0 and no offset (rd_kafka_propagate_consumer_topic_errors).
    pub fn about(&self) -> Partition {
        let whole = self.message().rkt.is_null() || (self.code().0 > 0 && self.offset() == NO_OFFSET);
        Partition { topic: (&*self.topic()).into(), id: if whole { WHOLE } else { self.partition() } }
    }

    pub fn offset(&self) -> i64 {
        self.message().offset
    }

    /// The bytes of key and value.
    pub fn size(&self) -> usize {
        // The value of a notice is its text.
        if self.code() != Code::NONE {
            return 0;
        }
        self.message().len + self.message().key_len
    }

    /// Whether both come from one partition.
    pub fn is_same_partition(&self, other: &Fetched) -> bool {
        // Both are live and keep their topics, so one address is one topic.
        self.partition() == other.partition() && self.message().rkt == other.message().rkt
    }

    /// Appends it to messages that each stand for those before them: of consecutive ones of a partition the last is
    /// kept.
    pub fn push_latest(self, latest: &mut Vec<Fetched>) {
        match latest.last_mut() {
            Some(last) if last.is_same_partition(&self) => *last = self,
            _ => latest.push(self),
        }
    }

    pub fn is_from(&self, partition: &Partition) -> bool {
        self.partition() == partition.id && self.topic_bytes() == partition.topic.as_bytes()
    }

    /// Milliseconds since the epoch, if the message has a timestamp.
    pub fn timestamp_ms(&self) -> Option<i64> {
        // SAFETY: the message is live; null where the kind of the timestamp would be stored.
        let timestamp = unsafe { rd::rd_kafka_message_timestamp(self.raw, std::ptr::null_mut()) };
        (timestamp >= 0).then_some(timestamp)
    }

    pub fn key(&self) -> Option<&[u8]> {
        let message = self.message();
        // SAFETY: pointer and length belong together and live as long as the message.
        (!message.key.is_null()).then(|| unsafe { std::slice::from_raw_parts(message.key.cast(), message.key_len) })
    }

    pub fn value(&self) -> Option<&[u8]> {
        let message = self.message();
        // SAFETY: as above.
        (!message.payload.is_null() && self.code() == Code::NONE)
            .then(|| unsafe { std::slice::from_raw_parts(message.payload.cast(), message.len) })
    }

    /// An error for headers that librdkafka cannot read: damaged ones, or more than 100,000.
    pub fn headers(&self) -> Result<Vec<Header>, Code> {
        let mut list = std::ptr::null_mut();
        // SAFETY: the message is live; the list and all in it belong to the message.
        unsafe {
            if self.code() != Code::NONE || !has_headers(self.raw) {
                return Ok(Vec::new());
            }
            match code(rd::rd_kafka_message_headers(self.raw, &mut list)) {
                Code::NONE => {}
                Code::NO_ENTRY => return Ok(Vec::new()),
                failed => return Err(failed),
            }
            Ok((0..rd::rd_kafka_header_cnt(list))
                .filter_map(|index| {
                    let (mut name, mut value, mut length) = (std::ptr::null(), std::ptr::null(), 0);
                    let found = rd::rd_kafka_header_get_all(list, index, &mut name, &mut value, &mut length);
                    (code(found) == Code::NONE).then(|| (text(name), copy(value, length).map(Vec::from)))
                })
                .collect())
        }
    }

    /// The caller owns the copy; `None` for a message without headers.
    pub(super) fn copy_of_headers(&self) -> Option<*mut rd::rd_kafka_headers_t> {
        let mut list = std::ptr::null_mut();
        // SAFETY: the message is live, and the list belongs to it; the copy is a list of its own.
        unsafe {
            (code(rd::rd_kafka_message_headers(self.raw, &mut list)) == Code::NONE)
                .then(|| rd::rd_kafka_headers_copy(list))
        }
    }

    /// Stores the offset after this message for the next commit. Without effect if the partition was revoked meanwhile:
    /// its new owner reads the message again. `client` is the one that fetched the message.
    pub fn store_offset(&self, client: &Client) {
        if self.code() != Code::NONE {
            // `rd_kafka_offset_store_message` refuses messages with an error.
            let mut list = PartitionList::new();
            list.add(&self.topic(), self.partition(), self.offset() + 1);
            // SAFETY: client and list are live; the list is copied.
            unsafe { rd::rd_kafka_offsets_store(client.raw(), list.raw()) };
            return;
        }
        // SAFETY: message and client are live; the error object is ours to free.
        unsafe {
            let refused = rd::rd_kafka_offset_store_message(self.raw);
            if !refused.is_null() {
                rd::rd_kafka_error_destroy(refused);
            }
        }
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        // SAFETY: owned, and freed once.
        unsafe { rd::rd_kafka_message_destroy(self.raw) }
    }
}
