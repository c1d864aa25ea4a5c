//! The words that both engines' neighbours use for records: where one lies, and what its headers are.

use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    pub topic: Arc<str>,
    pub id: i32,
}

/// A header key may be any bytes on the wire; what is not UTF-8 is replaced, since `str` is what users look it up by.
pub type Header = (String, Option<Vec<u8>>);
