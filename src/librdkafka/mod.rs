//! All calls into librdkafka, wrapped in types that free what they own. `kafka/` has no `unsafe` of its own.
//!
//! Why not the safe wrapper of the `rdkafka` crate, whose bindings these are:
//! - its `send` costs 1.90 us of CPU a message against librdkafka's own 0.79 us (a C string and a topic lookup each);
//! - dropping its consumer polls until the close ends and discards the messages after storing their offsets, which lost
//!   17 to 1,178 messages in 6 of 9 runs of a replica (https://github.com/fede1024/rust-rdkafka/issues/617);
//! - it panics at a header key or a commit's metadata that is not UTF-8, so any producer could kill a consumer;
//! - its configuration error prints the value, which may be a password, and its error event drops the reason;
//! - it lacks `rd_kafka_consume_batch_queue` and the initial rebalance delay of the mock cluster.
#![allow(unsafe_code)]

pub mod callbacks;
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
mod rejected_batch;
pub mod transactions;

use std::collections::HashMap;
use std::ffi::{c_char, c_void, CStr};

use rdkafka::bindings as rd;

use code::Code;

/// librdkafka's version, such as "2.12.1".
pub fn version() -> String {
    // SAFETY: returns a pointer to a static, NUL-terminated string.
    unsafe { text(rd::rd_kafka_version_str()) }
}

/// librdkafka's table of error codes: name and sentence.
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
    // SAFETY: not null, and as above.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// A copy of some bytes; null is none.
///
/// # Safety
/// `pointer` is null or points to `length` readable bytes.
unsafe fn copy(pointer: *const c_void, length: usize) -> Option<Box<[u8]>> {
    // SAFETY: not null, and as above.
    (!pointer.is_null()).then(|| unsafe { std::slice::from_raw_parts(pointer.cast::<u8>(), length) }.into())
}

fn code(error: rd::rd_kafka_resp_err_t) -> Code {
    Code(error as i32)
}

fn checked(error: rd::rd_kafka_resp_err_t) -> Result<(), Code> {
    match code(error) {
        Code::NONE => Ok(()),
        failed => Err(failed),
    }
}

/// A copy of a `rd_kafka_error_t`.
pub struct NativeError {
    pub code: Code,
    pub text: String,
    pub fatal: bool,
    /// The same call may succeed when repeated.
    pub retriable: bool,
    /// The transaction must be aborted.
    pub abortable: bool,
}

impl From<Code> for NativeError {
    fn from(code: Code) -> Self {
        NativeError {
            code,
            text: code.text().to_owned(),
            fatal: code == Code::FATAL,
            retriable: code.retriable(),
            abortable: false,
        }
    }
}

/// Frees the error object.
///
/// # Safety
/// `error` is null or an error object that the caller owns.
unsafe fn check_error(error: *mut rd::rd_kafka_error_t) -> Result<(), NativeError> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: live until the destroy, which is the last use.
    unsafe {
        let result = NativeError {
            code: code(rd::rd_kafka_error_code(error)),
            text: text(rd::rd_kafka_error_string(error)),
            fatal: rd::rd_kafka_error_is_fatal(error) != 0,
            retriable: rd::rd_kafka_error_is_retriable(error) != 0,
            abortable: rd::rd_kafka_error_txn_requires_abort(error) != 0,
        };
        rd::rd_kafka_error_destroy(error);
        Err(result)
    }
}

/// Milliseconds for librdkafka's `int` timeouts: never negative, since -1 is no limit.
fn millis(duration: std::time::Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
