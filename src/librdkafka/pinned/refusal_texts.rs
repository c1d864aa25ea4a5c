//! Keeps the broker's words about refused messages alive for as long as their delivery reports.
//!
//! librdkafka 2.12 has each refused message point to a text inside the answer to its request, and frees that answer when it
//! has queued the delivery reports (`rd_kafka_handle_Produce`, rdkafka_request.c): of 300 errors 161 were bytes of other
//! objects. The reports carry a copy of the answer, which lives as long as they do. So the two change their texts: the
//! copy gets those that the messages point to, and the answer frees the duplicates.
//!
//! The linker routes librdkafka's own call through here (`--wrap`, see build.rs). Where it cannot, `text_of` has no text.
//!
//! `blame` tells the messages that a broker refused from those that were in one batch with them.

use std::ffi::CStr;

use rdkafka::bindings as rd;

use crate::librdkafka::code::Code;
use crate::librdkafka::delivery_report::{Opaque, Outcome};

/// The words about this message, if the broker had some.
///
/// # Safety
/// `message` is a live message of a delivery report.
pub(in crate::librdkafka) unsafe fn text_of(message: &rd::rd_kafka_message_t) -> Option<String> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    // SAFETY: null, static, or owned by the report (see above).
    let text = unsafe { rd::rd_kafka_message_produce_errstr(message) };
    // SAFETY: as above, and NUL-terminated.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// What librdkafka says of them (rd_kafka_msgbatch_handle_Produce_result_record_errors). The code that it gives them is
/// replaced by that of the batch before the report is read.
const NEIGHBOUR: &str = "Failed to append record because it was part of a batch";

/// A broker refuses a batch as a whole. Tells of each of its messages whether it was at fault.
pub(in crate::librdkafka) fn blame<R>(batch: &mut [(Opaque<R>, Outcome<'_>)]) {
    for (_, outcome) in batch.iter_mut().filter(|(_, outcome)| outcome.reason().starts_with(NEIGHBOUR)) {
        outcome.code = Code::INVALID_DIFFERENT_RECORD;
    }
    let neighbour = |outcome: &Outcome<'_>| outcome.code == Code::INVALID_DIFFERENT_RECORD;
    if let Some((_, guilty)) = batch.iter().find(|(_, outcome)| !neighbour(outcome)) {
        let why = format!("{} ({})", guilty.reason(), guilty.code.name());
        for (_, outcome) in batch.iter_mut().filter(|(_, outcome)| neighbour(outcome)) {
            outcome.because = Some(not_at_fault(&why));
        }
    }
    let (count, total) = (batch.len(), batch.iter().map(|(_, outcome)| outcome.size()).sum::<usize>());
    let largest = batch.iter().map(|(_, outcome)| outcome.size()).max().unwrap_or(0);
    for (_, outcome) in batch.iter_mut().filter(|(_, outcome)| outcome.code == Code::MSG_SIZE_TOO_LARGE) {
        let size = outcome.size();
        // Which limit the topic has is not told. Where one message is most of the batch, the small ones are not at fault.
        if count > 1 && largest > total / 2 && size <= largest / 2 {
            let why = format!("one of {largest} bytes is too large for its topic ({})", outcome.code.name());
            outcome.code = Code::INVALID_DIFFERENT_RECORD;
            outcome.because = Some(not_at_fault(&why));
        } else {
            outcome.because = Some(format!(
                "the broker refused the batch of {count} messages and {total} bytes, {size} of them in this one, as larger \
                 than the topic's max.message.bytes. Raise that, send less, or lower batch_size"
            ));
        }
    }
}

fn not_at_fault(why: &str) -> String {
    format!("it was not at fault, but a broker takes or refuses a batch as a whole, and another message of it was refused: \
             {why}. Send it again")
}

#[cfg(target_os = "linux")]
mod wrapped {
    use std::ffi::c_char;

    use super::rd;

    const _: () = assert!(
        rd::RD_KAFKA_VERSION == 0x02_0c_01_ff,
        "compare `ProduceResult` with rd_kafka_Produce_result_t of rdkafka_msg.h, and see whether it is needed still"
    );

    /// `rd_kafka_Produce_result_t`
    #[repr(C)]
    struct ProduceResult {
        offset: i64,
        timestamp: i64,
        text: *mut c_char,
        record_errors: *mut RecordError,
        record_errors_count: i32,
    }

    /// `rd_kafka_Produce_result_record_error_t`
    #[repr(C)]
    struct RecordError {
        batch_index: i64,
        text: *mut c_char,
    }

    extern "C" {
        fn __real_rd_kafka_Produce_result_copy(result: *const ProduceResult) -> *mut ProduceResult;
    }

    #[no_mangle]
    unsafe extern "C" fn __wrap_rd_kafka_Produce_result_copy(result: *mut ProduceResult) -> *mut ProduceResult {
        // SAFETY: the one caller, `rd_kafka_dr_msgq0`, passes a live result that its own caller made, owns and only frees from
        // then on. The copy has as many record errors, and texts where the original has some, all allocated alike.
        unsafe {
            let copy = __real_rd_kafka_Produce_result_copy(result);
            std::mem::swap(&mut (*result).text, &mut (*copy).text);
            if !(*result).record_errors.is_null() {
                for index in 0..usize::try_from((*result).record_errors_count).unwrap_or(0) {
                    let (theirs, ours) = ((*result).record_errors.add(index), (*copy).record_errors.add(index));
                    std::mem::swap(&mut (*theirs).text, &mut (*ours).text);
                }
            }
            copy
        }
    }
}
