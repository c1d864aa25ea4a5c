//! A consuming client: subscribe, fetch, commit, rebalance and close. `position` has what concerns single partitions.

use std::collections::VecDeque;
use std::time::Duration;

use rdkafka::bindings as rd;

use super::client::Client;
use super::code::Code;
use super::fetched::Fetched;
use super::partitions::{read, Entry, PartitionList};
use super::{check_error, checked, code, millis, text, NativeError};

pub struct NativeConsumer {
    client: Client,
    queue: *mut rd::rd_kafka_queue_t,
}

// SAFETY: the queue is locked inside librdkafka.
unsafe impl Send for NativeConsumer {}
// SAFETY: as above.
unsafe impl Sync for NativeConsumer {}

impl NativeConsumer {
    /// `fetch` serves the client's callbacks from now on.
    pub fn new(client: Client) -> Result<Self, Code> {
        // SAFETY: the client is a live consumer; the reference to its queue is released on drop.
        unsafe {
            let redirected = code(rd::rd_kafka_poll_set_consumer(client.raw()));
            if redirected != Code::NONE {
                return Err(redirected);
            }
            let queue = rd::rd_kafka_queue_get_consumer(client.raw());
            if queue.is_null() {
                return Err(Code::STATE);
            }
            Ok(NativeConsumer { client, queue })
        }
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Appends up to `limit` messages and notices, waiting up to `timeout` for all of them, and serves the callbacks.
    pub fn fetch(&self, timeout: Duration, limit: usize, into: &mut VecDeque<Fetched>) {
        let mut batch: Vec<*mut rd::rd_kafka_message_t> = vec![std::ptr::null_mut(); limit];
        // SAFETY: the queue is live, and the array has the given size; its first `count` entries are messages, now
        // ours.
        unsafe {
            let count = rd::rd_kafka_consume_batch_queue(self.queue, millis(timeout), batch.as_mut_ptr(), batch.len());
            let count = usize::try_from(count).unwrap_or(0);
            into.extend(batch[..count].iter().map(|raw| Fetched::from_raw(*raw)));
        }
    }

    /// Fetches without waiting and drops the messages. Returns how many.
    pub fn drain(&self, limit: usize) -> usize {
        let mut dropped = VecDeque::new();
        self.fetch(Duration::ZERO, limit, &mut dropped);
        dropped.len()
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

    /// Sends a commit of the list, whose result the returned `Commit` receives.
    pub fn commit(&self, list: &PartitionList) -> Result<Commit, Code> {
        // SAFETY: client and list are live; the list is copied. The queue is owned by the new object.
        unsafe {
            let commit = Commit { queue: rd::rd_kafka_queue_new(self.client.raw()) };
            checked(rd::rd_kafka_commit_queue(
                self.client.raw(),
                list.raw(),
                commit.queue,
                // Without a callback the result would also go to the client's own
                // (rd_kafka_cgrp_propagate_commit_result). This one is never called: we poll the queue for the event.
                Some(never_called),
                std::ptr::null_mut(),
            ))?;
            Ok(commit)
        }
    }

    /// The id of this member of the group; empty if it has not joined.
    pub fn member_id(&self) -> String {
        // SAFETY: the client is live; the text is ours, null or NUL-terminated, and freed once.
        unsafe {
            let raw = rd::rd_kafka_memberid(self.client.raw());
            let id = text(raw);
            if !raw.is_null() {
                rd::rd_kafka_mem_free(self.client.raw(), raw.cast());
            }
            id
        }
    }

    /// Begins to leave the group. Call `fetch` until it is `closed`.
    pub fn begin_close(&self) -> Result<(), NativeError> {
        // SAFETY: client and queue are live.
        unsafe { check_error(rd::rd_kafka_consumer_close_queue(self.client.raw(), self.queue)) }
    }

    pub fn closed(&self) -> bool {
        // SAFETY: the client is live.
        unsafe { rd::rd_kafka_consumer_closed(self.client.raw()) != 0 }
    }
}

impl Drop for NativeConsumer {
    fn drop(&mut self) {
        // SAFETY: the reference from `new`, released once, before the client is dropped.
        unsafe { rd::rd_kafka_queue_destroy(self.queue) }
    }
}

unsafe extern "C" fn never_called(
    _: *mut rd::rd_kafka_t,
    _: rd::rd_kafka_resp_err_t,
    _: *mut rd::rd_kafka_topic_partition_list_t,
    _: *mut std::ffi::c_void,
) {
}

/// A commit that was sent.
pub struct Commit {
    queue: *mut rd::rd_kafka_queue_t,
}

// SAFETY: the queue is locked inside librdkafka.
unsafe impl Send for Commit {}

impl Commit {
    /// The result, if it comes within `timeout`: the code of the whole commit and of each partition.
    pub fn result(&self, timeout: Duration) -> Option<(Code, Vec<Entry>)> {
        // SAFETY: the queue is live; the event is ours until its destroy, and so is its list.
        unsafe {
            let event = rd::rd_kafka_queue_poll(self.queue, millis(timeout));
            if event.is_null() {
                return None;
            }
            let result = (rd::rd_kafka_event_type(event) == rd::RD_KAFKA_EVENT_OFFSET_COMMIT).then(|| {
                let entries = read(rd::rd_kafka_event_topic_partition_list(event));
                (code(rd::rd_kafka_event_error(event)), entries)
            });
            rd::rd_kafka_event_destroy(event);
            result
        }
    }
}

impl Drop for Commit {
    fn drop(&mut self) {
        // SAFETY: owned, and released once.
        unsafe { rd::rd_kafka_queue_destroy(self.queue) }
    }
}

impl NativeConsumer {
    /// Whether the group's protocol changes some partitions (cooperative, KIP-848) or replaces all of them (eager).
    pub fn cooperative(&self) -> bool {
        // SAFETY: the client is live; the text is static or null.
        unsafe { text(rd::rd_kafka_rebalance_protocol(self.client.raw())) == "COOPERATIVE" }
    }

    /// Whether the group revokes all partitions before it assigns others.
    pub fn eager(&self) -> bool {
        // SAFETY: as above.
        unsafe { text(rd::rd_kafka_rebalance_protocol(self.client.raw())) == "EAGER" }
    }

    /// Assigns or revokes partitions as the group's protocol requires: eager replaces all, cooperative changes some,
    /// and refuses to assign what is assigned, or to revoke what is not.
    pub fn apply_rebalance(&self, assign: bool, partitions: &[Entry]) -> Result<(), NativeError> {
        let cooperative = self.cooperative();
        let assigned = if cooperative { self.assignment().unwrap_or_default() } else { Vec::new() };
        let changes = |entry: &&Entry| {
            !cooperative || assign != assigned.iter().any(|assigned| assigned.partition == entry.partition)
        };
        let changed = partitions.iter().filter(changes);
        let list = PartitionList::of(changed.map(|entry| (&entry.partition, entry.offset)));
        // SAFETY: client and list are live; the list is copied.
        unsafe {
            let raw = self.client.raw();
            match (cooperative, assign) {
                (true, true) => check_error(rd::rd_kafka_incremental_assign(raw, list.raw())),
                (true, false) => check_error(rd::rd_kafka_incremental_unassign(raw, list.raw())),
                (false, true) => Ok(checked(rd::rd_kafka_assign(raw, list.raw()))?),
                (false, false) => Ok(checked(rd::rd_kafka_assign(raw, std::ptr::null()))?),
            }
        }
    }
}
