//! An event with another body: what a compressed or partial one stands for, so that nothing behind knows such forms.

use mysql_common::binlog::events::{BinlogEventHeader, Event};
use mysql_common::proto::MySerialize;

use super::BinlogError;

/// Bytes of a checksum.
const CHECKSUM: usize = 4;
/// Where a header keeps the event's type and size.
const TYPE_AT: usize = 4;
const SIZE_AT: usize = 9;

/// `event` with the type `kind` and `body`. Time, server and place stay; the size is that of the new body.
pub fn with_body(event: &Event, kind: u8, body: &[u8]) -> Result<Event, BinlogError> {
    let checksum = if event.checksum().is_some() { CHECKSUM } else { 0 };
    let size = BinlogEventHeader::LEN + body.len() + checksum;
    let size = u32::try_from(size).map_err(|_| BinlogError::Damaged("compressed or partial"))?;
    let mut bytes = Vec::with_capacity(size as usize);
    event.header().serialize(&mut bytes);
    bytes[TYPE_AT] = kind;
    bytes[SIZE_AT..SIZE_AT + 4].copy_from_slice(&size.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes.resize(size as usize, 0);
    Event::read(event.fde(), bytes.as_slice()).map_err(|_| BinlogError::Damaged("compressed or partial"))
}

#[cfg(test)]
pub(super) mod tests {
    use mysql_common::binlog::consts::BinlogVersion;
    use mysql_common::binlog::events::FormatDescriptionEvent;

    use super::*;

    /// An event without a checksum that ends at 1000 in its file.
    pub(in crate::binlog) fn event(kind: u8, body: &[u8]) -> Event {
        let fde = FormatDescriptionEvent::new(BinlogVersion::Version4);
        let size = (BinlogEventHeader::LEN + body.len()) as u32;
        let mut bytes = vec![1, 0, 0, 0, kind, 1, 0, 0, 0];
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&[0xe8, 3, 0, 0, 0, 0]);
        bytes.extend_from_slice(body);
        Event::read(&fde, bytes.as_slice()).expect("an event")
    }

    #[test]
    fn the_body_changes_and_the_rest_stays() {
        let made = with_body(&event(166, b"short"), 23, b"much longer").unwrap();
        assert_eq!((made.header().event_type_raw(), made.data()), (23, b"much longer".as_slice()));
        assert_eq!((made.header().log_pos(), made.header().timestamp()), (1000, 1));
    }
}
