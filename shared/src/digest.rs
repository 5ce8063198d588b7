//! SHA-256 and HMAC-SHA256 as this crate uses them: over several parts, without a way to fail.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// The block of SHA-256, to which HMAC brings every key (RFC 2104).
const BLOCK: usize = 64;

/// HMAC-SHA256 (RFC 2104) over the parts, one after the other, with a key of any length.
pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // Bringing the key to the block's length here is what RFC 2104 does anyway, and leaves no error to handle.
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        block.iter_mut().zip(sha256(&[key])).for_each(|(b, k)| *b = k);
    } else {
        block.iter_mut().zip(key).for_each(|(b, k)| *b = *k);
    }
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA256 over the parts, each led by its length, so that ("a","bc") and ("ab","c") differ.
pub(crate) fn hmac_of_parts(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let lengths: Vec<[u8; 8]> =
        parts.iter().map(|p| u64::try_from(p.len()).unwrap_or(u64::MAX).to_be_bytes()).collect();
    let led: Vec<&[u8]> = lengths.iter().zip(parts).flat_map(|(length, part)| [length.as_slice(), part]).collect();
    hmac(key, &led)
}

/// SHA-256 over the parts, one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// The first sixteen bytes of a digest: still far beyond guessing, and half as long to send or keep.
pub(crate) fn half(digest: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.iter_mut().zip(digest).for_each(|(h, d)| *h = d);
    half
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4231_come_out_for_short_and_long_keys() {
        let jefe = hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex(&jefe), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let long = hmac(&[0xaa; 131], &[b"Test Using Larger Than Block-Size Key - Hash Key First"]);
        assert_eq!(hex(&long), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }

    #[test]
    fn parts_are_kept_apart_where_their_lengths_lead_them() {
        assert_eq!(hmac(b"k", &[b"a", b"bc"]), hmac(b"k", &[b"ab", b"c"]));
        assert_ne!(hmac_of_parts(b"k", &[b"a", b"bc"]), hmac_of_parts(b"k", &[b"ab", b"c"]));
    }
}
