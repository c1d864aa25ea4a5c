//! The timestamp 0, the beginning of 1970, which librdkafka takes for "none" and replaces by the present time.
//!
//! Such a message gets another timestamp, `STAND_IN`, which becomes 0 when librdkafka has made the message and calls
//! its interceptors, through a function that the linker routes through here. On systems where it cannot, 0 is refused.

use rdkafka::bindings as rd;

use crate::librdkafka::code::Code;

/// No message has it: timestamps before 1970 are refused.
const STAND_IN: i64 = i64::MIN;

/// The timestamp for librdkafka; 0 is the present time.
pub(in crate::librdkafka) fn stand_in(timestamp_ms: Option<i64>) -> Result<i64, Code> {
    match timestamp_ms {
        None => Ok(0),
        Some(0) if cfg!(target_os = "linux") => Ok(STAND_IN),
        Some(0) => Err(Code::INVALID_ARG),
        Some(timestamp_ms) => Ok(timestamp_ms),
    }
}

extern "C" {
    #[cfg(target_os = "linux")]
    fn __real_rd_kafka_interceptors_on_send(client: *mut rd::rd_kafka_t, message: *mut rd::rd_kafka_message_t);
}

#[cfg(target_os = "linux")]
#[no_mangle]
unsafe extern "C" fn __wrap_rd_kafka_interceptors_on_send(
    client: *mut rd::rd_kafka_t,
    message: *mut rd::rd_kafka_message_t,
) {
    // SAFETY: librdkafka passes a message that it has just made and only it uses. The arguments are passed on
    // unchanged.
    unsafe {
        let timestamp = super::headers::timestamp(message);
        if *timestamp == STAND_IN {
            *timestamp = 0;
        }
        __real_rd_kafka_interceptors_on_send(client, message);
    }
}
