//! Commits of a consumer that has left its group, which name no generation, like those of one that never joined.
//!
//! librdkafka 2.12 drops its member id when it leaves, but still names its former generation
//! (`rd_kafka_cgrp_offsets_commit`, rdkafka_cgrp.c), so brokers answer UNKNOWN_MEMBER_ID. They accept a commit without
//! a generation while the group has no members, and refuse it otherwise.
//!
//! The linker routes librdkafka's calls through here. On systems where it cannot, such commits fail.

use std::collections::HashSet;
use std::ffi::CStr;
use std::os::raw::{c_char, c_int, c_void};
use std::sync::{Mutex, PoisonError};

use rdkafka::bindings as rd;

use crate::os::fork::PerProcess;

/// The groups that consumers have left voluntarily. A consumer that was removed from its group must not commit: other
/// members may have committed later offsets.
static LEFT: PerProcess<Mutex<HashSet<String>>> = PerProcess::new();

/// Records that a consumer has left its group for an assignment of its own, or joins it again.
pub fn note(group: &str, left: bool) {
    let mut groups = LEFT.get().lock().unwrap_or_else(PoisonError::into_inner);
    if left {
        groups.insert(group.to_owned());
    } else {
        groups.remove(group);
    }
}

/// `rd_kafka_replyq_t` of rdkafka_op.h: the queue for the response. Passed on unchanged.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ReplyQueue {
    queue: *mut c_void,
    version: i32,
}

type Membership = rd::rd_kafka_consumer_group_metadata_t;

extern "C" {
    /// `rd_kafka_OffsetCommitRequest` of rdkafka_request.c.
    fn __real_rd_kafka_OffsetCommitRequest(
        broker: *mut c_void,
        membership: *mut Membership,
        offsets: *mut rd::rd_kafka_topic_partition_list_t,
        reply: ReplyQueue,
        callback: *mut c_void,
        opaque: *mut c_void,
        reason: *const c_char,
    ) -> c_int;
}

#[no_mangle]
unsafe extern "C" fn __wrap_rd_kafka_OffsetCommitRequest(
    broker: *mut c_void,
    membership: *mut Membership,
    offsets: *mut rd::rd_kafka_topic_partition_list_t,
    reply: ReplyQueue,
    callback: *mut c_void,
    opaque: *mut c_void,
    reason: *const c_char,
) -> c_int {
    // SAFETY: `membership` is live during the call, which reads it, and so is the one that is made here until its
    // destroy. The other arguments are passed on unchanged.
    unsafe {
        let without = if has_left(membership) {
            rd::rd_kafka_consumer_group_metadata_new(rd::rd_kafka_consumer_group_metadata_group_id(membership))
        } else {
            std::ptr::null_mut()
        };
        let membership = if without.is_null() { membership } else { without };
        let sent = __real_rd_kafka_OffsetCommitRequest(broker, membership, offsets, reply, callback, opaque, reason);
        if !without.is_null() {
            rd::rd_kafka_consumer_group_metadata_destroy(without);
        }
        sent
    }
}

/// Whether this names a generation and no member of it. Under KIP-848 a member keeps its id, and its epoch is 0 then.
///
/// # Safety
/// `membership` is live.
unsafe fn has_left(membership: *mut Membership) -> bool {
    // SAFETY: live by contract; the id is NUL-terminated and lives as long.
    unsafe {
        let generation = rd::rd_kafka_consumer_group_metadata_generation_id(membership);
        let member = CStr::from_ptr(rd::rd_kafka_consumer_group_metadata_member_id(membership));
        let group = CStr::from_ptr(rd::rd_kafka_consumer_group_metadata_group_id(membership)).to_string_lossy();
        (generation == 0 || (generation > 0 && member.is_empty()))
            && LEFT.get().lock().unwrap_or_else(PoisonError::into_inner).contains(&*group)
    }
}
