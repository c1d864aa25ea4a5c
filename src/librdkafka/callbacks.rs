//! What librdkafka calls: functions that pass its callbacks on to the client's `ClientEvents`.

use std::ffi::{c_char, c_int, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use rdkafka::bindings as rd;

use super::code::Code;
use super::conf::Conf;
use super::partitions::{read, Entry};
use super::{code, text};

/// The events of a client. librdkafka calls `log` on any of its threads and `joining` on a broker's, the others on the
/// thread that polls. Must neither block nor panic.
pub trait ClientEvents: Send + Sync + 'static {
    fn log(&self, level: i32, facility: &str, text: &str);
    fn error(&self, code: Code, reason: &str);
    fn statistics(&self, json: &str);
    fn rebalance(&self, _code: Code, _partitions: &[Entry]) {}
    fn committed(&self, _code: Code, _offsets: &[Entry]) {}
    /// A request to join the group was sent, or has ended.
    fn joining(&self, _under_way: bool) {}
}

/// Ignores all events.
pub struct Silent;

impl ClientEvents for Silent {
    fn log(&self, _level: i32, _facility: &str, _text: &str) {}
    fn error(&self, _code: Code, _reason: &str) {}
    fn statistics(&self, _json: &str) {}
}

/// What a client's opaque pointer points to.
pub(super) type SharedEvents = Arc<dyn ClientEvents>;

/// Has librdkafka pass `events` to the callbacks below.
///
/// # Safety
/// `events` lives as long as the client that is made from `conf`.
pub(super) unsafe fn register(conf: &Conf, events: *mut SharedEvents) {
    // SAFETY: the configuration is live, and the functions have the signatures that librdkafka calls.
    unsafe {
        rd::rd_kafka_conf_set_opaque(conf.raw(), events.cast());
        rd::rd_kafka_conf_set_log_cb(conf.raw(), Some(on_log));
        rd::rd_kafka_conf_set_error_cb(conf.raw(), Some(on_error));
        rd::rd_kafka_conf_set_stats_cb(conf.raw(), Some(on_statistics));
    }
}

/// The callbacks that only a consumer has.
pub(super) fn register_group(conf: &Conf) {
    // SAFETY: as in `register`.
    unsafe {
        rd::rd_kafka_conf_set_rebalance_cb(conf.raw(), Some(on_rebalance));
        rd::rd_kafka_conf_set_offset_commit_cb(conf.raw(), Some(on_commit));
    }
}

/// A panic must not unwind into C. Nobody could handle it here, and the next callback does not depend on this one.
pub(super) fn guarded(body: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(body));
}

/// # Safety
/// `opaque` is the pointer that was given to `register`, and the client is live.
pub(super) unsafe fn events<'a>(opaque: *mut c_void) -> &'a dyn ClientEvents {
    // SAFETY: as above.
    unsafe { &**opaque.cast::<SharedEvents>() }
}

unsafe extern "C" fn on_log(raw: *const rd::rd_kafka_t, level: c_int, facility: *const c_char, line: *const c_char) {
    if raw.is_null() {
        return;
    }
    // SAFETY: librdkafka calls this for a live client, with texts that live for the call.
    unsafe {
        let opaque = rd::rd_kafka_opaque(raw);
        if !opaque.is_null() {
            guarded(|| events(opaque).log(level, &text(facility), &text(line)));
        }
    }
}

unsafe extern "C" fn on_error(_: *mut rd::rd_kafka_t, error: c_int, reason: *const c_char, opaque: *mut c_void) {
    // SAFETY: as in `on_log`.
    guarded(|| unsafe { events(opaque).error(Code(error), &text(reason)) });
}

unsafe extern "C" fn on_statistics(
    _: *mut rd::rd_kafka_t,
    json: *mut c_char,
    size: usize,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: as in `on_log`; the text has `size` bytes.
    guarded(|| unsafe {
        let json = std::slice::from_raw_parts(json.cast::<u8>(), size);
        events(opaque).statistics(&String::from_utf8_lossy(json));
    });
    0
}

unsafe extern "C" fn on_rebalance(
    _: *mut rd::rd_kafka_t,
    error: rd::rd_kafka_resp_err_t,
    partitions: *mut rd::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_log`; the list lives for the call.
    guarded(|| unsafe { events(opaque).rebalance(code(error), &read(partitions)) });
}

unsafe extern "C" fn on_commit(
    _: *mut rd::rd_kafka_t,
    error: rd::rd_kafka_resp_err_t,
    offsets: *mut rd::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_log`; the list is null or lives for the call.
    guarded(|| unsafe { events(opaque).committed(code(error), &read(offsets)) });
}
