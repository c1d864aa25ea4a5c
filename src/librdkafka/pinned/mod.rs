//! What is pinned to one version of librdkafka: functions of its own that the linker puts ours around, and structs that it
//! does not show. `build.rs` lists the functions.

pub mod headers;
pub mod interceptors;
#[cfg(target_os = "linux")]
pub mod left_group;
#[cfg(target_os = "linux")]
pub mod pacing;
pub mod refusal_texts;
pub mod timestamp_zero;
