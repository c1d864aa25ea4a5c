//! What is wrong with a text, in words.

use crate::json::{recursion, MAX_DEPTH};

use super::halt::Halt;
use super::reader::Reader;

impl Reader<'_, '_> {
    #[cold]
    pub(super) fn halt(&self, cause: &str) -> Box<Halt> {
        let end = match self.at < self.bytes.len() {
            true => "",
            false => ", but the text ends",
        };
        Halt::at(self.at, format!("{cause}{end}"))
    }

    #[cold]
    pub(super) fn no_value(&self) -> Box<Halt> {
        let rest = &self.bytes[self.at..];
        let constant = ["NaN", "Infinity"].iter().find(|word| rest.starts_with(word.as_bytes()));
        match constant {
            Some(word) => self.halt(&format!("{word} is not JSON (write null, or a string)")),
            None => self.halt("expected a value"),
        }
    }

    #[cold]
    pub(super) fn no_number(&self, wrong: usize) -> Box<Halt> {
        if self.bytes[wrong.min(self.bytes.len())..].starts_with(b"Infinity") {
            return Halt::at(self.at, "-Infinity is not JSON (write null, or a string)");
        }
        Halt::at(wrong, "a number that JSON does not know")
    }

    #[cold]
    pub(super) fn too_deep(&self) -> Box<Halt> {
        if self.deepest < MAX_DEPTH {
            return recursion::error().into();
        }
        self.halt(&format!("arrays and objects nested deeper than {MAX_DEPTH} levels"))
    }

    /// Python made no str of these bytes: they are no UTF-8, unless it says otherwise.
    #[cold]
    pub(super) fn bad_text(&mut self, start: usize, end: usize) -> Box<Halt> {
        if let Err(error) = self.stack.forget_error() {
            return error.into();
        }
        let valid = match std::str::from_utf8(&self.bytes[start..end]) {
            Ok(_) => 0,
            Err(error) => error.valid_up_to(),
        };
        Halt::at(start + valid, "invalid UTF-8")
    }
}
