//! MariaDB's own types as its SELECT shows them: UUID, INET4, INET6, and what is behind a compressed column.

use std::borrow::Cow;
use std::io::{Read, Write};

use crate::binlog::table::NativeForm;

/// Appends the text without quotes; bytes that were cut off at the end are zero. `None` if there are too many.
pub fn native(out: &mut Vec<u8>, bytes: &[u8], form: NativeForm) -> Option<()> {
    let length = if form == NativeForm::Inet4 { 4 } else { 16 };
    let mut all = [0; 16];
    all[..length].get_mut(..bytes.len())?.copy_from_slice(bytes);
    match form {
        NativeForm::Uuid => {
            let mut buffer = uuid::Uuid::encode_buffer();
            let text = uuid::Uuid::from_bytes(all).hyphenated().encode_lower(&mut buffer);
            out.extend_from_slice(text.as_bytes());
        }
        NativeForm::Inet4 => dotted(out, [all[0], all[1], all[2], all[3]]),
        NativeForm::Inet6 => inet6(out, all),
    }
    Some(())
}

fn dotted(out: &mut Vec<u8>, [a, b, c, d]: [u8; 4]) {
    write!(out, "{a}.{b}.{c}.{d}").expect("a Vec takes every byte");
}

/// Unlike the standard library, MariaDB shortens a single zero, too, and shows what could be an IPv4 address as one.
fn inet6(out: &mut Vec<u8>, bytes: [u8; 16]) {
    let groups: [u16; 8] = std::array::from_fn(|at| u16::from_be_bytes([bytes[2 * at], bytes[2 * at + 1]]));
    let (gap, length) = longest_gap(&groups);
    let embedded = gap == 0 && (length == 6 || (length == 5 && groups[5] == 0xffff));
    for (at, group) in groups.iter().enumerate() {
        if (gap..gap + length).contains(&at) {
            if at == gap {
                out.extend_from_slice(b"::");
            }
            continue;
        }
        let behind_gap = length > 0 && at == gap + length;
        if at > 0 && !behind_gap {
            out.push(b':');
        }
        if embedded && at == 6 {
            return dotted(out, [bytes[12], bytes[13], bytes[14], bytes[15]]);
        }
        write!(out, "{group:x}").expect("a Vec takes every byte");
    }
}

/// Where the first of the longest runs of zeros starts, and its length.
fn longest_gap(groups: &[u16; 8]) -> (usize, usize) {
    let (mut best, mut start) = ((0, 0), 0);
    for (at, &group) in groups.iter().enumerate() {
        if group != 0 {
            start = at + 1;
        } else if at + 1 - start > best.1 {
            best = (start, at + 1 - start);
        }
    }
    best
}

const METHOD: u8 = 0xf0;
const ZLIB: u8 = 0x80;
const RAW_DEFLATE: u8 = 0x08;
const LENGTH_BYTES: u8 = 0x07;

/// What a compressed column holds. A byte in front tells the method; with zlib the length follows, big endian. `None`
/// if the bytes are damaged.
pub fn uncompressed(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some((&head, rest)) = bytes.split_first() else { return Some(Cow::Borrowed(bytes)) };
    if head & METHOD != ZLIB {
        return (head == 0).then_some(Cow::Borrowed(rest));
    }
    let (length, data) = rest.split_at_checked(usize::from(head & LENGTH_BYTES))?;
    let length = length.iter().fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
    // What the bytes say is not trusted with memory: it is taken as it comes, and never more than was announced.
    let mut whole = Vec::new();
    if head & RAW_DEFLATE != 0 {
        flate2::read::DeflateDecoder::new(data).take(length).read_to_end(&mut whole).ok()?;
    } else {
        flate2::read::ZlibDecoder::new(data).take(length).read_to_end(&mut whole).ok()?;
    }
    (whole.len() as u64 == length).then_some(Cow::Owned(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(bytes: &[u8], form: NativeForm) -> String {
        let mut out = Vec::new();
        native(&mut out, bytes, form).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn addresses_read_as_mariadb_shows_them() {
        for text in [
            "::",
            "::1",
            "1::",
            "2001:db8::1",
            "2001:db8::1:0:0:1",
            "2001:db8::1:1:1:1:1",
            "1:2:3:4:5:6:7::",
            "1:2:3:4:5:6:7:8",
            "::ffff:1.2.3.4",
            "::1.2.3.4",
        ] {
            let address: std::net::Ipv6Addr = text.parse().unwrap();
            assert_eq!(show(&address.octets(), NativeForm::Inet6), text);
        }
        assert_eq!(show(&[10, 0], NativeForm::Inet4), "10.0.0.0");
        assert!(native(&mut Vec::new(), &[0; 5], NativeForm::Inet4).is_none());
    }

    #[test]
    fn uuids_are_lower_case() {
        let bytes = [1, 0x23, 0x45, 0x67, 0x89, 0xab, 0x1d, 0xef, 0x81, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd];
        assert_eq!(show(&bytes, NativeForm::Uuid), "01234567-89ab-1def-8123-456789abcd00");
    }

    #[test]
    fn compressed_values_come_back() {
        // As MariaDB 10.11 writes them: two hundred times é in latin1, five hundred times x, and a short value.
        assert_eq!(uncompressed(&[0x89, 200, 0x7b, 0xf9, 0x72, 0x78, 0, 0]).unwrap()[..], [0xe9; 200]);
        let x = uncompressed(&[0x8a, 1, 0xf4, 0xab, 0xa8, 0x18, 5, 0x23, 0x0d, 0, 0]).unwrap();
        assert_eq!(x[..], [b'x'; 500]);
        assert_eq!(uncompressed(&[0, 97, 98]).unwrap()[..], *b"ab");
        assert_eq!(uncompressed(&[]).unwrap()[..], *b"");
        assert!(uncompressed(&[0x89, 201, 0x7b, 0xf9, 0x72, 0x78, 0, 0]).is_none());
        assert!(uncompressed(&[0x70, 1]).is_none());
    }
}
