//! Commits of a consumer that has left its group, as one that never joined makes them: with no generation.
//!
//! librdkafka 2.12 forgets its member id when it leaves, and names the generation that it was in all the same
//! (`rd_kafka_cgrp_offsets_commit`, rdkafka_cgrp.c). Brokers look for that member and answer UNKNOWN_MEMBER_ID. With no
//! generation they take the commit while the group has no members, and refuse it otherwise.
//!
//! The linker routes librdkafka's own calls through here (`--wrap`, see build.rs). Where it cannot, such commits fail.

use std::collections::HashSet;
use std::ffi::CStr;
use std::os::raw::{c_char, c_int, c_void};
use std::sync::{Mutex, PoisonError};

use rdkafka::bindings as rd;

use crate::os::fork::PerProcess;

/// The groups that consumers have left by their own choice. One that was put out of its group must not commit: others may
/// have read on.
static LEFT: PerProcess<Mutex<HashSet<String>>> = PerProcess::new();

/// A consumer reads by its own choice now, as no member of the group, or takes part in it again.
pub fn note(group: &str, left: bool) {
    let mut groups = LEFT.get().lock().unwrap_or_else(PoisonError::into_inner);
    if left {
        groups.insert(group.to_owned());
    } else {
        groups.remove(group);
    }
}

/// `rd_kafka_replyq_t` of rdkafka_op.h: where the answer goes. Passed on as it came.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ReplyQueue {
    queue: *mut c_void,
    version: i32,
}

type Metadata = rd::rd_kafka_consumer_group_metadata_t;

extern "C" {
    /// `rd_kafka_OffsetCommitRequest` of rdkafka_request.c.
    fn __real_rd_kafka_OffsetCommitRequest(
        broker: *mut c_void,
        membership: *mut Metadata,
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
    membership: *mut Metadata,
    offsets: *mut rd::rd_kafka_topic_partition_list_t,
    reply: ReplyQueue,
    callback: *mut c_void,
    opaque: *mut c_void,
    reason: *const c_char,
) -> c_int {
    // SAFETY: `membership` is live during the call, which reads it; so is the one that is made here until its destroy. All
    // else is passed on as it came, to the function that it was meant for.
    unsafe {
        let none = if has_left(membership) {
            rd::rd_kafka_consumer_group_metadata_new(rd::rd_kafka_consumer_group_metadata_group_id(membership))
        } else {
            std::ptr::null_mut()
        };
        let named = if none.is_null() { membership } else { none };
        let sent = __real_rd_kafka_OffsetCommitRequest(broker, named, offsets, reply, callback, opaque, reason);
        if !none.is_null() {
            rd::rd_kafka_consumer_group_metadata_destroy(none);
        }
        sent
    }
}

/// Whether this names a generation and no member of it. A member keeps its id under KIP-848, where the epoch is 0 then.
///
/// # Safety
/// `membership` is live.
unsafe fn has_left(membership: *mut Metadata) -> bool {
    // SAFETY: live by contract; the id is NUL-terminated and lives as long.
    unsafe {
        let generation = rd::rd_kafka_consumer_group_metadata_generation_id(membership);
        let member = CStr::from_ptr(rd::rd_kafka_consumer_group_metadata_member_id(membership));
        let group = CStr::from_ptr(rd::rd_kafka_consumer_group_metadata_group_id(membership)).to_string_lossy();
        (generation == 0 || (generation > 0 && member.is_empty()))
            && LEFT.get().lock().unwrap_or_else(PoisonError::into_inner).contains(&*group)
    }
}
