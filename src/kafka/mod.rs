//! Bytes to and from Kafka brokers, over librdkafka. Nothing here knows Python: there is no pyo3 import below this file.
//!
//! `native/` holds all calls into C; the files beside it hold what kjson promises: connected when made, nothing lost
//! in silence, at least once by default, every wait bounded and interruptible.

mod accumulator;
mod batch;
mod brokers;
mod bulk;
mod closing;
mod code;
mod code_text;
mod config;
mod consumer;
mod defaults;
mod delivery;
mod error;
mod failures;
mod hurry;
mod log;
mod mock;
mod native;
mod offsets;
mod pattern;
mod producer;
mod progress;
mod properties;
mod reachable;
mod reaper;
mod record;
mod redaction;
mod refusal;
mod reports;
mod topic_name;
mod transaction_state;
mod transactions;
mod unfinished;
mod wait;
mod watcher;

pub use accumulator::Accumulator;
pub use batch::{Batch, Parts as MessageParts, Sheaf};
pub use code::Code;
pub use config::{Config, Role};
pub use consumer::{Consumer, ConsumerHooks, ConsumerSettings, GroupEvent, Until, Watermark};
pub use delivery::{Delivered, Failure, Report, TopicId};
pub use error::{ConnectionKind, Error};
pub use log::{Level, LogRecord, LogSink};
pub use mock::MockCluster;
pub use native::fork::{forks, PerProcess};
pub use native::incoming::Incoming;
pub use native::thread::{remember_signals, spawn, with_signals};
pub use native::transact::GroupMetadata;
pub use native::version as librdkafka_version;
pub use pattern::translate as translate_pattern;
pub use producer::{Completed, Outgoing, Producer, ProducerHooks, ProducerSettings, Refusal};
pub use record::{Header, Partition};
pub use topic_name::refuse_impossible;
pub use unfinished::wait as wait_for_unfinished;
pub use wait::{Deadline, Interrupt};

/// Makes what threads without the GIL would otherwise make when they need it first, which a fork may interrupt.
pub fn prepare_for_forks() {
    forks();
    Code::NONE.name();
}
