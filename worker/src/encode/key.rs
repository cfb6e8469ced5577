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
}
