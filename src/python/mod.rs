//! The PyO3 classes: parse arguments, call one engine, return. No Kafka or JSON logic.

pub mod aio;
pub mod blocking;
mod callables;
mod client_callbacks;
pub mod codec;
mod construct;
pub mod consumer;
mod dead_letter_producer;
mod gc;
pub mod group_metadata;
pub mod message;
pub mod message_parts;
pub mod mock;
pub mod notifier;
pub mod options;
pub mod partitions;
pub mod producer;
pub mod shutdown;
