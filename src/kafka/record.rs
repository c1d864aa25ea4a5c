//! What is read from a topic, owned by us: the fetched buffer goes back to librdkafka at once.
//!
//! A message that keeps librdkafka's buffer alive keeps its broker thread alive as well, and `rd_kafka_destroy` then
//! never returns; copying 270 bytes costs about 20 ns.

use std::sync::Arc;

use super::code::Code;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    pub topic: Arc<str>,
    pub id: i32,
}

/// A header key may be any bytes on the wire; what is not UTF-8 is replaced, since `str` is what users look it up by.
pub type Header = (String, Option<Vec<u8>>);

#[derive(Debug)]
pub struct Incoming {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
    /// Milliseconds since the epoch, if the message has a timestamp.
    pub timestamp_ms: Option<i64>,
    pub key: Option<Box<[u8]>>,
    pub value: Option<Box<[u8]>>,
    pub headers: Vec<Header>,
}

impl Incoming {
    pub fn partition_key(&self) -> Partition {
        Partition { topic: self.topic.clone(), id: self.partition }
    }
}

/// What a fetch hands out besides messages.
#[derive(Debug)]
pub struct Notice {
    pub code: Code,
    pub text: String,
    pub topic: Option<Arc<str>>,
    pub partition: i32,
}

#[derive(Debug)]
pub enum Fetched {
    Message(Incoming),
    Notice(Notice),
}
