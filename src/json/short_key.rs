//! Short texts as two machine words, which are quick to compare and to hash.

/// The first and the last bytes as two words, which overlap in short texts. With the length, they are the whole of a
/// text of up to 16 bytes.
#[inline(always)]
pub(super) fn ends(text: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
    } else if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)))
    } else {
        let byte = |at: usize| u64::from(text[at]);
        (byte(0) | byte(text.len() / 2) << 8, byte(text.len() - 1))
    }
}

/// Includes the middle, because long keys often share both ends.
#[inline(always)]
pub(super) fn hash((first, last): (u64, u64), text: &[u8]) -> usize {
    let middle = match text.len() {
        17.. => {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&text[text.len() / 2 - 4..text.len() / 2 + 4]);
            u64::from_le_bytes(bytes)
        }
        length => length as u64,
    };
    // Odd constants, from the fractions of the golden ratio and of the square root of two.
    let mixed = (first ^ middle.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ last.wrapping_mul(0x6a09_e667_f3bc_c909).rotate_left(32);
    (mixed >> 20) as usize
}
