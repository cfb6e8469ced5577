//! A rows event's rows as slices of its bytes, column by column. Nothing is copied.

use super::BinlogError;
use super::event::Operation;
use super::table::{ColumnKind, Table};

const DAMAGED: BinlogError = BinlogError::Damaged("rows");

/// Where a column's value is: a slice of the event's body, NULL, or not in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `body[start..end]`.
    Value(u32, u32),
    /// SQL NULL.
    Null,
    /// `binlog_row_image` left it out.
    Absent,
}

/// One image of a row: a field per column.
pub type Image = Vec<Field>;

/// Walks the rows of one rows event.
pub struct RowCursor<'a> {
    body: &'a [u8],
    table: &'a Table,
    operation: Operation,
    at: usize,
    before: Present<'a>,
    after: Present<'a>,
}

/// Which columns an image holds: a bit each.
#[derive(Clone, Copy, Default)]
pub(super) struct Present<'a> {
    pub(super) bits: &'a [u8],
    pub(super) count: usize,
}

impl<'a> RowCursor<'a> {
    /// Reads the event's header; `extra` tells version 2 events, which carry extra data, from version 1.
    pub fn new(
        body: &'a [u8],
        extra: bool,
        operation: Operation,
        table: &'a Table,
    ) -> Result<Self, BinlogError> {
        let mut at = rows_start(body, extra)?;
        let columns = lenenc(body, &mut at)? as usize;
        if columns != table.columns.len() {
            return Err(BinlogError::Damaged("rows (another number of columns than the table map)"));
        }
        let first = bitmap(body, &mut at, columns)?;
        let (before, after) = match operation {
            Operation::Insert => (Present::default(), first),
            Operation::Delete => (first, Present::default()),
            Operation::Update => (first, bitmap(body, &mut at, columns)?),
        };
        Ok(Self { body, table, operation, at, before, after })
    }

    /// Offset of the next row in the body.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Whether there is another row.
    pub fn has_next(&self) -> bool {
        self.at < self.body.len()
    }

    /// Reads the next row into `before` and `after`; the one that the operation lacks is left empty.
    pub fn next(&mut self, before: &mut Image, after: &mut Image) -> Result<(), BinlogError> {
        before.clear();
        after.clear();
        let start = self.at;
        if self.operation != Operation::Insert {
            self.at = image(self.body, self.at, self.table, self.before, before)?;
        }
        if self.operation != Operation::Delete {
            self.at = image(self.body, self.at, self.table, self.after, after)?;
        }
        // Bytes that no column takes: there would be rows without end.
        if self.at == start { Err(DAMAGED) } else { Ok(()) }
    }
}

/// Offset of the column count: behind table id, flags and, in version 2, the extra data.
pub fn rows_start(body: &[u8], extra: bool) -> Result<usize, BinlogError> {
    if !extra {
        return if body.len() >= 8 { Ok(8) } else { Err(DAMAGED) };
    }
    let length = body.get(8..10).map(|bytes| usize::from(u16::from_le_bytes([bytes[0], bytes[1]])));
    length.map(|length| 8 + length).filter(|&at| at >= 10 && at <= body.len()).ok_or(DAMAGED)
}

/// A length-encoded number at `at`, which moves behind it.
pub fn lenenc(body: &[u8], at: &mut usize) -> Result<u64, BinlogError> {
    let first = *body.get(*at).ok_or(DAMAGED)?;
    *at += 1;
    let width = match first {
        0..=250 => return Ok(u64::from(first)),
        252 => 2,
        253 => 3,
        254 => 8,
        _ => return Err(DAMAGED),
    };
    let bytes = body.get(*at..*at + width).ok_or(DAMAGED)?;
    *at += width;
    Ok(little_endian(bytes))
}

/// An unsigned little-endian number of up to eight bytes.
pub fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

pub(super) fn bit(bits: &[u8], at: usize) -> bool {
    bits[at / 8] & (1 << (at % 8)) != 0
}

pub(super) fn bitmap<'a>(body: &'a [u8], at: &mut usize, columns: usize) -> Result<Present<'a>, BinlogError> {
    let bits = body.get(*at..*at + columns.div_ceil(8)).ok_or(DAMAGED)?;
    *at += bits.len();
    Ok(Present { bits, count: (0..columns).filter(|&column| bit(bits, column)).count() })
}

fn image(
    body: &[u8],
    start: usize,
    table: &Table,
    present: Present<'_>,
    fields: &mut Image,
) -> Result<usize, BinlogError> {
    let nulls = body.get(start..start + present.count.div_ceil(8)).ok_or(DAMAGED)?;
    let mut at = start + nulls.len();
    let mut index = 0;
    for (at_column, column) in table.columns.iter().enumerate() {
        if !bit(present.bits, at_column) {
            fields.push(Field::Absent);
            continue;
        }
        let null = bit(nulls, index);
        index += 1;
        if null {
            let hidden = matches!(column.kind, ColumnKind::Hidden(_));
            fields.push(if hidden { Field::Absent } else { Field::Null });
            continue;
        }
        let (skip, length) = length(&column.kind, body, at)?;
        let from = at + skip;
        let to = from.checked_add(length).filter(|&to| to <= body.len()).ok_or(DAMAGED)?;
        fields.push(match column.kind {
            ColumnKind::Hidden(_) => Field::Absent,
            _ => Field::Value(from as u32, to as u32),
        });
        at = to;
    }
    Ok(at)
}

/// Bytes of the length prefix and of the value at `at`.
pub(super) fn length(kind: &ColumnKind, body: &[u8], at: usize) -> Result<(usize, usize), BinlogError> {
    let fraction = |fsp: u8| usize::from(fsp.div_ceil(2));
    let prefixed = |bytes: u8| {
        let prefix = body.get(at..at + usize::from(bytes)).ok_or(DAMAGED)?;
        Ok((prefix.len(), little_endian(prefix) as usize))
    };
    Ok(match kind {
        ColumnKind::Integer { width, .. } => (0, usize::from(*width)),
        ColumnKind::Float => (0, 4),
        ColumnKind::Double => (0, 8),
        ColumnKind::Decimal { precision, scale } => (0, decimal_length(*precision, *scale)?),
        ColumnKind::Date => (0, 3),
        ColumnKind::Time { fsp } => (0, 3 + fraction(*fsp)),
        ColumnKind::DateTime { fsp } => (0, 5 + fraction(*fsp)),
        ColumnKind::Timestamp { fsp } => (0, 4 + fraction(*fsp)),
        ColumnKind::Year => (0, 1),
        ColumnKind::Bit { bits } => (0, usize::from(bits.div_ceil(8))),
        ColumnKind::Enum { width, .. } | ColumnKind::Set { width, .. } => (0, usize::from(*width)),
        ColumnKind::Text { length_bytes, .. }
        | ColumnKind::Binary { length_bytes }
        | ColumnKind::Json { length_bytes }
        | ColumnKind::JsonText { length_bytes, .. }
        | ColumnKind::Geometry { length_bytes }
        | ColumnKind::Compressed { length_bytes, .. }
        | ColumnKind::Native { length_bytes, .. } => return prefixed(*length_bytes),
        ColumnKind::OldTime { fsp } => (0, old_length([3, 4, 4, 5, 5, 5, 6], *fsp)?),
        ColumnKind::OldDateTime { fsp } => (0, old_length([8, 6, 6, 7, 7, 7, 8], *fsp)?),
        ColumnKind::OldTimestamp { fsp } => (0, old_length([4, 5, 5, 6, 6, 7, 7], *fsp)?),
        ColumnKind::Hidden(kind) => return length(kind, body, at),
    })
}

/// Bytes of a date or time in the old form, by its digits behind the point.
fn old_length(bytes: [usize; 7], fsp: u8) -> Result<usize, BinlogError> {
    bytes.get(usize::from(fsp)).copied().ok_or(BinlogError::Damaged("TABLE_MAP"))
}

/// Bytes of the leading or trailing digits of a DECIMAL that do not fill a group of nine.
pub const DECIMAL_BYTES: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];

/// Bytes of a DECIMAL(precision, scale).
pub fn decimal_length(precision: u8, scale: u8) -> Result<usize, BinlogError> {
    let whole = usize::from(precision.checked_sub(scale).ok_or(BinlogError::Damaged("TABLE_MAP"))?);
    let scale = usize::from(scale);
    Ok(whole / 9 * 4 + DECIMAL_BYTES[whole % 9] + scale / 9 * 4 + DECIMAL_BYTES[scale % 9])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::table::Column;

    fn table() -> Table {
        let integer = ColumnKind::Integer { width: 4, unsigned: false };
        let text = ColumnKind::Binary { length_bytes: 1 };
        let column = |name: &str, kind| Column { name: name.into(), kind };
        Table {
            database: "d".into(),
            name: "t".into(),
            columns: vec![column("a", integer), column("b", text)],
            primary_key: vec![0],
        }
    }

    const UPDATE: &[u8] = &[
        1, 0, 0, 0, 0, 0, 1, 0, 2, 0, // table id, flags, no extra data
        2, 3, 3, // two columns, both images full
        0, 5, 0, 0, 0, 2, b'h', b'i', // before
        2, 6, 0, 0, 0, // after: b is NULL
    ];

    #[test]
    fn an_update_has_two_images() {
        let table = table();
        let mut cursor = RowCursor::new(UPDATE, true, Operation::Update, &table).unwrap();
        let (mut before, mut after) = (Image::new(), Image::new());
        assert!(cursor.has_next());
        cursor.next(&mut before, &mut after).unwrap();
        assert_eq!(before, [Field::Value(14, 18), Field::Value(19, 21)]);
        assert_eq!(after, [Field::Value(22, 26), Field::Null]);
        assert!(!cursor.has_next());
    }

    #[test]
    fn bytes_of_no_column_are_an_error() {
        let table = table();
        let body = [1, 0, 0, 0, 0, 0, 1, 0, 2, 0, 2, 0, 7];
        let mut cursor = RowCursor::new(&body, true, Operation::Insert, &table).unwrap();
        assert!(cursor.has_next());
        assert!(cursor.next(&mut Image::new(), &mut Image::new()).is_err());
    }

    #[test]
    fn a_cut_event_is_an_error_not_a_panic() {
        let table = table();
        for cut in 0..UPDATE.len() {
            let (mut before, mut after) = (Image::new(), Image::new());
            let read = RowCursor::new(&UPDATE[..cut], true, Operation::Update, &table)
                .and_then(|mut cursor| cursor.next(&mut before, &mut after));
            assert!(read.is_err(), "cut at {cut}");
        }
    }
}
