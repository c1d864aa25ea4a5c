//! Writes numbers as Python prints them: the shortest text that reads back as the same float, every digit of an integer.
//! Each is followed by `tail`, a comma or a quote.

use crate::json::NanPolicy;

use super::stop::{Stop, Walk};
use super::text::write_short;

#[inline]
pub(super) fn write_i64(out: &mut Vec<u8>, number: i64, tail: u8) {
    write_short(out, itoa::Buffer::new().format(number).as_bytes(), tail);
}

#[inline]
pub(super) fn write_f64(out: &mut Vec<u8>, number: f64, nan: NanPolicy, tail: u8) -> Walk {
    if !number.is_finite() {
        write_short(out, non_finite(number, nan)?.as_bytes(), tail);
        return Ok(());
    }
    let magnitude = number.abs();
    // Python turns to exponents below 1e-4, zmij below 1e-5; above 1e16 both print the same.
    if magnitude < 1e-4 && magnitude != 0.0 {
        write_small(out, number);
        out.push(tail);
    } else {
        write_short(
            out,
            zmij::Buffer::new().format_finite(number).as_bytes(),
            tail,
        );
    }
    Ok(())
}

/// `1.5e-05`: an exponent of two digits at least.
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

/// What the policy makes of NaN or an infinity.
#[cold]
pub(super) fn non_finite(number: f64, nan: NanPolicy) -> Result<&'static str, Box<Stop>> {
    let name = match number {
        _ if number.is_nan() => "NaN",
        _ if number > 0.0 => "Infinity",
        _ => "-Infinity",
    };
    match nan {
        NanPolicy::Allow => Ok(name),
        NanPolicy::Null => Ok("null"),
        NanPolicy::Error => Err(Stop::refused(format!(
            "the float is {name}, which is not JSON: replace it, or pass nan=\"null\" (or nan=\"allow\" for readers \
             that take it)"
        ))),
    }
}
