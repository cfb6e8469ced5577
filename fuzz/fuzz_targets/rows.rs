//! A TABLE_MAP with any columns, then a rows event with any bytes, to JSON.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use maxwell_protocol::settings::Output;
use maxwell_worker::binlog::event::Operation;
use maxwell_worker::binlog::rows::{Image, RowCursor};
use maxwell_worker::binlog::table::{Table, from_full};
use maxwell_worker::encode::message::{Row, RowContext, TableEncoder};
use maxwell_worker::encode::style::Style;
use mysql_common::binlog::EventStreamReader;
use mysql_common::binlog::consts::BinlogVersion;
use mysql_common::binlog::events::TableMapEvent;

/// Column types with the bytes of metadata that each has.
const TYPES: [(u8, usize); 24] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 1),
    (5, 1),
    (8, 0),
    (9, 0),
    (10, 0),
    (13, 0),
    (15, 2),
    (16, 2),
    (17, 1),
    (18, 1),
    (19, 1),
    (242, 1),
    (245, 1),
    (246, 2),
    (249, 1),
    (250, 1),
    (251, 1),
    (252, 1),
    (253, 2),
    (254, 2),
    (255, 1),
];
/// Collations of a few charsets.
const COLLATIONS: [u8; 6] = [63, 8, 45, 33, 51, 13];

#[derive(Debug)]
struct Written {
    map: Vec<u8>,
    mariadb: bool,
    rows: Vec<u8>,
    operation: Operation,
}

impl<'a> Arbitrary<'a> for Written {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let count = u.int_in_range(1..=8_u8)?;
        let (mut types, mut metadata) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (kind, length) = *u.choose(&TYPES)?;
            types.push(kind);
            for _ in 0..length {
                metadata.push(u.arbitrary()?);
            }
        }
        let mut map = vec![1, 0, 0, 0, 0, 0, 1, 0, 1, b'd', 0, 1, b't', 0, count];
        map.extend_from_slice(&types);
        map.push(metadata.len() as u8);
        map.extend_from_slice(&metadata);
        map.push(0xff);
        field(&mut map, 1, &[u.arbitrary()?]);
        field(&mut map, 2, &[*u.choose(&COLLATIONS)?]);
        let names: Vec<u8> = (0..count).flat_map(|at| [1, b'a' + at]).collect();
        field(&mut map, 4, &names);
        field(&mut map, 5, &[2, 1, b'x', 2, b'y', b'y']);
        field(&mut map, 6, &[3, 1, b'p', 0, 1, b'"']);
        field(&mut map, 8, &[0]);
        let mariadb = u.arbitrary()?;
        let operation = *u.choose(&[Operation::Insert, Operation::Update, Operation::Delete])?;
        let mut rows = vec![1, 0, 0, 0, 0, 0, 1, 0, 2, 0, count];
        rows.push(u.arbitrary()?);
        if operation == Operation::Update {
            rows.push(u.arbitrary()?);
        }
        rows.extend_from_slice(u.bytes(u.len())?);
        Ok(Self { map, mariadb, rows, operation })
    }
}

/// A field of a TABLE_MAP's optional metadata.
fn field(map: &mut Vec<u8>, kind: u8, value: &[u8]) {
    map.extend_from_slice(&[kind, value.len() as u8]);
    map.extend_from_slice(value);
}

/// The table that the event describes, if it can be read.
fn table(body: &[u8], mariadb: bool) -> Option<Table> {
    let mut event = vec![0, 0, 0, 1, 19, 1, 0, 0, 0];
    event.extend_from_slice(&(19 + body.len() as u32).to_le_bytes());
    event.extend_from_slice(&[0; 6]);
    event.extend_from_slice(body);
    let event = EventStreamReader::new(BinlogVersion::Version4).read(event.as_slice()).ok()??;
    let map: TableMapEvent<'_> = event.read_event().ok()?;
    from_full(&map, mariadb, None).ok()
}

fuzz_target!(|written: Written| {
    let Some(table) = table(&written.map, written.mariadb) else { return };
    let Ok(style) = Style::new(&Output::default(), None) else { return };
    let encoder = TableEncoder::new(table.clone(), &style);
    let Ok(mut cursor) = RowCursor::new(&written.rows, true, written.operation, &table) else { return };
    let (mut before, mut after, mut out) = (Image::new(), Image::new(), Vec::new());
    while cursor.has_next() && cursor.next(&mut before, &mut after).is_ok() {
        out.clear();
        let (operation, body) = (written.operation, written.rows.as_slice());
        let row = Row { operation, body, before: &before, after: &after };
        if encoder.row(&mut out, &row, &RowContext::default()).is_err() {
            return;
        }
        assert!(std::str::from_utf8(&out).is_ok(), "not UTF-8");
    }
});
