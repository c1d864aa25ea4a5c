//! Whatever is pinned to one version of librdkafka. Nothing else in the tree depends on more than its interface.
//!
//! | kind | what | file |
//! | --- | --- | --- |
//! | wrapped: the linker puts ours around it (build.rs) | `rd_kafka_msgq_allow_wakeup_at` | `pacing` |
//! | | `rd_kafka_interceptors_on_new` | `interceptors` |
//! | | `rd_kafka_Produce_result_copy` | `refusal_texts` |
//! | | `rd_kafka_interceptors_on_send` | `timestamp_zero` |
//! | | `rd_kafka_OffsetCommitRequest` | `left_group` |
//! | called: an internal function | `rd_kafka_idemp_start`, `rd_kafka_txn_set_abortable_error0` | `internal` |
//! | read: a private struct | `rd_kafka_msg_t`, `rd_kafkap_bytes_t` | `headers` |
//! | | `rd_kafka_Produce_result_t`, `rd_kafka_Produce_result_record_error_t` | `refusal_texts` |
//! | | `rd_kafka_replyq_t` | `left_group` |

pub mod headers;
pub mod interceptors;
pub mod internal;
#[cfg(target_os = "linux")]
pub mod left_group;
#[cfg(target_os = "linux")]
pub mod pacing;
pub mod refusal_texts;
pub mod timestamp_zero;

const _: () = assert!(
    rdkafka::bindings::RD_KAFKA_VERSION == 0x02_0c_01_ff,
    "src/librdkafka/pinned/ is written for librdkafka 2.12.1. For another version, compare with its source: the \
     signature of each wrapped function, and whether its fault is mended (then delete the wrapper), the signature of \
     each internal function that is called, and the fields of each private struct that is read. pinned/mod.rs lists \
     them all"
);
