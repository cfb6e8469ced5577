//! Rows of a chunk as records, ready for the sink but for those that the stream has overtaken.

use std::sync::Arc;

use mysql_common::value::Value;
use xxhash_rust::xxh3::Xxh3;

use super::BootstrapError;
use super::describe::CopyTable;
use super::row::{CopyStyle, Form};
use super::window::{Key, Touched};
use crate::binlog::event::Operation;
use crate::binlog::rows::{Field, Image};
use crate::encode::message::{Row, RowContext, TableEncoder};
use crate::encode::share::Shown;
use crate::encode::text;

/// The digest of a key's columns, in key order, of the image that is shown or, where that left one out, of the other;
/// `None` if neither has it.
pub fn key_of(key: &[usize], (shown, other): (&Image, &Image), body: &[u8]) -> Option<Key> {
    let mut digest = Xxh3::new();
    for &at in key {
        let field = shown.get(at).filter(|field| **field != Field::Absent).or_else(|| other.get(at));
        let Some(Field::Value(from, to)) = field else { return None };
        digest.update(&(to - from).to_le_bytes());
        digest.update(&body[*from as usize..*to as usize]);
    }
    Some(digest.digest128())
}

/// Where a record's parts are in its piece's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceRecord {
    /// The row's key.
    pub key: Key,
    /// Hash that decides the partition.
    pub partition_hash: i32,
    /// Start of the key.
    pub start: u32,
    /// End of the key.
    pub key_end: u32,
    /// End of the value.
    pub value_end: u32,
    /// End of the id.
    pub id_end: u32,
}

/// Some rows, one after the other.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Keys, values and ids.
    pub bytes: Vec<u8>,
    /// The records.
    pub records: Vec<PieceRecord>,
    /// Topic of all of them.
    pub topic: Arc<str>,
    /// Key of the last row as SQL literals.
    pub cursor: Vec<String>,
    /// Rows that were read for it.
    pub rows: u64,
}

impl Piece {
    /// Leaves out what the stream has shown.
    pub fn drop_touched(&mut self, touched: &Touched) {
        self.records.retain(|record| !touched.contains(record.key));
    }

    fn push(
        &mut self,
        encoder: &TableEncoder,
        (body, image): (&[u8], &Image),
        (id, key): (&str, Key),
        now: f64,
    ) -> Result<(), BootstrapError> {
        let start = self.bytes.len();
        let context = RowContext {
            timestamp: now as u32,
            push_timestamp: encoder.prints_push_timestamp().then_some(now),
            ..RowContext::default()
        };
        let none = Image::new();
        let row = Row { operation: Operation::Insert, body, before: &none, after: image };
        let written = encoder.row(&mut self.bytes, &row, &context)?;
        let value_end = self.bytes.len();
        self.bytes.extend_from_slice(id.as_bytes());
        self.bytes.push(b'/');
        text::integer(&mut self.bytes, key);
        self.records.push(PieceRecord {
            key,
            partition_hash: written.partition_hash,
            start: start as u32,
            key_end: written.key_end as u32,
            value_end: value_end as u32,
            id_end: self.bytes.len() as u32,
        });
        Ok(())
    }

    /// `bootstrap-start` or `bootstrap-complete`: a message without columns.
    pub fn mark(encoder: &TableEncoder, id: &str, now: f64) -> Result<Self, BootstrapError> {
        let mut piece = Self { topic: Arc::clone(encoder.topic(Operation::Insert)), ..Self::default() };
        let image = vec![Field::Absent; encoder.table.columns.len()];
        piece.push(encoder, (&[], &image), (id, 0), now)?;
        Ok(piece)
    }
}

/// Turns selected rows into pieces. Keeps its buffers.
pub struct Printer<'a> {
    copy: &'a CopyTable,
    encoder: &'a TableEncoder,
    style: CopyStyle,
    id: &'a str,
    body: Vec<u8>,
    image: Image,
    /// Rows so far: what they are told apart by without a key.
    rows: Key,
}

impl<'a> Printer<'a> {
    /// Prints rows of `copy` with `encoder` for the task of that id.
    pub fn new(copy: &'a CopyTable, encoder: &'a TableEncoder, style: CopyStyle, id: &'a str) -> Self {
        Self { copy, encoder, style, id, body: Vec::new(), image: Image::new(), rows: 0 }
    }

    /// An empty piece.
    pub fn piece(&self) -> Piece {
        Piece { topic: Arc::clone(self.encoder.topic(Operation::Insert)), ..Piece::default() }
    }

    /// Appends a row.
    pub fn print(&mut self, piece: &mut Piece, values: &[Value], now: f64) -> Result<(), BootstrapError> {
        self.body.clear();
        self.image.clear();
        for (at, (form, value)) in self.copy.forms.iter().zip(values).enumerate() {
            let start = self.body.len() as u32;
            let shown = form
                .append(&mut self.body, value, self.style)
                .ok_or_else(|| BootstrapError::Value { column: self.copy.table.columns[at].name.clone() })?;
            let field = Field::Value(start, self.body.len() as u32);
            self.image.push(if shown { field } else { Field::Null });
        }
        self.rows += 1;
        piece.rows += 1;
        if self.is_foreign()? {
            return Ok(());
        }
        let key = if self.copy.key.is_empty() { self.rows } else { self.key() };
        piece.push(self.encoder, (&self.body, &self.image), (self.id, key), now)
    }

    /// Whether the row at hand is another shard's.
    fn is_foreign(&self) -> Result<bool, BootstrapError> {
        let none = Image::new();
        let row = Row { operation: Operation::Insert, body: &self.body, before: &none, after: &self.image };
        Ok(self.encoder.shows(&row)? == Shown::Nothing)
    }

    fn key(&self) -> Key {
        let mut digest = Xxh3::new();
        for &at in &self.copy.key {
            let Field::Value(from, to) = self.image[at] else { continue };
            let bytes = self.form(at).of_key(&self.body[from as usize..to as usize]);
            digest.update(&(bytes.len() as u32).to_le_bytes());
            digest.update(bytes);
        }
        digest.digest128()
    }

    fn form(&self, at: usize) -> Form {
        self.copy.forms[at]
    }

    /// The cursor behind a row.
    pub fn cursor(&self, values: &[Value]) -> Result<Vec<String>, BootstrapError> {
        let literal = |&at: &usize| {
            let charset = self.copy.charsets[at].as_deref();
            values
                .get(at)
                .and_then(|value| self.form(at).literal(value, charset))
                .ok_or_else(|| BootstrapError::Value { column: self.copy.table.columns[at].name.clone() })
        };
        self.copy.key.iter().map(literal).collect()
    }
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::settings::Output;

    use super::*;
    use crate::binlog::table::{Column, ColumnKind, Table};
    use crate::bootstrap::window::Windows;
    use crate::encode::style::Style;

    fn copy() -> CopyTable {
        let column = |name: &str, kind| Column { name: name.into(), kind };
        let table = Table {
            database: "d".into(),
            name: "t".into(),
            columns: vec![
                column("id", ColumnKind::Integer { width: 4, unsigned: false }),
                column("b", ColumnKind::Binary { length_bytes: 1 }),
            ],
            primary_key: vec![0],
        };
        CopyTable {
            table,
            forms: vec![Form::Integer { width: 4 }, Form::Bytes { padded: false }],
            expressions: vec!["`id`".into(), "`b`".into()],
            index: "PRIMARY".into(),
            key: vec![0],
            key_names: vec!["id".into()],
            charsets: vec![None, None],
        }
    }

    #[test]
    fn a_row_prints_as_maxwell_does_and_the_stream_overtakes_it_by_key() {
        let copy = copy();
        let style = Style::new(&Output::default(), None).unwrap();
        let encoder = TableEncoder::copied(copy.table.clone(), &style, "bootstrap-insert", Some("why"));
        let mut printer = Printer::new(&copy, &encoder, CopyStyle::default(), "table/1");
        let mut piece = printer.piece();
        for id in [1, 2] {
            printer.print(&mut piece, &[Value::Int(id), Value::Bytes(b"hi".to_vec())], 7.5).unwrap();
        }
        let record = piece.records[0];
        let value = &piece.bytes[record.key_end as usize..record.value_end as usize];
        assert_eq!(
            String::from_utf8_lossy(value),
            r#"{"database":"d","table":"t","type":"bootstrap-insert","ts":7,"comment":"why","data":{"id":1,"b":"aGk="}}"#
        );
        // The stream's image of row 1.
        let body = [9, 1, 0, 0, 0];
        let image = vec![Field::Value(1, 5), Field::Absent];
        let key = key_of(&[0], (&image, &image), &body).unwrap();
        assert_eq!(key, record.key);
        let name = ("d".to_owned(), "t".to_owned());
        let mut windows = Windows::default();
        let window = windows.open(&name, &copy.key_names);
        windows.touch("d", "t", key, true);
        piece.drop_touched(&windows.close(&name, window).unwrap());
        assert_eq!(piece.records.len(), 1);
        assert_eq!(printer.cursor(&[Value::Int(2), Value::NULL]).unwrap(), ["2"]);
    }

    #[test]
    fn a_start_names_the_key_without_values() {
        let style = Style::new(&Output::default(), None).unwrap();
        let encoder = TableEncoder::copied(copy().table, &style, "bootstrap-start", None);
        let piece = Piece::mark(&encoder, "table/1", 7.0).unwrap();
        let record = piece.records[0];
        let text = String::from_utf8_lossy(&piece.bytes[..record.value_end as usize]).into_owned();
        let wanted = r#"{"database":"d","table":"t","pk.id":null}{"database":"d","table":"t","type":"bootstrap-start","ts":7,"data":{}}"#;
        assert_eq!(text, wanted);
    }
}
