//! Has the linker put functions of ours around others: `src/librdkafka/pinned/` around some of librdkafka, and
//! `src/allocator.rs` around those with which native code asks for memory. What each is for is said there.

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
