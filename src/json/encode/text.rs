//! Writes strings: quotes, escapes, and all other bytes copied in blocks of 16.
//!
//! `unsafe`: loads and stores whole blocks, and reserves memory once a string, not once a byte. Calls of `memcpy` for
//! pieces of 5 to 20 bytes took 6 % of a small event.
#![allow(unsafe_code)]

/// The character after the backslash for each byte that must be escaped, `u` for `\u00XX`; 0 for other bytes.
static ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The longest form of one byte: `\u001f`.
const LONGEST_ESCAPE: usize = 6;

/// Capacity for a whole block to be stored, and for the closing quote and the tail.
const SLACK: usize = 32;

/// Appends `text`, which is UTF-8, as a JSON string, and `tail`, a comma or a colon.
#[inline(always)]
pub(super) fn write_text(out: &mut Vec<u8>, text: &[u8], tail: u8) {
    out.reserve(text.len() + SLACK);
    // SAFETY: there is capacity for the quote, all of `text` unescaped and SLACK bytes more; `write_escaped` reserves
    // more before it writes anything longer than its source, and leaves SLACK bytes again.
    unsafe {
        let start = out.len() + 1;
        let begin = out.as_mut_ptr().add(start);
        begin.sub(1).write(b'"');
        let copied = copy_plain(text, begin);
        if copied < text.len() {
            out.set_len(start + copied);
            write_escaped(out, &text[copied..]);
        } else {
            out.set_len(start + copied);
        }
        let length = out.len();
        let end = out.as_mut_ptr().add(length);
        end.write(b'"');
        end.add(1).write(tail);
        out.set_len(length + 2);
    }
}

/// As `write_text`, for text with lone surrogates of three bytes each. UTF-8 cannot represent them, so they become
/// escapes, as in `json.dumps`, and are read back as lone surrogates.
#[cold]
pub(super) fn write_with_surrogates(out: &mut Vec<u8>, text: &[u8], tail: u8) {
    let is_surrogate = |three: &[u8]| three[0] == 0xed && three[1] >= 0xa0;
    out.push(b'"');
    let mut rest = text;
    loop {
        let at = rest.windows(3).position(is_surrogate);
        let begin = out.len();
        write_text(out, &rest[..at.unwrap_or(rest.len())], tail);
        out.remove(begin); // the quote, which is written already
        let Some(at) = at else { return };
        out.truncate(out.len() - 2); // the quote and the tail
        let point = 0xd000 | (u32::from(rest[at + 1] & 0x3f) << 6) | u32::from(rest[at + 2] & 0x3f);
        out.extend_from_slice(format!("\\u{point:04x}").as_bytes());
        rest = &rest[at + 3..];
    }
}

/// Appends a few bytes, usually 32 at most, and `tail`. A copy of unknown length would call `memcpy`.
#[inline(always)]
pub(super) fn write_short(out: &mut Vec<u8>, bytes: &[u8], tail: u8) {
    let length = bytes.len();
    if length > 32 {
        out.extend_from_slice(bytes);
        out.push(tail);
        return;
    }
    out.reserve(SLACK + 1);
    // SAFETY: there is capacity for 33 bytes; loads and stores stay within the `length` bytes: two blocks overlap.
    unsafe {
        let to = out.as_mut_ptr().add(out.len());
        let from = bytes.as_ptr();
        if length >= 16 {
            copy::<u128>(from, to, 0);
            copy::<u128>(from, to, length - 16);
        } else if length >= 8 {
            copy::<u64>(from, to, 0);
            copy::<u64>(from, to, length - 8);
        } else if length >= 4 {
            copy::<u32>(from, to, 0);
            copy::<u32>(from, to, length - 4);
        } else {
            for index in 0..length {
                copy::<u8>(from, to, index);
            }
        }
        to.add(length).write(tail);
        out.set_len(out.len() + length + 1);
    }
}

/// # Safety
/// A `T` must be readable at `from + at` and writable at `to + at`.
#[inline(always)]
unsafe fn copy<T>(from: *const u8, to: *mut u8, at: usize) {
    // SAFETY: as the contract says; both accesses are unaligned ones.
    unsafe {
        let block = from.add(at).cast::<T>().read_unaligned();
        to.add(at).cast::<T>().write_unaligned(block);
    }
}

/// Appends `rest`, whose first byte must be escaped.
#[cold]
#[inline(never)]
fn write_escaped(out: &mut Vec<u8>, mut rest: &[u8]) {
    while let Some((&byte, after)) = rest.split_first() {
        // Invariant of the loop: capacity for `rest` unescaped, for this escape and for SLACK.
        out.reserve(rest.len() + LONGEST_ESCAPE + SLACK);
        match ESCAPES[byte as usize] {
            0 => out.push(byte),
            b'u' => {
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[(byte >> 4) as usize], HEX[(byte & 15) as usize]])
            }
            short => out.extend_from_slice(&[b'\\', short]),
        }
        // SAFETY: `after` is shorter than the reserved capacity, and set_len covers only what was copied.
        let copied = unsafe {
            let length = out.len();
            let copied = copy_plain(after, out.as_mut_ptr().add(length));
            out.set_len(length + copied);
            copied
        };
        rest = &after[copied..];
    }
}

/// Copies bytes up to the first that must be escaped, and returns their number. Stores at most `text.len()` bytes.
///
/// # Safety
/// `text.len()` bytes must be writable at `to`.
#[inline(always)]
unsafe fn copy_plain(text: &[u8], to: *mut u8) -> usize {
    let length = text.len();
    let from = text.as_ptr();
    // SAFETY: every load is inside `text`, every store inside the memory that the caller vouches for. The last block
    // ends where the text does and overlaps the one before, in which nothing was found.
    unsafe {
        if length >= 16 {
            let mut at = 0;
            while at < length - 16 {
                let mask = block::copy_and_find(from.add(at), to.add(at));
                if mask != 0 {
                    return at + mask.trailing_zeros() as usize;
                }
                at += 16;
            }
            let last = length - 16;
            let mask = block::copy_and_find(from.add(last), to.add(last));
            if mask != 0 {
                return last + mask.trailing_zeros() as usize;
            }
        } else if length >= 8 {
            let last = length - 8;
            let (head, tail) = (word_at(from, to, 0), word_at(from, to, last));
            let found = find_in_word(head);
            if found != 0 {
                return (found.trailing_zeros() / 8) as usize;
            }
            let found = find_in_word(tail);
            if found != 0 {
                return last + (found.trailing_zeros() / 8) as usize;
            }
        } else {
            for at in 0..length {
                let byte = *from.add(at);
                if ESCAPES[byte as usize] != 0 {
                    return at;
                }
                to.add(at).write(byte);
            }
        }
    }
    length
}

/// Copies 8 bytes and returns them, the first in the lowest byte.
///
/// # Safety
/// As for `copy`.
#[inline(always)]
unsafe fn word_at(from: *const u8, to: *mut u8, at: usize) -> u64 {
    // SAFETY: unaligned accesses of 8 bytes, as the contract says.
    unsafe {
        let word = from.add(at).cast::<u64>().read_unaligned();
        to.add(at).cast::<u64>().write_unaligned(word);
        u64::from_le(word)
    }
}

/// A bit in the first byte (in memory order) that must be escaped; bits above it may be wrong.
#[inline(always)]
fn find_in_word(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let control = word.wrapping_sub(ONES * 0x20);
    // (x - 1) & !x has the high bit where a byte x is zero; !word keeps bytes of UTF-8 sequences out.
    (quote.wrapping_sub(ONES) | backslash.wrapping_sub(ONES) | control) & !word & HIGH
}

#[cfg(target_arch = "x86_64")]
mod block {
    use std::arch::x86_64::*;

    /// Copies 16 bytes and returns a bit for each that must be escaped.
    ///
    /// # Safety
    /// 16 bytes must be readable at `from` and writable at `to`. SSE2 is part of every x86-64.
    #[inline(always)]
    pub(super) unsafe fn copy_and_find(from: *const u8, to: *mut u8) -> u32 {
        // SAFETY: unaligned loads and stores of 16 bytes, as the contract allows.
        unsafe {
            let block = _mm_loadu_si128(from.cast());
            _mm_storeu_si128(to.cast(), block);
            let quote = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'"' as i8));
            let backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'\\' as i8));
            // max(byte, 0x1f) == 0x1f exactly for the control characters, unsigned.
            let limit = _mm_set1_epi8(0x1f);
            let control = _mm_cmpeq_epi8(_mm_max_epu8(block, limit), limit);
            _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control)) as u32
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod block {
    /// Copies 16 bytes and returns a bit for the first that must be escaped.
    ///
    /// # Safety
    /// 16 bytes must be readable at `from` and writable at `to`.
    #[inline(always)]
    pub(super) unsafe fn copy_and_find(from: *const u8, to: *mut u8) -> u32 {
        for half in 0..2 {
            // SAFETY: two words of 8 bytes, as the contract allows.
            let word = unsafe {
                let word = from.add(half * 8).cast::<u64>().read_unaligned();
                to.add(half * 8).cast::<u64>().write_unaligned(word);
                word
            };
            let found = super::find_in_word(u64::from_le(word));
            if found != 0 {
                return 1 << (half as u32 * 8 + found.trailing_zeros() / 8);
            }
        }
        0
    }
}
