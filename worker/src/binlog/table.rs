//! A table as a TABLE_MAP event and, where that does not say, the catalog describe it.

use std::collections::VecDeque;

use mysql_common::binlog::events::{OptionalMetaExtractor, OptionalMetadataField, TableMapEvent};
use mysql_common::collations::CollationId;
use mysql_common::constants::ColumnType;

use super::BinlogError;
use super::wire::{self, Wire};
use crate::schema::catalog::{CatalogColumn, CatalogTable};
use crate::schema::charset::Charset;

/// A table's columns in the order of the row image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Database.
    pub database: String,
    /// Name.
    pub name: String,
    /// Columns.
    pub columns: Vec<Column>,
    /// Indexes of the primary key's columns, in key order.
    pub primary_key: Vec<usize>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name in the case of its definition.
    pub name: String,
    /// How its bytes read.
    pub kind: ColumnKind,
}

/// How a column's bytes read. Widths are in bytes, `fsp` in digits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are MySQL's types")]
pub enum ColumnKind {
    Integer {
        width: u8,
        unsigned: bool,
    },
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Date,
    Time {
        fsp: u8,
    },
    DateTime {
        fsp: u8,
    },
    Timestamp {
        fsp: u8,
    },
    Year,
    Bit {
        bits: u16,
    },
    Enum {
        width: u8,
        values: Vec<String>,
    },
    Set {
        width: u8,
        values: Vec<String>,
    },
    Text {
        length_bytes: u8,
        charset: Charset,
    },
    Binary {
        length_bytes: u8,
    },
    Json {
        length_bytes: u8,
    },
    /// MariaDB: text that is JSON already.
    JsonText {
        length_bytes: u8,
        charset: Charset,
    },
    /// A SRID, then WKB.
    Geometry {
        length_bytes: u8,
    },
    /// MariaDB: `COMPRESSED`; bytes if the charset is binary. `json` as in [`ColumnKind::JsonText`].
    Compressed {
        length_bytes: u8,
        charset: Charset,
        json: bool,
    },
    /// MariaDB: bytes of a fixed number that print as text.
    Native {
        length_bytes: u8,
        form: NativeForm,
    },
    /// The form before MySQL 5.6, which MariaDB still writes with `mysql56_temporal_format=OFF`; with digits behind
    /// the point it is MariaDB's own.
    OldTime {
        fsp: u8,
    },
    OldDateTime {
        fsp: u8,
    },
    OldTimestamp {
        fsp: u8,
    },
    /// A column that no SELECT shows: passed over.
    Hidden(Box<ColumnKind>),
}

/// What the bytes of a [`ColumnKind::Native`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are MariaDB's types")]
pub enum NativeForm {
    Uuid,
    Inet4,
    Inet6,
}

/// Whether the TABLE_MAP alone describes the table (`binlog_row_metadata=FULL`). It does not where a YEAR may have a
/// sign or none (`year_has_sign` is false): 8.0.15 writes none, 8.0.29 does, and nothing in the event tells which.
pub fn is_self_describing(map: &TableMapEvent<'_>, year_has_sign: bool) -> bool {
    let ambiguous = || {
        let year = ColumnType::MYSQL_TYPE_YEAR;
        wire::columns(map).is_ok_and(|wires| wires.iter().any(|wire| wire.kind == year))
    };
    map.iter_optional_meta().any(|field| matches!(field, Ok(OptionalMetadataField::ColumnName(_))))
        && (year_has_sign || !ambiguous())
}

/// What of MariaDB's columns the type codes and metadata do not tell.
#[derive(Default)]
struct Beyond {
    form: Option<NativeForm>,
    json: bool,
    fsp: Option<u8>,
}

impl Beyond {
    fn of(column: &CatalogColumn) -> Self {
        let form = match column.data_type.as_str() {
            "uuid" => Some(NativeForm::Uuid),
            "inet4" => Some(NativeForm::Inet4),
            "inet6" => Some(NativeForm::Inet6),
            _ => None,
        };
        Self { form, json: column.json_text, fsp: Some(column.fsp) }
    }
}

/// Builds a table from a TABLE_MAP with full metadata. MariaDB's do not tell everything: the rest is looked up by name
/// in `catalog`.
pub fn from_full(
    map: &TableMapEvent<'_>,
    mariadb: bool,
    catalog: Option<&CatalogTable>,
) -> Result<Table, BinlogError> {
    let damaged = |_| BinlogError::Damaged("TABLE_MAP");
    let meta = OptionalMetaExtractor::new(map.iter_optional_meta()).map_err(damaged)?;
    let mut signs = meta.iter_signedness();
    let mut charsets = meta.iter_charset();
    let mut names = meta.iter_column_name();
    let mut values = value_lists(map, &meta)?;
    let mut columns = Vec::new();
    for wire in wire::columns(map)? {
        let name = names.next().ok_or(BinlogError::Damaged("TABLE_MAP"))?.map_err(damaged)?;
        let name = name.name().into_owned();
        let unsigned = wire.is_numeric() && signs.next().unwrap_or(false);
        let charset = match wire.is_character(mariadb) {
            true => Some(collation(charsets.next().transpose().map_err(damaged)?.unwrap_or(BINARY))),
            false => None,
        };
        let values = match wire.kind {
            ColumnType::MYSQL_TYPE_ENUM | ColumnType::MYSQL_TYPE_SET => values.next().unwrap_or_default(),
            _ => Vec::new(),
        };
        let described = catalog.and_then(|table| table.columns.iter().find(|column| column.name == name));
        let unknown = Beyond { fsp: (!mariadb).then_some(0), ..Beyond::default() };
        let beyond = described.map_or(unknown, Beyond::of);
        let mut kind =
            kind(&wire, unsigned, charset, values, &beyond).map_err(|what| named(map, &name, what))?;
        if mariadb && described.is_none() && is_hidden(&name, &wire, catalog.is_some()) {
            kind = ColumnKind::Hidden(Box::new(kind));
        }
        columns.push(Column { name, kind });
    }
    let primary_key = primary_key(&meta, &columns)?;
    let (database, name) = (map.database_name().into_owned(), map.table_name().into_owned());
    Ok(Table { database, name, columns, primary_key })
}

/// The key as full metadata have it. In MariaDB the end of a row's life is part of the key of a table with system
/// versioning; nobody sees it, and it is left out.
fn primary_key(meta: &OptionalMetaExtractor<'_>, columns: &[Column]) -> Result<Vec<usize>, BinlogError> {
    let damaged = || BinlogError::Damaged("TABLE_MAP");
    let mut key = Vec::new();
    for index in meta.iter_primary_key() {
        let index = index.map_err(|_| damaged())? as usize;
        if !matches!(columns.get(index).ok_or_else(damaged)?.kind, ColumnKind::Hidden(_)) {
            key.push(index);
        }
    }
    Ok(key)
}

/// Whether a column that the catalog does not know is one that MariaDB added by itself.
fn is_hidden(name: &str, wire: &Wire, catalogued: bool) -> bool {
    wire.may_be_hidden()
        && (name.starts_with("DB_ROW_HASH_") || (catalogued && matches!(name, "row_start" | "row_end")))
}

/// Builds a table from a TABLE_MAP and the catalog's description. `None` if the two contradict each other.
pub fn from_catalog(map: &TableMapEvent<'_>, catalog: &CatalogTable) -> Result<Option<Table>, BinlogError> {
    let wires = wire::columns(map)?;
    let Some((shown, hidden)) = wires.split_at_checked(catalog.columns.len()) else { return Ok(None) };
    if hidden.len() != usize::from(catalog.hidden) {
        return Ok(None);
    }
    let mut columns = Vec::new();
    for (wire, described) in shown.iter().zip(&catalog.columns) {
        if !wire.agrees_with(&described.data_type) {
            return Ok(None);
        }
        let charset = wire.is_character(false).then_some(described.charset);
        let kind = kind(wire, described.unsigned, charset, described.values.clone(), &Beyond::of(described))
            .map_err(|what| named(map, &described.name, what))?;
        columns.push(Column { name: described.name.clone(), kind });
    }
    for wire in hidden {
        let kind = kind(wire, true, None, Vec::new(), &Beyond::default())
            .map_err(|what| named(map, "(hidden)", what))?;
        columns.push(Column { name: String::new(), kind: ColumnKind::Hidden(Box::new(kind)) });
    }
    let (database, name) = (map.database_name().into_owned(), map.table_name().into_owned());
    Ok(Some(Table { database, name, columns, primary_key: catalog.primary_key.clone() }))
}

fn named(map: &TableMapEvent<'_>, column: &str, what: String) -> BinlogError {
    let (database, table) = (map.database_name(), map.table_name());
    BinlogError::Unsupported {
        what: format!("column '{column}' of {database}.{table} ({what})"),
        mend: "exclude the table with filter, or rebuild it with ALTER TABLE … FORCE",
    }
}

const BINARY: u16 = 63;

fn collation(id: u16) -> Charset {
    Charset::of_collation(CollationId::from(id))
}

/// The values of one ENUM or SET as they are stored.
type RawValues = Vec<Vec<u8>>;

/// The definitions of all ENUMs and SETs in the order of the columns, each in its column's charset.
fn value_lists(
    map: &TableMapEvent<'_>,
    meta: &OptionalMetaExtractor<'_>,
) -> Result<std::vec::IntoIter<Vec<String>>, BinlogError> {
    let damaged = |_| BinlogError::Damaged("TABLE_MAP");
    let (mut enums, mut sets) = (VecDeque::<RawValues>::new(), VecDeque::<RawValues>::new());
    for field in map.iter_optional_meta() {
        match field.map_err(damaged)? {
            OptionalMetadataField::EnumStrValue(lists) => {
                for list in lists.iter_values() {
                    let list = list.map_err(damaged)?;
                    enums.push_back(list.values().iter().map(|value| value.value_raw().to_vec()).collect());
                }
            }
            OptionalMetadataField::SetStrValue(lists) => {
                for list in lists.iter_values() {
                    let list = list.map_err(damaged)?;
                    sets.push_back(list.values().iter().map(|value| value.value_raw().to_vec()).collect());
                }
            }
            _ => {}
        }
    }
    let mut charsets = meta.iter_enum_and_set_charset();
    let mut all = Vec::new();
    for wire in wire::columns(map)? {
        let list = match wire.kind {
            ColumnType::MYSQL_TYPE_ENUM => enums.pop_front(),
            ColumnType::MYSQL_TYPE_SET => sets.pop_front(),
            _ => continue,
        };
        let charset = charsets.next().transpose().map_err(damaged)?.map_or(Charset::Utf8, collation);
        all.push(list.unwrap_or_default().iter().map(|value| definition(charset, value)).collect());
    }
    Ok(all.into_iter())
}

/// A value of a definition; in a binary or unknown charset it is taken to be UTF-8.
fn definition(charset: Charset, value: &[u8]) -> String {
    charset.decode(value).unwrap_or_else(|| String::from_utf8_lossy(value)).into_owned()
}

/// How a column's bytes read; what is wrong if they cannot be.
fn kind(
    wire: &Wire,
    unsigned: bool,
    charset: Option<Charset>,
    values: Vec<String>,
    beyond: &Beyond,
) -> Result<ColumnKind, String> {
    use ColumnType::*;
    let integer = |width| ColumnKind::Integer { width, unsigned };
    let fsp = || match wire.byte(0) {
        digits @ 0..=6 => Ok(digits),
        digits => Err(format!("a fraction of {digits} digits")),
    };
    // Without the catalog there is no telling how long such a value is.
    let old_fsp = || beyond.fsp.ok_or("a date or time in MariaDB's old format");
    Ok(match wire.kind {
        MYSQL_TYPE_TINY => integer(1),
        MYSQL_TYPE_SHORT => integer(2),
        MYSQL_TYPE_INT24 => integer(3),
        MYSQL_TYPE_LONG => integer(4),
        MYSQL_TYPE_LONGLONG => integer(8),
        MYSQL_TYPE_FLOAT => ColumnKind::Float,
        MYSQL_TYPE_DOUBLE => ColumnKind::Double,
        MYSQL_TYPE_NEWDECIMAL => ColumnKind::Decimal { precision: wire.byte(0), scale: wire.byte(1) },
        MYSQL_TYPE_DATE | MYSQL_TYPE_NEWDATE => ColumnKind::Date,
        MYSQL_TYPE_TIME => ColumnKind::OldTime { fsp: old_fsp()? },
        MYSQL_TYPE_DATETIME => ColumnKind::OldDateTime { fsp: old_fsp()? },
        MYSQL_TYPE_TIMESTAMP => ColumnKind::OldTimestamp { fsp: old_fsp()? },
        MYSQL_TYPE_TIME2 => ColumnKind::Time { fsp: fsp()? },
        MYSQL_TYPE_DATETIME2 => ColumnKind::DateTime { fsp: fsp()? },
        MYSQL_TYPE_TIMESTAMP2 => ColumnKind::Timestamp { fsp: fsp()? },
        MYSQL_TYPE_YEAR => ColumnKind::Year,
        MYSQL_TYPE_BIT => ColumnKind::Bit { bits: u16::from(wire.byte(1)) * 8 + u16::from(wire.byte(0)) },
        MYSQL_TYPE_ENUM => ColumnKind::Enum { width: wire.width(), values },
        MYSQL_TYPE_SET => ColumnKind::Set { width: wire.width(), values },
        MYSQL_TYPE_STRING
        | MYSQL_TYPE_VARCHAR
        | MYSQL_TYPE_VAR_STRING
        | MYSQL_TYPE_TINY_BLOB
        | MYSQL_TYPE_BLOB
        | MYSQL_TYPE_MEDIUM_BLOB
        | MYSQL_TYPE_LONG_BLOB => characters(wire, charset.unwrap_or(Charset::Binary), beyond),
        MYSQL_TYPE_JSON => ColumnKind::Json { length_bytes: wire.length_bytes() },
        MYSQL_TYPE_GEOMETRY => ColumnKind::Geometry { length_bytes: wire.length_bytes() },
        // The original knows no vectors. Their floats are printed as the server hands them out: bytes.
        MYSQL_TYPE_VECTOR => ColumnKind::Binary { length_bytes: wire.length_bytes() },
        other => return Err(format!("type {other:?}")),
    })
}

fn characters(wire: &Wire, charset: Charset, beyond: &Beyond) -> ColumnKind {
    let length_bytes = wire.length_bytes();
    match (beyond.form, charset) {
        (Some(form), _) => ColumnKind::Native { length_bytes, form },
        _ if wire.compressed => ColumnKind::Compressed { length_bytes, charset, json: beyond.json },
        (None, Charset::Binary) => ColumnKind::Binary { length_bytes },
        (None, charset) if beyond.json => ColumnKind::JsonText { length_bytes, charset },
        (None, charset) => ColumnKind::Text { length_bytes, charset },
    }
}
