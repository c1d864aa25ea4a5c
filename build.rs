//! Has the linker put `src/kafka/native/pacing.rs` around a function of librdkafka. What it is for is said there.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-link-arg=-Wl,--wrap=rd_kafka_msgq_allow_wakeup_at");
    }
}
