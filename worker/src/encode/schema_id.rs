//! The number that stands for a table's definition. It must not change from one release to the next: the words below
//! are its format, and no other.

use std::fmt::Write;

use xxhash_rust::xxh3::xxh3_64;

use crate::binlog::table::{ColumnKind, NativeForm, Table};
use crate::schema::charset::Charset;

/// The table's number, below 2^53 so that JavaScript reads it right too.
pub(super) fn schema_id(table: &Table) -> u64 {
    let mut words = format!("{}\0{}", table.database, table.name);
    for column in &table.columns {
        write!(words, "\0{}\0{}", column.name, kind(&column.kind)).expect("a String takes every character");
    }
    for at in &table.primary_key {
        write!(words, "\0key {at}").expect("a String takes every character");
    }
    number(words.as_bytes())
}

/// The number of a definition that is written already.
pub(super) fn number(words: &[u8]) -> u64 {
    xxh3_64(words) >> 11
}

fn kind(kind: &ColumnKind) -> String {
    match kind {
        ColumnKind::Integer { width, unsigned: false } => format!("integer {width}"),
        ColumnKind::Integer { width, unsigned: true } => format!("integer {width} unsigned"),
        ColumnKind::Float => "float".into(),
        ColumnKind::Double => "double".into(),
        ColumnKind::Decimal { precision, scale } => format!("decimal {precision} {scale}"),
        ColumnKind::Date => "date".into(),
        // The older forms of a value say nothing about the definition.
        ColumnKind::Time { fsp } | ColumnKind::OldTime { fsp } => format!("time {fsp}"),
        ColumnKind::DateTime { fsp } | ColumnKind::OldDateTime { fsp } => format!("datetime {fsp}"),
        ColumnKind::Timestamp { fsp } | ColumnKind::OldTimestamp { fsp } => format!("timestamp {fsp}"),
        ColumnKind::Year => "year".into(),
        ColumnKind::Bit { bits } => format!("bit {bits}"),
        ColumnKind::Enum { values, .. } => format!("enum {}", values.join("\x01")),
        ColumnKind::Set { values, .. } => format!("set {}", values.join("\x01")),
        ColumnKind::Text { length_bytes, charset } => format!("text {length_bytes} {}", name(*charset)),
        ColumnKind::Binary { length_bytes } => format!("binary {length_bytes}"),
        ColumnKind::Json { .. } | ColumnKind::JsonText { .. } => "json".into(),
        ColumnKind::Geometry { .. } => "geometry".into(),
        ColumnKind::Compressed { charset, json, .. } => format!("compressed {} {json}", name(*charset)),
        ColumnKind::Native { form: NativeForm::Uuid, .. } => "uuid".into(),
        ColumnKind::Native { form: NativeForm::Inet4, .. } => "inet4".into(),
        ColumnKind::Native { form: NativeForm::Inet6, .. } => "inet6".into(),
        ColumnKind::Hidden(_) => "hidden".into(),
    }
}

/// As far as this tells charsets apart.
fn name(charset: Charset) -> &'static str {
    match charset {
        Charset::Utf8 => "utf8",
        Charset::Binary => "binary",
        Charset::Encoded(encoding) => encoding.name(),
        Charset::Deviating(_) => "deviating",
        Charset::Table(_) => "single byte",
        Charset::Utf32 => "utf32",
        Charset::Unsupported => "unsupported",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::table::Column;

    fn table(columns: Vec<(&str, ColumnKind)>) -> Table {
        let columns = columns.into_iter().map(|(name, kind)| Column { name: name.into(), kind }).collect();
        Table { database: "shop".into(), name: "item".into(), columns, primary_key: vec![0] }
    }

    #[test]
    fn numbers_stay_what_they_are() {
        let text = ColumnKind::Text { length_bytes: 1, charset: Charset::named("latin1") };
        let values = vec!["a".into(), "b".into()];
        let columns = vec![
            ("id", ColumnKind::Integer { width: 4, unsigned: true }),
            ("name", text),
            ("state", ColumnKind::Enum { width: 1, values }),
        ];
        assert_eq!(schema_id(&table(columns)), 3_415_035_082_782_592);
    }

    #[test]
    fn another_definition_has_another_number() {
        let one = schema_id(&table(vec![("id", ColumnKind::Float)]));
        assert_ne!(one, schema_id(&table(vec![("id", ColumnKind::Double)])));
        assert_ne!(one, schema_id(&table(vec![("ID", ColumnKind::Float)])));
        assert_ne!(one, schema_id(&Table { primary_key: vec![], ..table(vec![("id", ColumnKind::Float)]) }));
    }
}
