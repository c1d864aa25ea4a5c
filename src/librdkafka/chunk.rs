//! Encoded messages for one call of librdkafka.

use std::ops::Range;

/// A chunk with so many messages or bytes is full: enough of them to make releasing the GIL cheap (0.1 us and more each
/// time), and few enough for the processor's cache.
const MESSAGES: usize = 128;
const BYTES: usize = 128 * 1024;

/// Where a message's value ends and its key begins, and which of the two it has.
#[derive(Clone, Copy)]
pub struct MessageParts {
    pub middle: usize,
    pub has_value: bool,
    pub has_key: bool,
}

/// Encoded messages, one after the other in one buffer.
#[derive(Default)]
pub struct Chunk {
    pub bytes: Vec<u8>,
    pub messages: Vec<Bounds>,
}

pub struct Bounds {
    pub value: Option<Range<usize>>,
    pub key: Option<Range<usize>>,
}

impl Chunk {
    /// Adds the bytes from `start` on as one message: its value up to `middle`, then its key.
    pub fn push(&mut self, start: usize, parts: MessageParts) {
        let value = parts.has_value.then_some(start..parts.middle);
        let key = parts.has_key.then_some(parts.middle..self.bytes.len());
        self.messages.push(Bounds { value, key });
    }

    /// Adds a copy of a message.
    pub fn push_copy(&mut self, bytes: &[u8], parts: MessageParts) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.push(start, MessageParts { middle: start + parts.middle, ..parts });
    }

    pub fn len(&self) -> usize {
        self.messages.len()
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.len() >= MESSAGES || self.bytes.len() >= BYTES
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.messages.clear();
    }

    pub fn part(&self, range: &Option<Range<usize>>) -> Option<&[u8]> {
        range.as_ref().and_then(|range| self.bytes.get(range.clone()))
    }
}
