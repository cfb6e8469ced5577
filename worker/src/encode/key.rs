//! Record keys and partitions, byte for byte as Maxwell computes them.

use maxwell_protocol::settings::PartitionHash;

/// The partition among `count`: the absolute value of Java's remainder.
pub fn partition(hash: i32, count: i32) -> i32 {
    (hash % count.max(1)).abs()
}

/// Hashes the text that decides a partition.
pub fn hash(kind: PartitionHash, text: &str) -> i32 {
    match kind {
        PartitionHash::Default => java_hash(text),
        PartitionHash::Murmur3 => murmur3(text.as_bytes(), 25342) as i32,
    }
}

/// Java's `String.hashCode`: over UTF-16 units.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// MurmurHash3 x86_32 (Austin Appleby, public domain description).
fn murmur3(bytes: &[u8], seed: u32) -> u32 {
    let scramble = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut chunks = bytes.chunks_exact(4);
    let mut hash = chunks.by_ref().fold(seed, |hash, chunk| {
        let k = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
        (hash ^ scramble(k)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
    });
    let tail = chunks.remainder().iter().rev().fold(0u32, |k, &byte| (k << 8) | u32::from(byte));
    hash ^= scramble(tail);
    hash ^= bytes.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hashes_are_javas() {
        assert_eq!(java_hash("hello"), 99_162_322);
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("polygenelubricants"), i32::MIN);
        assert_eq!(partition(i32::MIN, 4), 0);
        assert_eq!(partition(-7, 4), 3);
        // Published vectors of MurmurHash3 x86_32.
        assert_eq!(murmur3(b"", 1), 0x514e_28b7);
        assert_eq!(murmur3(b"test", 0), 0xba6b_d213);
        assert_eq!(murmur3(b"Hello, world!", 0), 0xc036_3e43);
    }

    /// Java's definition, taken literally: s[0]·31^(n-1) + … + s[n-1] over the UTF-16 units.
    fn by_powers(text: &str) -> i32 {
        let units: Vec<u16> = text.encode_utf16().collect();
        let terms = units.iter().rev().enumerate();
        terms.fold(0i32, |sum, (power, &unit)| {
            sum.wrapping_add(31i32.wrapping_pow(power as u32).wrapping_mul(i32::from(unit)))
        })
    }

    /// The published reference's way: whole blocks by index, then the tail's bytes one by one.
    fn by_blocks(bytes: &[u8], seed: u32) -> u32 {
        let (c1, c2) = (0xcc9e_2d51u32, 0x1b87_3593u32);
        let mut h = seed;
        for block in 0..bytes.len() / 4 {
            let k = (0..4).fold(0u32, |k, at| k | u32::from(bytes[block * 4 + at]) << (8 * at));
            h ^= k.wrapping_mul(c1).rotate_left(15).wrapping_mul(c2);
            h = h.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
        }
        let tail = &bytes[bytes.len() / 4 * 4..];
        let mut k = 0u32;
        for at in (0..tail.len()).rev() {
            k ^= u32::from(tail[at]) << (8 * at);
        }
        h ^= k.wrapping_mul(c1).rotate_left(15).wrapping_mul(c2);
        h ^= bytes.len() as u32;
        h ^= h >> 16;
        h = h.wrapping_mul(0x85eb_ca6b);
        h ^= h >> 13;
        h = h.wrapping_mul(0xc2b2_ae35);
        h ^ h >> 16
    }

    proptest! {
        #[test]
        fn hashes_agree_with_their_definitions(text in "\\PC{0,40}", seed in any::<u32>()) {
            prop_assert_eq!(java_hash(&text), by_powers(&text));
            prop_assert_eq!(murmur3(text.as_bytes(), seed), by_blocks(text.as_bytes(), seed));
        }

        #[test]
        fn partitions_are_among_those_there_are(hash in any::<i32>(), count in 1i32..1000) {
            prop_assert!((0..count).contains(&partition(hash, count)));
        }
    }
}
