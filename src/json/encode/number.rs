//! Writes numbers as Python prints them: all digits of an int, the shortest text that is read back as the same float.
//! Each is followed by `tail`, a comma or a quote.
//!
//! `unsafe`: stores digits as whole words, see `write_i64`.
#![allow(unsafe_code)]

use crate::json::NanPolicy;

use super::error::{WriteError, WriteResult};
use super::text::write_short;

/// Writes eight digits at a time into the output itself. A formatter that copies from a buffer reads it back before the
/// stores are complete, which took a fifth of the time on citm_catalog.
#[inline]
pub(super) fn write_i64(out: &mut Vec<u8>, number: i64, tail: u8) {
    // A sign, at most 20 digits in three blocks of 8 bytes, and the tail.
    out.reserve(32);
    // SAFETY: at most 1 + 24 + 1 bytes are stored, and `end` is the position after the last one kept.
    unsafe {
        let start = out.as_mut_ptr().add(out.len());
        start.write(b'-');
        let mut end = start.add(usize::from(number < 0));
        let magnitude = number.unsigned_abs();
        let (high, low) = (magnitude / 100_000_000, magnitude % 100_000_000);
        if high == 0 {
            end = first_digits(end, low);
        } else {
            if high < 100_000_000 {
                end = first_digits(end, high);
            } else {
                end = first_digits(end, high / 100_000_000);
                end = all_digits(end, high % 100_000_000);
            }
            end = all_digits(end, low);
        }
        end.write(tail);
        out.set_len(out.len() + (end as usize - start as usize) + 1);
    }
}

/// Eight digits of a number below 10^8, one a byte, the first in the lowest byte: halves, then pairs, then digits, with
/// multiplications for divisions (10486 / 2^20 for 1 / 100, 103 / 2^10 for 1 / 10; exact in this range).
#[inline(always)]
fn eight_digits(number: u64) -> u64 {
    let halves = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | ((halves - 100 * hundreds) << 16);
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((pairs - 10 * tens) << 8)
}

const ZEROS: u64 = 0x3030_3030_3030_3030;

/// "00" to "99".
static PAIRS: [u8; 200] = {
    let mut table = [0; 200];
    let mut number = 0;
    while number < 100 {
        table[number * 2] = b'0' + (number / 10) as u8;
        table[number * 2 + 1] = b'0' + (number % 10) as u8;
        number += 1;
    }
    table
};

/// Stores a number below 10^8 without leading zeros, and returns the position after it. Uses branches, which the
/// processor predicts: all that is written later would wait for a computed length (5 % of a small event).
///
/// # Safety
/// 8 bytes must be writable at `to`.
#[inline(always)]
unsafe fn first_digits(mut to: *mut u8, number: u64) -> *mut u8 {
    let number = number as usize;
    // SAFETY: at most four pairs are stored, and none has an index above 99.
    unsafe {
        let pair = |to: *mut u8, index: usize| {
            let from = PAIRS.as_ptr().add(index * 2).cast::<u16>();
            to.cast::<u16>().write_unaligned(from.read_unaligned());
            to.add(2)
        };
        let one_or_two = |to: *mut u8, index: usize| {
            if index < 10 {
                to.write(b'0' + index as u8);
                to.add(1)
            } else {
                pair(to, index)
            }
        };
        if number < 100 {
            one_or_two(to, number)
        } else if number < 10_000 {
            to = one_or_two(to, number / 100);
            pair(to, number % 100)
        } else if number < 1_000_000 {
            to = one_or_two(to, number / 10_000);
            to = pair(to, number / 100 % 100);
            pair(to, number % 100)
        } else {
            to = one_or_two(to, number / 1_000_000);
            to = pair(to, number / 10_000 % 100);
            to = pair(to, number / 100 % 100);
            pair(to, number % 100)
        }
    }
}

/// Stores a number below 10^8 as eight digits, and returns the position after them.
///
/// # Safety
/// 8 bytes must be writable at `to`.
#[inline(always)]
unsafe fn all_digits(to: *mut u8, number: u64) -> *mut u8 {
    // SAFETY: as above.
    unsafe {
        to.cast::<u64>().write_unaligned((eight_digits(number) | ZEROS).to_le());
        to.add(8)
    }
}

#[inline]
pub(super) fn write_f64(out: &mut Vec<u8>, number: f64, nan: NanPolicy, tail: u8) -> WriteResult {
    if !number.is_finite() {
        write_short(out, non_finite(number, nan)?.as_bytes(), tail);
        return Ok(());
    }
    let magnitude = number.abs();
    if magnitude < 1e11 {
        let thousandths = (magnitude * 1000.0 + 0.5) as u64;
        if thousandths as f64 / 1000.0 == magnitude {
            write_decimal(out, number.is_sign_negative(), thousandths, tail);
            return Ok(());
        }
        // Python prints an exponent below 1e-4, zmij below 1e-5; above 1e16 both print the same.
        if magnitude < 1e-4 {
            write_small(out, number);
            out.push(tail);
            return Ok(());
        }
    }
    let mut buffer = zmij::Buffer::new();
    write_short(out, buffer.format_finite(number).as_bytes(), tail);
    Ok(())
}

/// Writes a float that is a number of thousandths below 10^14: prices, percentages, times in milliseconds. No other
/// decimal of up to 15 digits is the same float, so these digits are the shortest. Saves 10 ns a float.
#[inline(always)]
fn write_decimal(out: &mut Vec<u8>, is_negative: bool, thousandths: u64, tail: u8) {
    // A sign, at most 16 bytes of whole digits, and five for the point, the fraction and the tail.
    out.reserve(32);
    let (whole, fraction) = (thousandths / 1000, (thousandths % 1000) as usize);
    // SAFETY: 8 or 16 bytes for the whole part and 5 more, within the 32; `end` is the position after the last one
    // kept.
    unsafe {
        let start = out.as_mut_ptr().add(out.len());
        start.write(b'-');
        let mut end = start.add(usize::from(is_negative));
        if whole < 100_000_000 {
            end = first_digits(end, whole);
        } else {
            end = first_digits(end, whole / 100_000_000);
            end = all_digits(end, whole % 100_000_000);
        }
        end.write(b'.');
        end.add(1).write(b'0' + (fraction / 100) as u8);
        let rest = PAIRS.as_ptr().add(fraction % 100 * 2);
        let (second, third) = (*rest, *rest.add(1));
        end.add(2).write(second);
        end.add(3).write(third);
        end = if third != b'0' {
            end.add(4)
        } else if second != b'0' {
            end.add(3)
        } else {
            end.add(2)
        };
        end.write(tail);
        out.set_len(out.len() + (end as usize - start as usize) + 1);
    }
}

/// As `1.5e-05`, with at least two digits in the exponent.
#[cold]
fn write_small(out: &mut Vec<u8>, number: f64) {
    let text = format!("{number:e}");
    match text.split_once("e-") {
        Some((digits, exponent)) => {
            out.extend_from_slice(digits.as_bytes());
            out.extend_from_slice(b"e-");
            if exponent.len() < 2 {
                out.push(b'0');
            }
            out.extend_from_slice(exponent.as_bytes());
        }
        None => out.extend_from_slice(text.as_bytes()),
    }
}

/// The text of NaN or an infinity under the policy.
#[cold]
pub(super) fn non_finite(number: f64, nan: NanPolicy) -> Result<&'static str, Box<WriteError>> {
    let name = match number {
        _ if number.is_nan() => "NaN",
        _ if number > 0.0 => "Infinity",
        _ => "-Infinity",
    };
    match nan {
        NanPolicy::Allow => Ok(name),
        NanPolicy::Null => Ok("null"),
        NanPolicy::Error => Err(WriteError::new(format!(
            "the float is {name}, which is not JSON: replace it, or pass nan=\"null\" (or nan=\"allow\" for readers \
             that accept it)"
        ))),
    }
}
