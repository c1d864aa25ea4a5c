//! The Kafka clients, without Python: they send and receive bytes.
//!
//! This layer keeps kjson's promises: a constructor returns a connected client, no failure is silent, delivery is at
//! least once by default, and every wait is bounded and interruptible. `client` is what `producer` and `consumer`
//! share. All calls into librdkafka are in the layer below, `librdkafka`.

mod client;
mod consumer;
mod mock;
mod producer;

pub use crate::librdkafka::chunk::{Chunk, MessageParts};
pub use client::config::{Config, Role};
pub use client::error::{ConnectionKind, Error, Failure};
pub use client::log::{Level, LogRecord, LogSink};
pub use client::properties::{boolean, is_secret, ValueType};
pub use client::topic_name::refuse_impossible;
pub use client::unfinished::wait as wait_for_unfinished;
pub use client::wait::{Deadline, Interrupt};
pub use consumer::pattern::translate as translate_pattern;
pub use consumer::{Consumer, ConsumerHooks, ConsumerSettings, GroupEvent, UntilEnd};
pub use mock::MockCluster;
pub use producer::accumulator::Accumulator;
pub use producer::delivery::{Delivered, DeliveryState, TopicId};
pub use producer::delivery_batch::BatchState;
pub use producer::{Completed, Producer, ProducerHooks, ProducerSettings, SendError};

pub use crate::librdkafka::code::Code;
pub use crate::librdkafka::delivery_report::Payload;
pub use crate::librdkafka::fetched::Fetched;
pub use crate::librdkafka::position::OffsetSpec;
pub use crate::librdkafka::record::{Header, Partition};
pub use crate::librdkafka::transactions::GroupMetadata;
pub use crate::librdkafka::version as librdkafka_version;
pub use crate::os::fork::{forks, PerProcess};
pub use crate::os::thread::{remember_signals, spawn, with_signals};

/// Initializes statics now: a thread without the GIL would do so at first use, which a fork may interrupt.
pub fn prepare_for_forks() {
    forks();
    Code::NONE.name();
}
