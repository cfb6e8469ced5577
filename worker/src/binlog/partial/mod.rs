//! Partial updates (`binlog_row_value_options=PARTIAL_JSON`): the event as the full update that it stands for.
//!
//! The after image of such an event starts with its value options; if they say so, a bit for each JSON column of the
//! table tells whether the column holds changes to the before image's document instead of a document:
//! operation, path, value, one after the other.

mod document;
mod path;

use mysql_common::binlog::events::Event;

use self::document::Node;
use super::BinlogError;
use super::rebuild::with_body;
use super::rows::{Present, bit, bitmap, lenenc, length, little_endian, rows_start};
use super::table::{ColumnKind, Table};

const DAMAGED: BinlogError = BinlogError::Damaged("partial update");
/// The type of such an event.
pub const PARTIAL_UPDATE: u8 = 39;
const UPDATE: u8 = 31;
const PARTIAL_JSON: u64 = 1;

/// The full update that the partial one stands for.
pub fn full_update(event: &Event, table: &Table) -> Result<Event, BinlogError> {
    let body = event.data();
    let mut at = rows_start(body, true)?;
    let columns = lenenc(body, &mut at)?;
    if columns != table.columns.len() as u64 {
        return Err(BinlogError::Damaged("partial update (another number of columns than the table map)"));
    }
    let before = bitmap(body, &mut at, table.columns.len())?;
    let after = bitmap(body, &mut at, table.columns.len())?;
    let mut rows = Rows { body, table, at, out: body[..at].to_vec() };
    while rows.at < body.len() {
        let olds = rows.before(before)?;
        rows.after(after, &olds)?;
    }
    with_body(event, UPDATE, &rows.out)
}

struct Rows<'a> {
    body: &'a [u8],
    table: &'a Table,
    at: usize,
    out: Vec<u8>,
}

impl<'a> Rows<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], BinlogError> {
        let taken = self.at.checked_add(length).and_then(|end| self.body.get(self.at..end)).ok_or(DAMAGED)?;
        self.at += length;
        Ok(taken)
    }

    fn value(&mut self, column: usize) -> Result<(&'a [u8], &'a [u8]), BinlogError> {
        let (prefix, length) = length(&self.table.columns[column].kind, self.body, self.at)?;
        Ok((self.take(prefix)?, self.take(length)?))
    }

    /// Copies the before image; gives its values by column.
    fn before(&mut self, present: Present<'_>) -> Result<Vec<Option<&'a [u8]>>, BinlogError> {
        let start = self.at;
        let nulls = self.take(present.count.div_ceil(8))?;
        let mut olds = vec![None; self.table.columns.len()];
        let columns = (0..olds.len()).filter(|&column| bit(present.bits, column));
        for (index, column) in columns.enumerate() {
            if !bit(nulls, index) {
                olds[column] = Some(self.value(column)?.1);
            }
        }
        self.out.extend_from_slice(&self.body[start..self.at]);
        Ok(olds)
    }

    fn after(&mut self, present: Present<'_>, olds: &[Option<&'a [u8]>]) -> Result<(), BinlogError> {
        let mut partial = self.partial_columns()?;
        let nulls = self.take(present.count.div_ceil(8))?;
        self.out.extend_from_slice(nulls);
        let mut index = 0;
        for (column, old) in olds.iter().enumerate() {
            let json = matches!(self.table.columns[column].kind, ColumnKind::Json { .. });
            let changes = json && partial.next().unwrap_or(false);
            if !bit(present.bits, column) {
                continue;
            }
            let null = bit(nulls, index);
            index += 1;
            if null {
                continue;
            }
            let (prefix, value) = self.value(column)?;
            if changes {
                let old = old.ok_or_else(|| self.no_before(column))?;
                self.changed(column, prefix.len(), old, value)?;
            } else {
                self.out.extend_from_slice(prefix);
                self.out.extend_from_slice(value);
            }
        }
        Ok(())
    }

    /// A bit per JSON column of the table; none if the row has no partial value.
    fn partial_columns(&mut self) -> Result<impl Iterator<Item = bool> + use<'a>, BinlogError> {
        let options = lenenc(self.body, &mut self.at)?;
        if options & !PARTIAL_JSON != 0 {
            return Err(BinlogError::Unsupported {
                what: format!("an update of {} with the value options {options}", self.name()),
                mend: "SET GLOBAL binlog_row_value_options=''",
            });
        }
        let json = self.table.columns.iter().filter(|column| matches!(column.kind, ColumnKind::Json { .. }));
        let count = if options == PARTIAL_JSON { json.count() } else { 0 };
        let bits = self.take(count.div_ceil(8))?;
        Ok((0..count).map(move |at| bit(bits, at)))
    }

    /// Writes the document `old` with `changes` made.
    fn changed(
        &mut self,
        column: usize,
        width: usize,
        old: &[u8],
        changes: &[u8],
    ) -> Result<(), BinlogError> {
        let start = self.out.len();
        self.out.resize(start + width, 0);
        let written = apply(old, changes).and_then(|document| document.write(&mut self.out));
        written.ok_or_else(|| BinlogError::Unsupported {
            what: format!(
                "a partial update of column {} of {} that does not fit the document before it",
                self.table.columns[column].name,
                self.name()
            ),
            mend: "report it; until then exclude the table with filter, or SET GLOBAL binlog_row_value_options=''",
        })?;
        let length = (self.out.len() - start - width) as u64;
        let prefix = length.to_le_bytes();
        if width > prefix.len() || little_endian(&prefix[..width]) != length {
            return Err(DAMAGED);
        }
        self.out[start..start + width].copy_from_slice(&prefix[..width]);
        Ok(())
    }

    fn no_before(&self, column: usize) -> BinlogError {
        BinlogError::Unsupported {
            what: format!(
                "a partial update of column {} of {}, whose document before it is not in the binlog,",
                self.table.columns[column].name,
                self.name()
            ),
            mend: "use binlog_row_value_options=PARTIAL_JSON only together with binlog_row_image=FULL",
        }
    }

    fn name(&self) -> String {
        format!("{}.{}", self.table.database, self.table.name)
    }
}

fn apply<'a>(old: &'a [u8], changes: &'a [u8]) -> Option<Node<'a>> {
    let mut document = Node::parse(old)?;
    let mut at = 0;
    while at < changes.len() {
        let operation = changes[at];
        at += 1;
        let path = path::parse(string(changes, &mut at)?)?;
        match operation {
            0 => document.replace(&path, Node::parse(string(changes, &mut at)?)?)?,
            1 => document.insert(&path, Node::parse(string(changes, &mut at)?)?)?,
            2 => document.remove(&path)?,
            _ => return None,
        }
    }
    Some(document)
}

fn string<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let length = usize::try_from(lenenc(bytes, at).ok()?).ok()?;
    let found = bytes.get(*at..at.checked_add(length)?)?;
    *at += length;
    Some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::event::Operation;
    use super::super::rebuild::tests::event;
    use super::super::rows::{Field, Image, RowCursor};
    use super::super::table::Column;
    use super::*;

    fn table() -> Table {
        let column = |name: &str, kind| Column { name: name.into(), kind };
        let json = || ColumnKind::Json { length_bytes: 4 };
        Table {
            database: "d".into(),
            name: "t".into(),
            columns: vec![
                column("id", ColumnKind::Integer { width: 1, unsigned: false }),
                column("a", json()),
                column("b", json()),
            ],
            primary_key: vec![0],
        }
    }

    /// `[1]`
    const ARRAY: &[u8] = &[2, 1, 0, 7, 0, 5, 1, 0];

    fn body(changes: &[u8], before_bits: u8, old: &[u8]) -> Vec<u8> {
        let length = |bytes: &[u8]| (bytes.len() as u32).to_le_bytes();
        let head = [9, 0, 0, 0, 0, 0, 1, 0, 2, 0, 3, before_bits, 7];
        let (a, b) = ([&length(old)[..], old].concat(), [&length(&[4, 1])[..], &[4, 1]].concat());
        let before = if before_bits == 7 { [&[0, 5][..], &a, &b].concat() } else { vec![0, 5] };
        // Options, column a is partial, nothing is NULL.
        [&head[..], &before, &[1, 1, 0, 5], &length(changes), changes, &b].concat()
    }

    #[test]
    fn a_partial_update_becomes_a_full_one() {
        // Insert 2 behind the last element, replace the first with "x".
        let changes = [1, 3, b'[', b'1', b']', 3, 5, 2, 0, 0, 3, b'[', b'0', b']', 3, 12, 1, b'x'];
        let made = full_update(&event(39, &body(&changes, 7, ARRAY)), &table()).unwrap();
        assert_eq!(made.header().event_type_raw(), 31);
        let table = table();
        let mut cursor = RowCursor::new(made.data(), true, Operation::Update, &table).unwrap();
        let (mut before, mut after) = (Image::new(), Image::new());
        cursor.next(&mut before, &mut after).unwrap();
        assert!(!cursor.has_next());
        let value = |field: Field| match field {
            Field::Value(from, to) => &made.data()[from as usize..to as usize],
            _ => panic!("a value"),
        };
        assert_eq!(value(before[1]), ARRAY);
        let wanted = Node::Array(vec![Node::Scalar(12, &[1, b'x']), Node::Scalar(5, &[2, 0])]);
        assert_eq!(Node::parse(value(after[1])).unwrap(), wanted);
        assert_eq!(value(after[2]), [4, 1]);
    }

    #[test]
    fn what_cannot_be_applied_is_named() {
        let misses = [2, 3, b'[', b'7', b']'];
        let error = full_update(&event(39, &body(&misses, 7, ARRAY)), &table()).unwrap_err().to_string();
        assert!(error.contains("column a of d.t"), "{error}");
        let error = full_update(&event(39, &body(&misses, 1, ARRAY)), &table()).unwrap_err().to_string();
        assert!(error.contains("binlog_row_image=FULL"), "{error}");
        let whole = body(&[], 7, ARRAY);
        assert!(full_update(&event(39, &whole), &table()).is_ok());
        for cut in 0..whole.len() {
            // Behind the head a cut event holds no row at all.
            assert!(cut == 13 || full_update(&event(39, &whole[..cut]), &table()).is_err(), "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn any_event_is_read_or_refused(
            bytes in prop::collection::vec(prop_oneof![0u8..8, any::<u8>()], 0..120),
            at in 0usize..60,
        ) {
            let _ = full_update(&event(39, &bytes), &table());
            let mut whole = body(&[1, 3, b'[', b'1', b']', 3, 5, 2, 0], 7, ARRAY);
            let at = at.min(whole.len());
            whole.splice(at..at, bytes);
            let _ = full_update(&event(39, &whole), &table());
        }

        #[test]
        fn any_path_is_read_or_refused(text in "[$.a\\[\\]0-9\"\\\\* l-t-]{0,20}") {
            let _ = path::parse(text.as_bytes());
        }
    }
}
