//! Finds the ends of strings and the values of numbers in bytes. The grammar is in parser.rs.
//!
//! `unsafe`: compares 16 bytes at once with SSE2; see `block`.
#![allow(unsafe_code)]

/// Bytes of a string up to one that is not `unescaped` in the grammar of RFC 8259.
pub(super) struct UnescapedSpan {
    /// The position of the first quote, backslash or control character, or the end of the text.
    pub(super) end: usize,
    pub(super) is_ascii: bool,
}

/// Finds the end of the unescaped bytes from `at` on.
#[inline(always)]
pub(super) fn unescaped(bytes: &[u8], mut at: usize) -> UnescapedSpan {
    let mut high = 0;
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        let (stops, highs) = block::find(block);
        if stops != 0 {
            let length = stops.trailing_zeros();
            high |= highs & ((1 << length) - 1);
            return UnescapedSpan { end: at + length as usize, is_ascii: high == 0 };
        }
        high |= highs;
        at += 16;
    }
    let mut is_ascii = high == 0;
    while let Some(&byte) = bytes.get(at) {
        if byte < 0x20 || byte == b'"' || byte == b'\\' {
            break;
        }
        is_ascii &= byte < 0x80;
        at += 1;
    }
    UnescapedSpan { end: at, is_ascii }
}

pub(super) enum Number {
    Int(i64),
    Unsigned(u64),
    /// An integer of more than 64 bits.
    LongInt,
    Float(f64),
}

/// Reads the number at `start` and returns it with the position after it, or the position of the error.
#[inline(always)]
pub(super) fn number(bytes: &[u8], start: usize) -> Result<(Number, usize), usize> {
    let negative = bytes.get(start) == Some(&b'-');
    let whole = start + usize::from(negative);
    let mut mantissa = 0;
    let mut at = digits(bytes, whole, &mut mantissa);
    let count = at - whole;
    if count == 0 || (count > 1 && bytes[whole] == b'0') {
        return Err(whole + usize::from(count != 0));
    }
    if !matches!(bytes.get(at), Some(b'.' | b'e' | b'E')) {
        return Ok((integer(mantissa, count, negative), at));
    }
    // From the text: a mantissa of more than 19 digits has wrapped around, perhaps to zero.
    let is_zero = bytes[whole] == b'0';
    let mut significant = if is_zero { 0 } else { count };
    let mut exponent = 0;
    if bytes[at] == b'.' {
        let fraction = at + 1;
        at = digits(bytes, fraction, &mut mantissa);
        let count = at - fraction;
        if count == 0 {
            return Err(at);
        }
        exponent = -(count as i64);
        significant += if is_zero {
            count - bytes[fraction..at].iter().take_while(|digit| **digit == b'0').count()
        } else {
            count
        };
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = bytes.get(at + 1);
        let power = at + 1 + usize::from(matches!(sign, Some(b'+' | b'-')));
        let mut value = 0;
        at = digits(bytes, power, &mut value);
        if at == power {
            return Err(at);
        }
        // Zero, infinity, or leading zeros: left to the standard library.
        if at - power > 4 {
            significant = usize::MAX;
        }
        let value = (value % 10_000) as i64;
        exponent += if sign == Some(&b'-') { -value } else { value };
    }
    let exact = (significant <= 19).then(|| small_float(mantissa, exponent, negative)).flatten();
    match exact.or_else(|| std::str::from_utf8(&bytes[start..at]).ok()?.parse().ok()) {
        Some(float) => Ok((Number::Float(float), at)),
        None => Err(start),
    }
}

/// Appends the digits from `at` on to `value`, which wraps around, and returns the position after them.
#[inline(always)]
fn digits(bytes: &[u8], mut at: usize, value: &mut u64) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let Some(eight) = eight_digits(*chunk) else {
            break;
        };
        *value = value.wrapping_mul(100_000_000).wrapping_add(eight);
        at += 8;
    }
    while let Some(digit) = bytes.get(at).map(|byte| byte.wrapping_sub(b'0')) {
        if digit > 9 {
            break;
        }
        *value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    at
}

/// The value of eight digits, or None if one of them is not a digit. In three steps: pairs, fours, eight.
#[inline(always)]
fn eight_digits(chunk: [u8; 8]) -> Option<u64> {
    let text = u64::from_le_bytes(chunk);
    // A digit is 0x30..=0x39: its upper half is 3, and still 3 with 6 added.
    const UPPER: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const THREES: u64 = 0x3030_3030_3030_3030;
    let plus_six = text.wrapping_add(0x0606_0606_0606_0606);
    if text & UPPER != THREES || plus_six & UPPER != THREES {
        return None;
    }
    let digits = text - THREES;
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

#[inline(always)]
fn integer(magnitude: u64, count: usize, negative: bool) -> Number {
    // 19 digits always fit in a u64.
    if count > 19 {
        return Number::LongInt;
    }
    match (i64::try_from(magnitude), negative) {
        (Ok(number), false) => Number::Int(number),
        (Ok(number), true) => Number::Int(-number),
        (Err(_), false) => Number::Unsigned(magnitude),
        (Err(_), true) => Number::LongInt,
    }
}

/// The float where the digits and the power of ten are both exact floats, so that one operation rounds once
/// (Clinger, "How to read floating point numbers accurately", 1990).
#[inline(always)]
fn small_float(mantissa: u64, exponent: i64, negative: bool) -> Option<f64> {
    const POWERS: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ];
    if mantissa > 1 << 53 {
        return None;
    }
    let power = *POWERS.get(exponent.unsigned_abs() as usize)?;
    let magnitude = if exponent < 0 { mantissa as f64 / power } else { mantissa as f64 * power };
    Some(if negative { -magnitude } else { magnitude })
}

#[cfg(target_arch = "x86_64")]
mod block {
    use std::arch::x86_64::*;

    /// A bit for each byte that is not `unescaped`, and one for each that is not ASCII.
    #[inline(always)]
    pub(super) fn find(bytes: &[u8; 16]) -> (u32, u32) {
        // SAFETY: an unaligned load of the 16 bytes; SSE2 is part of every x86-64.
        unsafe {
            let block = _mm_loadu_si128(bytes.as_ptr().cast());
            let quote = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'"' as i8));
            let backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'\\' as i8));
            let limit = _mm_set1_epi8(0x1f);
            let control = _mm_cmpeq_epi8(_mm_max_epu8(block, limit), limit);
            let stops = _mm_or_si128(_mm_or_si128(quote, backslash), control);
            (_mm_movemask_epi8(stops) as u32, _mm_movemask_epi8(block) as u32)
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod block {
    /// A bit for each byte that is not `unescaped`, and one for each that is not ASCII.
    #[inline(always)]
    pub(super) fn find(bytes: &[u8; 16]) -> (u32, u32) {
        let (mut stops, mut highs) = (0, 0);
        for (index, byte) in bytes.iter().enumerate() {
            stops |= u32::from(*byte < 0x20 || *byte == b'"' || *byte == b'\\') << index;
            highs |= u32::from(*byte >= 0x80) << index;
        }
        (stops, highs)
    }
}
