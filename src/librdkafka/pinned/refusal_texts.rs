//! Keeps the broker's error texts for rejected messages alive for as long as their delivery reports.
//!
//! In librdkafka 2.12 each rejected message points to a text inside the response to its request, which is freed when
//! the delivery reports are queued (`rd_kafka_handle_Produce`, rdkafka_request.c): of 300 errors 161 were bytes of
//! other objects. The reports own a copy of the response. So the two swap their texts: the copy gets those that the
//! messages point to, and the duplicates are freed with the response.
//!
//! The linker routes librdkafka's call through here. On systems where it cannot, `text_of` returns none.

use std::ffi::CStr;

use rdkafka::bindings as rd;

/// The broker's error text for this message, if it sent one.
///
/// # Safety
/// `message` is a live message of a delivery report.
pub(in crate::librdkafka) unsafe fn text_of(message: &rd::rd_kafka_message_t) -> Option<String> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    // SAFETY: the message is live. The text is null, static, or owned by the report (see above).
    let text = unsafe { rd::rd_kafka_message_produce_errstr(message) };
    // SAFETY: as above, and NUL-terminated.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

#[cfg(target_os = "linux")]
mod wrapped {
    use std::ffi::c_char;

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
        // SAFETY: the one caller, `rd_kafka_dr_msgq0`, passes a live result that its own caller made, owns and only
        // frees later. The copy has as many record errors, and texts where the original has some, all allocated alike.
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
