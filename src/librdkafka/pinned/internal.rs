//! Internal functions of librdkafka that are called. `rd_bool_t` is a `uint8_t`.

use std::ffi::{c_char, CStr};

use rdkafka::bindings as rd;

extern "C" {
    /// `void rd_kafka_idemp_start(rd_kafka_t *rk, rd_bool_t immediate)` of rdkafka_idempotence.c.
    fn rd_kafka_idemp_start(client: *mut rd::rd_kafka_t, immediate: u8);

    /// `void rd_kafka_txn_set_abortable_error0(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_bool_t requires_epoch_bump,
    /// const char *fmt, ...)` of rdkafka_txnmgr.c.
    fn rd_kafka_txn_set_abortable_error0(
        client: *mut rd::rd_kafka_t,
        error: rd::rd_kafka_resp_err_t,
        requires_epoch_bump: u8,
        format: *const c_char,
        ...
    );
}

/// # Safety
/// `client` is a live producer.
pub(in crate::librdkafka) unsafe fn start_idempotence(client: *mut rd::rd_kafka_t) {
    // SAFETY: as above. The function takes librdkafka's lock, sets the state and starts a timer.
    unsafe { rd_kafka_idemp_start(client, 1) }
}

/// # Safety
/// `client` is a live producer with a transaction.
pub(in crate::librdkafka) unsafe fn require_epoch_bump(client: *mut rd::rd_kafka_t, why: &CStr) {
    const ERROR: rd::rd_kafka_resp_err_t = rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_INVALID_RECORD;
    // SAFETY: as above; both strings are read during the call. The function takes librdkafka's lock. It fails the
    // transaction if that has not failed yet, and sets the flag.
    unsafe { rd_kafka_txn_set_abortable_error0(client, ERROR, 1, c"%s".as_ptr(), why.as_ptr()) }
}
