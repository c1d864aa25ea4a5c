//! `ParseError`: what is wrong with a text, and where.

use pyo3::prelude::*;

use crate::json::{recursion, DecodeError, MAX_DEPTH};

use super::parser::JsonParser;

/// The error is boxed, so that a successful result is returned in registers.
pub(super) type ParseResult<T> = Result<T, Box<ParseError>>;

pub(super) enum ParseError {
    Malformed { byte_offset: usize, cause: String },
    Raised(PyErr),
}

impl ParseError {
    #[cold]
    #[inline(never)]
    pub(super) fn at(byte_offset: usize, cause: impl Into<String>) -> Box<ParseError> {
        Box::new(ParseError::Malformed { byte_offset, cause: cause.into() })
    }

    /// `bytes` are the whole text, for the line and column.
    pub(super) fn into_decode_error(self, bytes: &[u8]) -> DecodeError {
        match self {
            ParseError::Malformed { byte_offset, cause } => DecodeError::at(bytes, byte_offset, &cause),
            ParseError::Raised(error) => DecodeError::Raised(error),
        }
    }
}

impl From<PyErr> for Box<ParseError> {
    #[cold]
    fn from(error: PyErr) -> Self {
        Box::new(ParseError::Raised(error))
    }
}

impl JsonParser<'_, '_> {
    #[cold]
    pub(super) fn error(&self, cause: &str) -> Box<ParseError> {
        let end = match self.at < self.bytes.len() {
            true => "",
            false => ", but the text ends",
        };
        ParseError::at(self.at, format!("{cause}{end}"))
    }

    #[cold]
    pub(super) fn bad_value(&self) -> Box<ParseError> {
        let rest = &self.bytes[self.at..];
        let constant = ["NaN", "Infinity"].iter().find(|name| rest.starts_with(name.as_bytes()));
        match constant {
            Some(name) => self.error(&format!("{name} is not JSON (write null, or a string)")),
            None => self.error("expected a value"),
        }
    }

    #[cold]
    pub(super) fn bad_number(&self, at: usize) -> Box<ParseError> {
        if self.bytes[at.min(self.bytes.len())..].starts_with(b"Infinity") {
            return ParseError::at(self.at, "-Infinity is not JSON (write null, or a string)");
        }
        ParseError::at(at, "invalid number")
    }

    #[cold]
    pub(super) fn too_deep(&self) -> Box<ParseError> {
        if self.deepest < MAX_DEPTH {
            return recursion::error().into();
        }
        self.error(&format!("arrays and objects nested deeper than {MAX_DEPTH} levels"))
    }

    /// Python made no str of these bytes: they are not UTF-8, unless its exception is about something else.
    #[cold]
    pub(super) fn bad_text(&mut self, start: usize, end: usize) -> Box<ParseError> {
        if let Err(error) = self.stack.clear_decode_error() {
            return error.into();
        }
        let valid = match std::str::from_utf8(&self.bytes[start..end]) {
            Ok(_) => 0,
            Err(error) => error.valid_up_to(),
        };
        ParseError::at(start + valid, "invalid UTF-8")
    }
}
