//! Writes numbers as Python prints them: the shortest text that reads back as the same float, every digit of an integer.

use crate::json::NanPolicy;

use super::stop::{Stop, Walk};

#[inline]
pub(super) fn write_i64(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[inline]
pub(super) fn write_f64(out: &mut Vec<u8>, number: f64, nan: NanPolicy) -> Walk {
    if !number.is_finite() {
        return write_non_finite(out, number, nan);
    }
    let magnitude = number.abs();
    // Python turns to exponents below 1e-4, zmij below 1e-5; above 1e16 both print the same.
    if magnitude < 1e-4 && magnitude != 0.0 {
        write_small(out, number);
    } else {
        out.extend_from_slice(zmij::Buffer::new().format_finite(number).as_bytes());
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

#[cold]
fn write_non_finite(out: &mut Vec<u8>, number: f64, nan: NanPolicy) -> Walk {
    out.extend_from_slice(non_finite(number, nan)?.as_bytes());
    Ok(())
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
