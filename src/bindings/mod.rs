//! The PyO3 classes: parse arguments at the door, call one engine, hand back. No Kafka or JSON logic here.

pub mod aio;
pub mod blocking;
mod callables;
pub mod codec;
mod collector;
pub mod consumer;
mod events;
mod forward;
pub mod group;
mod made;
pub mod message;
pub mod mock;
pub mod notifier;
pub mod options;
pub mod outgoing;
pub mod partitions;
pub mod producer;
pub mod shutdown;
