//! Partitions and headers, as all layers above use them.

use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    pub topic: Arc<str>,
    pub id: i32,
}

impl Partition {
    /// Whether this partition belongs to the topic, or stands for all topics.
    pub fn is_within(&self, topic: &str) -> bool {
        self.topic.is_empty() || *self.topic == *topic
    }
}

/// The `id` of a partition that stands for its whole topic or, with an empty topic, for all topics.
pub const WHOLE: i32 = -1;

/// Key and value. A key on the wire may be any bytes; those that are not UTF-8 are replaced, since users look it up as
/// a `str`.
pub type Header = (String, Option<Vec<u8>>);
