//! Has the linker put wrappers around functions of librdkafka (`src/librdkafka/pinned/`, which says why) and around
//! those that allocate native memory (`src/allocator.rs`).

const WRAPPED: [&str; 10] = [
    "rd_kafka_msgq_allow_wakeup_at",
    "rd_kafka_interceptors_on_new",
    "rd_kafka_Produce_result_copy",
    "rd_kafka_interceptors_on_send",
    "rd_kafka_OffsetCommitRequest",
    "malloc",
    "calloc",
    "realloc",
    "posix_memalign",
    "free",
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        for function in WRAPPED {
            println!("cargo:rustc-link-arg=-Wl,--wrap={function}");
        }
    }
}
