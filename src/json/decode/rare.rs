//! Rare cases, written for clarity rather than speed: escapes, lone surrogates, integers of more than 64 bits.

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;

use crate::json::capi::new_int;
use crate::json::new_bytes;

use super::error::{ParseError, ParseResult};

/// An `int` of any size. Python converts up to 4,300 digits, unless `sys.set_int_max_str_digits` changes that.
#[cold]
pub(super) fn long_integer<'py>(py: Python<'py>, text: &str, start: usize) -> ParseResult<Bound<'py, PyAny>> {
    new_int(py, text).map_err(|error| {
        if error.is_instance_of::<PyValueError>(py) {
            let reason = error.value(py);
            ParseError::at(start, format!("the integer is too long for Python ({reason})"))
        } else {
            error.into()
        }
    })
}

/// The str of UTF-8 text in which each lone surrogate is three bytes.
#[cold]
pub(super) fn text_with_surrogates<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    new_bytes(py, text)?.call_method1(intern!(py, "decode"), (intern!(py, "utf-8"), intern!(py, "surrogatepass")))
}

/// Appends the character of the escape whose backslash is before `at`, and returns the position after it. A lone
/// surrogate becomes three bytes, as if UTF-8 allowed it.
pub(super) fn unescape(bytes: &[u8], at: usize, text: &mut Vec<u8>) -> Option<usize> {
    let plain = match bytes.get(at)? {
        character @ (b'"' | b'\\' | b'/') => *character,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            let mut point = hex(bytes, at + 1)?;
            let mut after = at + 5;
            if (0xd800..0xdc00).contains(&point) && bytes.get(after..after + 2) == Some(b"\\u") {
                if let Some(low @ 0xdc00..=0xdfff) = hex(bytes, after + 2) {
                    point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
                    after += 6;
                }
            }
            push_point(text, point);
            return Some(after);
        }
        _ => return None,
    };
    text.push(plain);
    Some(at + 1)
}

fn hex(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.iter().try_fold(0, |value, byte| Some(value * 16 + char::from(*byte).to_digit(16)?))
}

fn push_point(text: &mut Vec<u8>, point: u32) {
    match char::from_u32(point) {
        Some(character) => text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        // Only a surrogate is not a char; it is encoded as every other code point of three bytes.
        None => text.extend_from_slice(&[
            0xe0 | (point >> 12) as u8,
            0x80 | (point >> 6 & 0x3f) as u8,
            0x80 | (point & 0x3f) as u8,
        ]),
    }
}
