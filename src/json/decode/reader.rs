//! The grammar of RFC 8259, read once from left to right into Python objects.
//!
//! Written by hand for a reason in numbers: with jiter 0.17 parsing for the same stack of objects, a small event took
//! 1.48 us, this way 1.03 us, and 0.96 us in orjson (CPython 3.11, abi3). Its grammar is the standard's thirteen rules;
//! the tests hold it to `json` on JSONTestSuite, on generated texts and on mutated bytes.

use pyo3::prelude::*;

use crate::json::callback::call;
use crate::json::{recursion, DecodeOptions};

use super::halt::{Halt, Read};
use super::rare;
use super::scan::{self, Number};
use super::stack::{Mark, Stack};

pub(super) struct Reader<'a, 'py> {
    py: Python<'py>,
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    depth: usize,
    /// `MAX_DEPTH`, or less where the stack has no room for so many levels.
    pub(super) deepest: usize,
    pub(super) stack: Stack<'a, 'py>,
    /// Strings with escapes are put together here.
    text: &'a mut Vec<u8>,
    parse_float: Option<&'a Py<PyAny>>,
}

impl<'a, 'py> Reader<'a, 'py> {
    pub(super) fn new(
        bytes: &'a [u8],
        at: usize,
        options: &'a DecodeOptions,
        stack: Stack<'a, 'py>,
        text: &'a mut Vec<u8>,
    ) -> Self {
        let parse_float = options.parse_float.as_ref();
        Reader { py: stack.py(), bytes, at, depth: 0, deepest: recursion::depth_left(), stack, text, parse_float }
    }

    pub(super) fn read(mut self) -> Read<Bound<'py, PyAny>> {
        self.value()?;
        if self.next().is_some() {
            return Err(self.halt("there is more text after the value"));
        }
        let end = self.at;
        self.stack.pop().ok_or_else(|| Halt::at(end, "expected a value"))
    }

    /// The next byte that is not blank; it is not consumed.
    #[inline(always)]
    fn next(&mut self) -> Option<u8> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte > b' ' => Some(byte),
            _ => self.next_after_blanks(),
        }
    }

    fn next_after_blanks(&mut self) -> Option<u8> {
        loop {
            match *self.bytes.get(self.at)? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    #[inline(always)]
    fn value(&mut self) -> Read<()> {
        match self.next() {
            Some(b'"') => self.string(),
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => {
                self.word(b"true")?;
                self.stack.push_bool(true);
                Ok(())
            }
            Some(b'f') => {
                self.word(b"false")?;
                self.stack.push_bool(false);
                Ok(())
            }
            Some(b'n') => {
                self.word(b"null")?;
                self.stack.push_none();
                Ok(())
            }
            _ => Err(self.no_value()),
        }
    }

    #[inline(always)]
    fn word(&mut self, word: &[u8]) -> Read<()> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.no_value());
        }
        self.at += word.len();
        Ok(())
    }

    #[inline(always)]
    fn enter(&mut self) -> Read<Mark> {
        if self.depth == self.deepest {
            return Err(self.too_deep());
        }
        self.depth += 1;
        self.at += 1;
        Ok(self.stack.mark())
    }

    #[inline(never)]
    fn array(&mut self) -> Read<()> {
        let start = self.enter()?;
        if self.next() == Some(b']') {
            self.at += 1;
        } else {
            loop {
                self.value()?;
                match self.next() {
                    Some(b',') => self.at += 1,
                    Some(b']') => break self.at += 1,
                    _ => return Err(self.halt("expected `,` or `]`")),
                }
            }
        }
        self.depth -= 1;
        Ok(self.stack.close_list(start)?)
    }

    #[inline(never)]
    fn object(&mut self) -> Read<()> {
        let start = self.enter()?;
        if self.next() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                if self.next() != Some(b'"') {
                    return Err(self.halt("expected a key in double quotes"));
                }
                self.key()?;
                self.value()?;
                match self.next() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => break self.at += 1,
                    _ => return Err(self.halt("expected `,` or `}`")),
                }
            }
        }
        self.depth -= 1;
        Ok(self.stack.close_dict(start)?)
    }

    /// A key and the colon behind it.
    #[inline(always)]
    fn key(&mut self) -> Read<()> {
        let start = self.at + 1;
        if let Some(length) = self.stack.push_expected_key(&self.bytes[start..]) {
            self.at = start + length;
            return Ok(());
        }
        self.unexpected_key(start)?;
        if self.next() != Some(b':') {
            return Err(self.halt("expected `:`"));
        }
        self.at += 1;
        Ok(())
    }

    #[inline(never)]
    fn unexpected_key(&mut self, start: usize) -> Read<()> {
        let run = scan::plain_run(self.bytes, start);
        if self.bytes.get(run.end) != Some(&b'"') {
            self.escaped_string(run.end)?;
            self.stack.text_is_key();
            return Ok(());
        }
        let text = &self.bytes[start..run.end];
        if !self.stack.push_key(text) {
            return Err(self.bad_text(start, run.end));
        }
        self.at = run.end + 1;
        Ok(())
    }

    #[inline(always)]
    fn string(&mut self) -> Read<()> {
        let start = self.at + 1;
        let run = scan::plain_run(self.bytes, start);
        if self.bytes.get(run.end) != Some(&b'"') {
            return self.escaped_string(run.end);
        }
        if !self.stack.push_text(&self.bytes[start..run.end], run.is_ascii) {
            return Err(self.bad_text(start, run.end));
        }
        self.at = run.end + 1;
        Ok(())
    }

    /// A string, opened at `at`, whose first ordinary run ends at `end` without a quote.
    #[inline(never)]
    fn escaped_string(&mut self, mut end: usize) -> Read<()> {
        let open = self.at;
        let mut start = open + 1;
        let mut is_ascii = true;
        self.text.clear();
        loop {
            let run = &self.bytes[start..end];
            is_ascii &= run.is_ascii();
            self.text.extend_from_slice(run);
            match self.bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    let before = self.text.len();
                    start = match rare::unescape(self.bytes, end + 1, self.text) {
                        Some(start) => start,
                        None => return Err(Halt::at(end, "an escape that JSON does not know")),
                    };
                    is_ascii &= self.text[before..].is_ascii();
                }
                Some(_) => return Err(Halt::at(end, "a control character inside a string, where it must be escaped")),
                None => return Err(Halt::at(end, "the text ends inside a string")),
            }
            end = scan::plain_run(self.bytes, start).end;
        }
        self.at = end + 1;
        if self.stack.push_text(self.text, is_ascii) {
            return Ok(());
        }
        // Either the bytes are no UTF-8, or an escape is a lone surrogate, which `json` lets through.
        self.stack.forget_error()?;
        if let Err(error) = std::str::from_utf8(&self.bytes[open..end]) {
            return Err(Halt::at(open + error.valid_up_to(), "invalid UTF-8"));
        }
        let object = rare::text_with_surrogates(self.py, self.text)?;
        self.stack.push(object);
        Ok(())
    }

    #[inline(always)]
    fn number(&mut self) -> Read<()> {
        let start = self.at;
        let (number, end) = match scan::number(self.bytes, start) {
            Ok(found) => found,
            Err(wrong) => return Err(self.no_number(wrong)),
        };
        self.at = end;
        match number {
            Number::Int(number) => Ok(self.stack.push_int(number)?),
            Number::Float(number) if self.parse_float.is_none() => Ok(self.stack.push_float(number)?),
            _ => self.rare_number(number, start),
        }
    }

    #[inline(never)]
    fn rare_number(&mut self, number: Number, start: usize) -> Read<()> {
        let text = String::from_utf8_lossy(&self.bytes[start..self.at]);
        let object = match (number, self.parse_float) {
            (Number::Float(_), Some(parse_float)) => {
                if !recursion::enter() {
                    return Err(recursion::error().into());
                }
                let object = call(parse_float.bind(self.py), (text,));
                recursion::leave();
                object?
            }
            (Number::Unsigned(number), _) => number.into_pyobject(self.py).map_err(PyErr::from)?.into_any(),
            _ => rare::long_integer(self.py, &text, start)?,
        };
        self.stack.push(object);
        Ok(())
    }
}
