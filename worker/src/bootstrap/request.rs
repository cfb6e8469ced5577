//! Maxwell's table `bootstrap`: a row that is inserted there asks for a copy, one that is deleted takes that back.

use maxwell_protocol::bootstrap::BootstrapRequest;
use maxwell_protocol::settings::{Compatibility, Output};
use serde_json::Value;

use crate::binlog::event::Operation;
use crate::binlog::rows::{Field, Image};
use crate::binlog::table::Table;
use crate::encode::value::{ValueStyle, value};

/// Name of the table.
pub const TABLE: &str = "bootstrap";
/// Ids of its requests begin with this.
pub const IDS: &str = "table/";

/// What a change of that table asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Copy a table.
    Copy {
        /// The request's id.
        id: String,
        /// The request.
        request: BootstrapRequest,
    },
    /// Take that back.
    Abort {
        /// The request's id.
        id: String,
    },
}

/// A row of the table by column name.
struct Row<'a> {
    table: &'a Table,
    body: &'a [u8],
    image: &'a Image,
}

impl Row<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        let at = self.table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))?;
        let Field::Value(from, to) = *self.image.get(at)? else { return None };
        let bytes = self.body.get(from as usize..to as usize)?;
        let output = Output { compatibility: Compatibility::Corrected, ..Output::default() };
        let mut json = Vec::new();
        let name = || TABLE.to_owned();
        value(&mut json, &self.table.columns[at], bytes, ValueStyle::from(&output), &name).ok()?;
        serde_json::from_slice(&json).ok()
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn id(&self) -> Option<String> {
        Some(format!("{IDS}{}", self.get("id")?.as_u64()?))
    }

    fn is_complete(&self) -> bool {
        self.get("is_complete").and_then(|value| value.as_u64()).is_some_and(|complete| complete != 0)
    }

    fn request(&self) -> Option<BootstrapRequest> {
        Some(BootstrapRequest {
            database: self.text("database_name")?,
            table: self.text("table_name")?,
            condition: self.text("where_clause"),
            comment: self.text("comment"),
            not_before: self.text("started_at").and_then(|text| milliseconds(&text)).unwrap_or(0),
            copied_by: Vec::new(),
        })
    }
}

/// What a change of the table asks for; `None` if nothing, or if it is another client's.
pub fn asked(
    table: &Table,
    operation: Operation,
    body: &[u8],
    (before, after): (&Image, &Image),
    client_id: &str,
) -> Option<Asked> {
    let image = if operation == Operation::Delete { before } else { after };
    let row = Row { table, body, image };
    if row.text("client_id").is_some_and(|client| client != client_id) {
        return None;
    }
    match operation {
        Operation::Insert if !row.is_complete() => {
            Some(Asked::Copy { id: row.id()?, request: row.request()? })
        }
        Operation::Delete => Some(Asked::Abort { id: row.id()? }),
        Operation::Update if row.is_complete() => {
            // With a minimal image the id is only in the image before.
            let id = row.id().or_else(|| Row { table, body, image: before }.id())?;
            Some(Asked::Abort { id })
        }
        _ => None,
    }
}

/// `YYYY-MM-DD hh:mm:ss[.f]`, read as UTC, in milliseconds since the epoch.
fn milliseconds(text: &str) -> Option<i64> {
    let mut numbers = text.split(['-', ' ', ':', '.']).map(|number| number.parse::<i64>().ok());
    let mut next = || numbers.next().flatten();
    let (year, month, day) = (next()?, next()?, next()?);
    let (hour, minute, second) = (next()?, next()?, next()?);
    if year == 0 {
        return None;
    }
    Some((((super::row::days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::table::{Column, ColumnKind};
    use crate::schema::charset::Charset;

    fn table() -> Table {
        let text = ColumnKind::Text { length_bytes: 1, charset: Charset::Utf8 };
        let column = |name: &str, kind: &ColumnKind| Column { name: name.into(), kind: kind.clone() };
        let id = ColumnKind::Integer { width: 4, unsigned: false };
        let columns = [("id", &id), ("database_name", &text), ("table_name", &text), ("where_clause", &text)];
        let more = [("is_complete", &ColumnKind::Integer { width: 1, unsigned: true }), ("client_id", &text)];
        let columns = columns.iter().chain(&more).map(|(name, kind)| column(name, kind)).collect();
        Table { database: "maxwell".into(), name: TABLE.into(), columns, primary_key: vec![0] }
    }

    #[test]
    fn a_row_is_a_request_and_its_deletion_takes_it_back() {
        let body = b"\x07\0\0\0shopitem\0maxwell";
        let image = vec![
            Field::Value(0, 4),
            Field::Value(4, 8),
            Field::Value(8, 12),
            Field::Null,
            Field::Value(12, 13),
            Field::Value(13, 20),
        ];
        let none = Image::new();
        let request =
            BootstrapRequest { database: "shop".into(), table: "item".into(), ..Default::default() };
        let ask = |operation, images, client| asked(&table(), operation, body, images, client);
        let copy = Asked::Copy { id: "table/7".into(), request };
        assert_eq!(ask(Operation::Insert, (&none, &image), "maxwell"), Some(copy));
        assert_eq!(ask(Operation::Insert, (&none, &image), "other"), None);
        let abort = Asked::Abort { id: "table/7".into() };
        assert_eq!(ask(Operation::Delete, (&image, &none), "maxwell"), Some(abort));
        assert_eq!(ask(Operation::Update, (&image, &image), "maxwell"), None);
    }

    #[test]
    fn a_start_is_read_as_utc() {
        assert_eq!(milliseconds("2001-09-09 01:46:40"), Some(1_000_000_000_000));
        assert_eq!(milliseconds("0000-00-00 00:00:00"), None);
        assert_eq!(milliseconds("soon"), None);
    }
}
