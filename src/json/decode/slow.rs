//! Strings and numbers that the parser refuses and `json.loads` takes: lone surrogates in escapes, integers of more than
//! 64 bits, numbers of thousands of digits. Rare, so written to be read rather than to be fast.

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt};

use super::reader::{Halt, Read};

pub(super) fn skip_whitespace(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
    from + blank
}

/// The end of the number at `start`, and whether it has a fraction or an exponent. None if it is no JSON number.
pub(super) fn scan_number(bytes: &[u8], start: usize) -> Option<(usize, bool)> {
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let whole = start + usize::from(bytes.get(start) == Some(&b'-'));
    let mut end = digits(whole);
    let leading_zero = bytes.get(whole) == Some(&b'0');
    if end == whole || (leading_zero && end > whole + 1) {
        return None;
    }
    let mut is_float = false;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if fraction == end + 1 {
            return None;
        }
        (end, is_float) = (fraction, true);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent == end + 1 + sign {
            return None;
        }
        (end, is_float) = (exponent, true);
    }
    Some((end, is_float))
}

/// An `int` of any size. Python limits how many digits it converts, 4,300 unless it is told otherwise.
pub(super) fn read_integer<'py>(py: Python<'py>, text: &[u8], start: usize) -> Read<Bound<'py, PyAny>> {
    let digits = String::from_utf8_lossy(text);
    let made = py.get_type::<PyInt>().call1((digits,));
    made.map_err(|error| {
        if error.is_instance_of::<PyValueError>(py) {
            Halt::at(start, format!("an integer that Python does not convert ({})", error.value(py)))
        } else {
            error.into()
        }
    })
}

/// A `float`, rounded as Python rounds; infinite beyond what it can hold.
pub(super) fn read_float(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The string that opens at `start`, with lone surrogates kept, and the place after it. None if it is malformed in any
/// other way too.
pub(super) fn read_string<'py>(
    py: Python<'py>,
    bytes: &[u8],
    start: usize,
) -> Read<Option<(Bound<'py, PyAny>, usize)>> {
    let Some((text, after)) = unescape(bytes, start) else {
        return Ok(None);
    };
    let object = PyBytes::new(py, &text)
        .call_method1(intern!(py, "decode"), (intern!(py, "utf-8"), intern!(py, "surrogatepass")))?;
    Ok(Some((object, after)))
}

/// UTF-8 in which lone surrogates stand as three bytes each, and the place after the closing quote.
fn unescape(bytes: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    let mut text = Vec::new();
    let mut at = start + 1;
    if bytes.get(start) != Some(&b'"') {
        return None;
    }
    loop {
        let rest = bytes.get(at..)?;
        let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))?;
        // Surrogates may only come from escapes: in the bytes themselves they are no UTF-8.
        text.extend_from_slice(std::str::from_utf8(&rest[..plain]).ok()?.as_bytes());
        at += plain;
        match bytes.get(at)? {
            b'"' => return Some((text, at + 1)),
            b'\\' => at = unescape_one(bytes, at + 1, &mut text)?,
            _ => return None,
        }
    }
}

/// Reads what stands after a backslash, and gives the place after it.
fn unescape_one(bytes: &[u8], at: usize, text: &mut Vec<u8>) -> Option<usize> {
    let plain = match bytes.get(at)? {
        letter @ (b'"' | b'\\' | b'/') => *letter,
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
        Some(letter) => text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        // Only a surrogate is no char; it has the form of every other point below U+10000.
        None => text.extend_from_slice(&[
            0xe0 | (point >> 12) as u8,
            0x80 | (point >> 6 & 0x3f) as u8,
            0x80 | (point & 0x3f) as u8,
        ]),
    }
}
