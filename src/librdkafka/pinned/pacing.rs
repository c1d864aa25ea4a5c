//! Keeps a producer's broker thread from spinning while it waits for an answer.
//!
//! librdkafka 2.12 tells its broker thread when to look at a partition's queue again. Once the oldest message has waited
//! out `linger.ms` that is "now", even if no request may be sent before the last one is answered, and an idempotent
//! producer has one at a time under way for a partition. So the thread polls its socket without a pause for as long as
//! the broker takes: 9,000 to 25,000 polls for 400,000 messages where 600 do, up to 40 % of the process's CPU time, and on a
//! small machine time that the broker needed. An answer, a full batch or room in the socket wake it from the pause.
//!
//! The linker routes librdkafka's own calls through here (`--wrap`, see build.rs), which the linkers of Linux can do;
//! elsewhere librdkafka runs as it is.

use std::os::raw::c_void;

/// Microseconds. Two, since librdkafka rounds what is left down to whole milliseconds, and less than one is none.
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
    // SAFETY: the arguments are passed on as they came, to the function that they were meant for.
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
    // SAFETY: null, or the caller's own variable, which nobody else sees.
    if let Some(next_wakeup) = unsafe { next_wakeup.as_mut() }.filter(|at| **at <= now) {
        *next_wakeup = now + PAUSE;
    }
    ready
}
