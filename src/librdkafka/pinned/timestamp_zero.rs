//! The timestamp 0, 1970 to the millisecond, which librdkafka takes for "none given" and replaces by the present time.
//!
//! Such a message gets a stand-in, which becomes 0 when the message has been made: librdkafka calls its interceptors for
//! each one then, through a function that the linker routes through here (`--wrap`, see build.rs). Where it cannot, 0 is
//! refused.

use rdkafka::bindings as rd;

use crate::librdkafka::code::Code;

/// A time that nobody can give: those before 1970 are refused.
const STAND_IN: i64 = i64::MIN;

/// What librdkafka is given for a message's time; 0 is the present.
pub(in crate::librdkafka) fn given(timestamp_ms: Option<i64>) -> Result<i64, Code> {
    match timestamp_ms {
        None => Ok(0),
        Some(0) if cfg!(target_os = "linux") => Ok(STAND_IN),
        Some(0) => Err(Code::INVALID_ARG),
        Some(given) => Ok(given),
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
    // SAFETY: librdkafka passes a message that it has made and that nobody else has seen. The arguments go on as they came.
    unsafe {
        let timestamp = super::headers::timestamp(message);
        if *timestamp == STAND_IN {
            *timestamp = 0;
        }
        __real_rd_kafka_interceptors_on_send(client, message);
    }
}
