//! What producers and consumers share: options, connecting, errors, the log, bounded waits, and threads that outlive a
//! client.

pub mod background;
pub mod brokers;
pub mod config;
pub mod connect;
mod defaults;
pub mod error;
pub mod log;
pub mod properties;
mod redaction;
mod role;
pub mod topic_name;
pub mod unfinished;
pub mod wait;
