//! A consuming client: subscription and assignment, batches of messages, offsets, and a close that ends.

use std::ffi::CStr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as rd;

use super::client::Client;
use super::outgoing::copy;
use super::partitions::{read, Entry, PartitionList};
use super::{code, millis, problem, text, Problem};
use crate::kafka::code::Code;
use crate::kafka::record::{Fetched, Header, Incoming, Notice};

pub struct Inlet {
    client: Client,
    queue: *mut rd::rd_kafka_queue_t,
}

// SAFETY: the queue is locked inside librdkafka.
unsafe impl Send for Inlet {}
unsafe impl Sync for Inlet {}

impl Inlet {
    /// From now on the client's callbacks are served by `fetch`.
    pub fn new(client: Client) -> Result<Self, Code> {
        // SAFETY: the client is a live consumer; the reference to its queue is given back on drop.
        unsafe {
            let redirected = code(rd::rd_kafka_poll_set_consumer(client.raw()));
            if redirected != Code::NONE {
                return Err(redirected);
            }
            let queue = rd::rd_kafka_queue_get_consumer(client.raw());
            if queue.is_null() {
                return Err(Code::STATE);
            }
            Ok(Inlet { client, queue })
        }
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Waits for the first message or notice up to `timeout`, then takes what is there without waiting, `limit` in all.
    /// Two calls, because librdkafka waits out the whole timeout for a full batch.
    pub fn fetch(&self, timeout: Duration, limit: usize, into: &mut Vec<Fetched>) {
        let first = self.fetch_into(timeout, 1, into);
        if first == 1 && limit > 1 {
            self.fetch_into(Duration::ZERO, limit - 1, into);
        }
    }

    fn fetch_into(&self, timeout: Duration, limit: usize, into: &mut Vec<Fetched>) -> usize {
        let mut batch: Vec<*mut rd::rd_kafka_message_t> = vec![std::ptr::null_mut(); limit];
        // SAFETY: the queue is live and the array as long as said; the first `count` entries are messages of ours, each
        // read before it is destroyed.
        unsafe {
            let count = rd::rd_kafka_consume_batch_queue(self.queue, millis(timeout), batch.as_mut_ptr(), batch.len());
            let count = usize::try_from(count).unwrap_or(0);
            let mut last: Option<Arc<str>> = None;
            for &message in &batch[..count] {
                into.push(owned(&*message, &mut last));
                rd::rd_kafka_message_destroy(message);
            }
            count
        }
    }

    pub fn subscribe(&self, topics: &[String]) -> Result<(), Code> {
        let mut list = PartitionList::new();
        for topic in topics {
            list.add(topic, -1, i64::from(rd::RD_KAFKA_OFFSET_INVALID));
        }
        // SAFETY: client and list are live; the list is copied.
        checked(unsafe { rd::rd_kafka_subscribe(self.client.raw(), list.raw()) })
    }

    pub fn unsubscribe(&self) -> Result<(), Code> {
        // SAFETY: the client is live.
        checked(unsafe { rd::rd_kafka_unsubscribe(self.client.raw()) })
    }

    pub fn assignment(&self) -> Result<Vec<Entry>, Code> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: the client is live; on success the list is ours.
        unsafe {
            checked(rd::rd_kafka_assignment(self.client.raw(), &mut raw))?;
            Ok(PartitionList::from_raw(raw).entries())
        }
    }

    /// Stores offsets for the next commit; the list comes back with a code for each entry.
    pub fn store(&self, list: &PartitionList) -> Result<(), Code> {
        // SAFETY: client and list are live.
        checked(unsafe { rd::rd_kafka_offsets_store(self.client.raw(), list.raw()) })
    }

    /// Sends a commit of the list; the answer comes to the `Commit` that this returns.
    pub fn commit(&self, list: &PartitionList) -> Result<Commit, Code> {
        // SAFETY: client and list are live; the list is copied. The queue is owned by the new object and kept until then.
        unsafe {
            let commit = Commit { queue: rd::rd_kafka_queue_new(self.client.raw()) };
            checked(rd::rd_kafka_commit_queue(
                self.client.raw(),
                list.raw(),
                commit.queue,
                None,
                std::ptr::null_mut(),
            ))?;
            Ok(commit)
        }
    }

    /// Takes on more partitions of one's own choice, without a group.
    pub fn assign_more(&self, list: &PartitionList) -> Result<(), Problem> {
        // SAFETY: client and list are live; the list is copied.
        unsafe { problem(rd::rd_kafka_incremental_assign(self.client.raw(), list.raw())) }
    }

    /// Begins to leave the group; go on with `fetch` until `closed`.
    pub fn begin_close(&self) -> Result<(), Problem> {
        // SAFETY: client and queue are live.
        unsafe { problem(rd::rd_kafka_consumer_close_queue(self.client.raw(), self.queue)) }
    }

    pub fn closed(&self) -> bool {
        // SAFETY: the client is live.
        unsafe { rd::rd_kafka_consumer_closed(self.client.raw()) != 0 }
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        // SAFETY: the reference taken in `new`, given back once, before the client is dropped.
        unsafe { rd::rd_kafka_queue_destroy(self.queue) }
    }
}

/// A commit under way.
pub struct Commit {
    queue: *mut rd::rd_kafka_queue_t,
}

// SAFETY: the queue is locked inside librdkafka.
unsafe impl Send for Commit {}

impl Commit {
    /// The answer, if it comes within `timeout`: the code of the whole commit and of each partition.
    pub fn answer(&self, timeout: Duration) -> Option<(Code, Vec<Entry>)> {
        // SAFETY: the queue is live; the event is ours until its destroy, and the list it shows lives as long.
        unsafe {
            let event = rd::rd_kafka_queue_poll(self.queue, millis(timeout));
            if event.is_null() {
                return None;
            }
            let answer = (rd::rd_kafka_event_type(event) == rd::RD_KAFKA_EVENT_OFFSET_COMMIT).then(|| {
                let entries = read(rd::rd_kafka_event_topic_partition_list(event));
                (code(rd::rd_kafka_event_error(event)), entries)
            });
            rd::rd_kafka_event_destroy(event);
            answer
        }
    }
}

impl Drop for Commit {
    fn drop(&mut self) {
        // SAFETY: owned, and given back once.
        unsafe { rd::rd_kafka_queue_destroy(self.queue) }
    }
}

/// What has to be done inside the rebalance callback, on the client that it got.
impl Client {
    /// Takes on or gives up partitions the way the group's protocol wants it: eager replaces all, cooperative changes some.
    pub fn apply_rebalance(&self, assign: bool, partitions: &[Entry]) -> Result<(), Problem> {
        let mut list = PartitionList::new();
        for entry in partitions {
            list.add(&entry.partition.topic, entry.partition.id, entry.offset);
        }
        // SAFETY: client and list are live; the list is copied.
        unsafe {
            let cooperative = text(rd::rd_kafka_rebalance_protocol(self.raw())) == "COOPERATIVE";
            match (cooperative, assign) {
                (true, true) => problem(rd::rd_kafka_incremental_assign(self.raw(), list.raw())),
                (true, false) => problem(rd::rd_kafka_incremental_unassign(self.raw(), list.raw())),
                (false, true) => plain(rd::rd_kafka_assign(self.raw(), list.raw())),
                (false, false) => plain(rd::rd_kafka_assign(self.raw(), std::ptr::null())),
            }
        }
    }
}

fn plain(error: rd::rd_kafka_resp_err_t) -> Result<(), Problem> {
    checked(error).map_err(|code| Problem {
        code,
        text: code.text().to_owned(),
        fatal: code == Code::FATAL,
        retriable: code.retriable(),
        abortable: false,
    })
}

fn checked(error: rd::rd_kafka_resp_err_t) -> Result<(), Code> {
    match code(error) {
        Code::NONE => Ok(()),
        failed => Err(failed),
    }
}

/// # Safety
/// `message` is live and from a consumer.
unsafe fn owned(message: &rd::rd_kafka_message_t, last: &mut Option<Arc<str>>) -> Fetched {
    let error = Code(std::ptr::addr_of!(message.err).cast::<i32>().read());
    let topic = (!message.rkt.is_null()).then(|| {
        let name = CStr::from_ptr(rd::rd_kafka_topic_name(message.rkt)).to_string_lossy();
        let topic = match last.take() {
            Some(topic) if *topic == *name => topic,
            _ => Arc::from(&*name),
        };
        *last = Some(topic.clone());
        topic
    });
    let topic = match (error, topic) {
        (Code::NONE, Some(topic)) => topic,
        (code, topic) => {
            let text = text(rd::rd_kafka_message_errstr(message));
            return Fetched::Notice(Notice { code, text, topic, partition: message.partition });
        }
    };
    let timestamp = rd::rd_kafka_message_timestamp(message, std::ptr::null_mut());
    Fetched::Message(Incoming {
        topic,
        partition: message.partition,
        offset: message.offset,
        timestamp_ms: (timestamp >= 0).then_some(timestamp),
        key: copy(message.key, message.key_len),
        value: copy(message.payload, message.len),
        headers: headers(message),
    })
}

/// # Safety
/// `message` is live.
unsafe fn headers(message: &rd::rd_kafka_message_t) -> Vec<Header> {
    let mut list = std::ptr::null_mut();
    if code(rd::rd_kafka_message_headers(message, &mut list)) != Code::NONE {
        return Vec::new();
    }
    (0..rd::rd_kafka_header_cnt(list))
        .filter_map(|index| {
            let (mut name, mut value, mut length) = (std::ptr::null(), std::ptr::null(), 0);
            let found = rd::rd_kafka_header_get_all(list, index, &mut name, &mut value, &mut length);
            (code(found) == Code::NONE).then(|| (text(name), copy(value, length).map(Vec::from)))
        })
        .collect()
}
