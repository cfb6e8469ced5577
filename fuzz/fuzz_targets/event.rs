//! Events with any body through the transaction assembler: a wrong one is an error, never a panic.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use maxwell_protocol::position::Position;
use maxwell_worker::binlog::event::{classify, statement};
use maxwell_worker::binlog::transaction::{Assembler, Limits};
use mysql_common::binlog::EventStreamReader;
use mysql_common::binlog::consts::BinlogVersion;

#[derive(Arbitrary, Debug)]
struct Written<'a> {
    kind: u8,
    body: &'a [u8],
}

/// Types that servers write; any other number now and then.
const KINDS: [u8; 30] = [
    2, 3, 4, 5, 13, 15, 16, 19, 23, 24, 25, 26, 27, 29, 30, 31, 32, 33, 34, 35, 36, 38, 39, 40, 41, 42, 160,
    162, 165, 166,
];

fuzz_target!(|events: Vec<Written<'_>>| {
    let mut reader = EventStreamReader::new(BinlogVersion::Version4);
    let position = Position { file: "binlog.000001".into(), offset: 4, ..Position::default() };
    let mut assembler: Assembler<()> = Assembler::new(&position, None, Limits::default());
    let mut at = 4_u32;
    for event in events.iter().take(64) {
        let kind = if event.kind < 0xf0 { KINDS[usize::from(event.kind) % KINDS.len()] } else { event.kind };
        at = at.wrapping_add(19 + event.body.len() as u32);
        let mut bytes = vec![0, 0, 0, 1, kind, 1, 0, 0, 0];
        bytes.extend_from_slice(&(19 + event.body.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&at.to_le_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(event.body);
        let Ok(Some(event)) = reader.read(bytes.as_slice()) else { return };
        let _kind = classify(&event);
        let _statement = statement(&String::from_utf8_lossy(event.data()));
        if assembler.push(event).is_err() {
            return;
        }
    }
});
