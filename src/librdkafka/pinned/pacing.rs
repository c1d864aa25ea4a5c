//! Keeps a producer's broker thread from spinning while it waits for a response.
//!
//! librdkafka 2.12 computes when its broker thread serves a partition's queue next. Once the oldest message has waited
//! for `linger.ms` that is "now", even while no request may be sent: an idempotent producer has one in flight for a
//! partition. So the thread polls its socket without a pause until the broker responds: 9,000 to 25,000 polls for
//! 400,000 messages where 600 suffice, up to 40 % of the process's CPU time, and on a small machine time that the
//! broker needs. A response, a full batch or space in the socket's buffer still wakes it from the pause.
//!
//! The linker routes librdkafka's calls through here. On systems where it cannot, librdkafka is unchanged.

use std::os::raw::c_void;

/// Microseconds. Two milliseconds, since librdkafka rounds the rest down to whole ones, and less than one is no pause.
const PAUSE: i64 = 2_000;

extern "C" {
    /// `rd_kafka_msgq_allow_wakeup_at` of rdkafka_msg.c; `rd_bool_t` is a `uint8_t`.
    fn __real_rd_kafka_msgq_allow_wakeup_at(
        queue: *mut c_void,
        destination: *const c_void,
        next_wakeup: *mut i64,
        now: i64,
        linger_us: i64,
        batch_messages: i32,
        batch_bytes: i64,
    ) -> u8;
}

#[no_mangle]
unsafe extern "C" fn __wrap_rd_kafka_msgq_allow_wakeup_at(
    queue: *mut c_void,
    destination: *const c_void,
    next_wakeup: *mut i64,
    now: i64,
    linger_us: i64,
    batch_messages: i32,
    batch_bytes: i64,
) -> u8 {
    // SAFETY: the arguments are passed on unchanged.
    let ready = unsafe {
        __real_rd_kafka_msgq_allow_wakeup_at(
            queue,
            destination,
            next_wakeup,
            now,
            linger_us,
            batch_messages,
            batch_bytes,
        )
    };
    // SAFETY: null, or a variable that only the caller uses.
    if let Some(next_wakeup) = unsafe { next_wakeup.as_mut() }.filter(|at| **at <= now) {
        *next_wakeup = now + PAUSE;
    }
    ready
}
