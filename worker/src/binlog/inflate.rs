//! MariaDB's compressed events (`log_bin_compress`): inflated at once where they come in, so that digests and places
//! are those of the plain event.
//!
//! ```text
//! 1 byte: 0x80 | algorithm << 4 | width of the length   (algorithm 0: zlib)
//! 1-4 bytes: inflated length, big-endian
//! the compressed bytes
//! ```

use std::io::Read;

use flate2::read::ZlibDecoder;
use mysql_common::binlog::events::Event;

use super::BinlogError;
use super::rebuild::with_body;
use super::rows::{bitmap, lenenc, rows_start};

const DAMAGED: BinlogError = BinlogError::Damaged("compressed");
/// No event of a server is larger: its largest `max_allowed_packet`.
const LARGEST: usize = 1 << 30;
/// zlib makes at most about 1032 bytes of one.
const LARGEST_RATIO: usize = 1100;

/// No table has more.
const MOST_COLUMNS: usize = 4096;

const QUERY: u8 = 2;
const QUERY_COMPRESSED: u8 = 165;

/// The plain event that `event` stands for; itself if it is not compressed.
pub fn plain(event: Event) -> Result<Event, BinlogError> {
    match event.header().event_type_raw() {
        QUERY_COMPRESSED => with_body(&event, QUERY, &query(event.data())?),
        kind @ 166..=168 => with_body(&event, kind - 166 + 23, &rows(event.data(), false, kind == 167)?),
        kind @ 169..=171 => with_body(&event, kind - 169 + 30, &rows(event.data(), true, kind == 170)?),
        _ => Ok(event),
    }
}

/// Only the statement is compressed.
fn query(body: &[u8]) -> Result<Vec<u8>, BinlogError> {
    let database = usize::from(*body.get(8).ok_or(DAMAGED)?);
    let variables = body.get(11..13).ok_or(DAMAGED)?;
    let at = 13 + usize::from(u16::from_le_bytes([variables[0], variables[1]])) + database + 1;
    inflated_from(body, at)
}

/// Only the rows are compressed: what stands before them is read as it is.
fn rows(body: &[u8], extra: bool, two_images: bool) -> Result<Vec<u8>, BinlogError> {
    let mut at = rows_start(body, extra)?;
    let columns = lenenc(body, &mut at)?;
    let columns = usize::try_from(columns).ok().filter(|&columns| columns <= MOST_COLUMNS).ok_or(DAMAGED)?;
    for _ in 0..=usize::from(two_images) {
        bitmap(body, &mut at, columns)?;
    }
    inflated_from(body, at)
}

/// `body` with what is compressed from `at` on inflated.
fn inflated_from(body: &[u8], at: usize) -> Result<Vec<u8>, BinlogError> {
    let (head, compressed) = body.split_at_checked(at).ok_or(DAMAGED)?;
    let (&form, compressed) = compressed.split_first().ok_or(DAMAGED)?;
    if form & 0xf0 != 0x80 {
        return Err(DAMAGED);
    }
    let width = usize::from(form & 7);
    let length = compressed.get(..width).filter(|_| (1..=4).contains(&width)).ok_or(DAMAGED)?;
    let length = length.iter().fold(0, |number, byte| (number << 8) | usize::from(*byte));
    let compressed = &compressed[width..];
    if length > LARGEST || length > compressed.len().saturating_mul(LARGEST_RATIO) {
        return Err(DAMAGED);
    }
    let mut plain = Vec::with_capacity(head.len() + length);
    plain.extend_from_slice(head);
    let read = ZlibDecoder::new(compressed).take(length as u64 + 1).read_to_end(&mut plain);
    if read.map_err(|_| DAMAGED)? == length { Ok(plain) } else { Err(DAMAGED) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use proptest::prelude::*;

    use super::super::rebuild::tests::event;
    use super::*;

    fn compressed(text: &[u8]) -> Vec<u8> {
        let mut out =
            ZlibEncoder::new(vec![0x82, (text.len() >> 8) as u8, text.len() as u8], Compression::fast());
        out.write_all(text).unwrap();
        out.finish().unwrap()
    }

    const QUERY_HEAD: &[u8] = b"\x07\0\0\0\0\0\0\0\x04\0\0\x02\0\x09\x09shop\0";

    #[test]
    fn a_statement_is_inflated() {
        let body = [QUERY_HEAD, &compressed(b"CREATE TABLE t (id INT)")].concat();
        let made = plain(event(165, &body)).unwrap();
        assert_eq!(made.header().event_type_raw(), 2);
        assert_eq!(made.data(), [QUERY_HEAD, b"CREATE TABLE t (id INT)"].concat());
    }

    #[test]
    fn rows_are_inflated_behind_their_bitmaps() {
        let head = b"\x12\0\0\0\0\0\x01\0\x02\x03\x03";
        let rows = [0, 5, 0, 0, 0, 0, 6, 0, 0, 0].repeat(30);
        let made = plain(event(167, &[head, compressed(&rows).as_slice()].concat())).unwrap();
        assert_eq!(made.header().event_type_raw(), 24);
        assert_eq!(made.data(), [head, rows.as_slice()].concat());
    }

    #[test]
    fn what_lies_about_its_length_is_refused() {
        let whole = [QUERY_HEAD, &compressed(b"CREATE TABLE t (id INT)")].concat();
        for cut in 0..whole.len() {
            assert!(plain(event(165, &whole[..cut])).is_err(), "cut at {cut}");
        }
        for length in [[0, 1], [0, 200], [0xff, 0xff]] {
            let mut lying = whole.clone();
            lying[QUERY_HEAD.len() + 1..QUERY_HEAD.len() + 3].copy_from_slice(&length);
            assert!(plain(event(165, &lying)).is_err(), "{length:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(kind in 165u8..172, bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = plain(event(kind, &bytes));
        }
    }
}
