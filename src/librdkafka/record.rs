//! The words that both engines' neighbours use for records: where one lies, and what its headers are.

use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    pub topic: Arc<str>,
    pub id: i32,
}

impl Partition {
    /// Whether this is of the topic, or stands for all topics.
    pub fn is_within(&self, topic: &str) -> bool {
        self.topic.is_empty() || *self.topic == *topic
    }
}

/// The `id` of a partition that stands for its whole topic, and with an empty topic for all of them.
pub const WHOLE: i32 = -1;

/// A header key may be any bytes on the wire; what is not UTF-8 is replaced, since `str` is what users look it up by.
pub type Header = (String, Option<Vec<u8>>);
