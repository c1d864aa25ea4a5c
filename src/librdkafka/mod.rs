//! All calls into librdkafka, and so all `unsafe` of the Kafka room, behind types that free what they own.
//!
//! Why not the safe wrapper of the `rdkafka` crate, whose bindings these are:
//! - its `send` costs 1.90 us of CPU a message against librdkafka's own 0.79 us (a C string and a topic lookup each);
//! - its consumer's drop polls on after the close began and throws away what it gets, with the offsets stored, which
//!   lost 17 to 1,178 messages in 6 of 9 runs of a replica (see also https://github.com/fede1024/rust-rdkafka/issues/617);
//! - a header key or a commit's metadata that is not UTF-8 panics in it, so any producer could kill a consumer;
//! - its configuration error prints the value, which may be a password, and its error event drops the reason;
//! - it has no `rd_kafka_consume_batch_queue` and no initial rebalance delay for the mock cluster.
#![allow(unsafe_code)]

pub mod chunk;
pub mod client;
pub mod code;
mod code_text;
pub mod conf;
pub mod consumer;
pub mod delivery_report;
pub mod fetched;
pub mod mock;
pub mod partitions;
pub mod pinned;
pub mod position;
pub mod producer;
pub mod record;
pub mod transactions;

use std::collections::HashMap;
use std::ffi::{c_char, CStr};

use rdkafka::bindings as rd;

use code::Code;

/// librdkafka's version, such as "2.12.1".
pub fn version() -> String {
    // SAFETY: returns a pointer to a static, NUL-terminated string.
    unsafe { text(rd::rd_kafka_version_str()) }
}

/// librdkafka's own table of error codes: name and sentence.
pub fn error_descriptions() -> HashMap<i32, (&'static str, &'static str)> {
    let mut first = std::ptr::null();
    let mut count = 0;
    // SAFETY: the call points `first` at a static array of `count` entries, whose strings are static or null.
    unsafe {
        rd::rd_kafka_get_err_descs(&mut first, &mut count);
        (0..count)
            .map(|index| first.add(index))
            .filter(|entry| !(**entry).name.is_null() && !(**entry).desc.is_null())
            .map(|entry| {
                // Read as a number: gaps in the table hold codes that the bindings' enum does not list.
                let code = std::ptr::addr_of!((*entry).code).cast::<i32>().read();
                let name = CStr::from_ptr((*entry).name).to_str().unwrap_or("UNKNOWN");
                let text = CStr::from_ptr((*entry).desc).to_str().unwrap_or("");
                (code, (name, text))
            })
            .collect()
    }
}

/// A C string as text; null is empty, and bytes that are not UTF-8 are replaced.
///
/// # Safety
/// `pointer` is null or points to a NUL-terminated string that lives for the call.
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    CStr::from_ptr(pointer).to_string_lossy().into_owned()
}

fn code(error: rd::rd_kafka_resp_err_t) -> Code {
    Code(error as i32)
}

/// The content of a `rd_kafka_error_t`, which it frees.
pub struct NativeError {
    pub code: Code,
    pub text: String,
    pub fatal: bool,
    /// The same call may be made again.
    pub retriable: bool,
    /// The transaction has to be aborted.
    pub abortable: bool,
}

/// # Safety
/// `error` is null or an error object that the caller owns.
unsafe fn problem(error: *mut rd::rd_kafka_error_t) -> Result<(), NativeError> {
    if error.is_null() {
        return Ok(());
    }
    let problem = NativeError {
        code: code(rd::rd_kafka_error_code(error)),
        text: text(rd::rd_kafka_error_string(error)),
        fatal: rd::rd_kafka_error_is_fatal(error) != 0,
        retriable: rd::rd_kafka_error_is_retriable(error) != 0,
        abortable: rd::rd_kafka_error_txn_requires_abort(error) != 0,
    };
    rd::rd_kafka_error_destroy(error);
    Err(problem)
}

/// Milliseconds for librdkafka's `int` timeouts, which count -1 as "for ever": never negative.
fn millis(duration: std::time::Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
