//! The PyO3 classes: parse arguments at the door, call one engine, hand back. No Kafka or JSON logic here.

pub mod blocking;
pub mod codec;
pub mod consumer;
mod decoding;
pub mod delivery;
pub mod delivery_batch;
mod events;
pub mod message;
pub mod mock;
pub mod notifier;
pub mod options;
pub mod outgoing;
pub mod partitions;
pub mod producer;
mod producer_core;
mod producer_events;
mod send_many;
pub mod shutdown;
pub mod transaction;
