//! A table as a TABLE_MAP event and, where that does not say, the catalog describe it.

use mysql_common::binlog::events::{OptionalMetaExtractor, OptionalMetadataField, TableMapEvent};
use mysql_common::collations::CollationId;
use mysql_common::constants::ColumnType;

use super::BinlogError;
use crate::schema::catalog::CatalogTable;
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
    /// Length is known, the value is not: a row of it stops the shard.
    Unsupported {
        length_bytes: u8,
        name: &'static str,
    },
}

/// Whether the TABLE_MAP alone describes the table (`binlog_row_metadata=FULL`).
pub fn is_self_describing(map: &TableMapEvent<'_>) -> bool {
    map.iter_optional_meta().any(|field| matches!(field, Ok(OptionalMetadataField::ColumnName(_))))
}

/// Builds a table from a TABLE_MAP with full metadata; `json_text` names MariaDB's JSON columns.
pub fn from_full(map: &TableMapEvent<'_>, json_text: &[String]) -> Result<Table, BinlogError> {
    let damaged = |_| BinlogError::Damaged("TABLE_MAP");
    let meta = OptionalMetaExtractor::new(map.iter_optional_meta()).map_err(damaged)?;
    let mut signs = meta.iter_signedness();
    let mut charsets = meta.iter_charset();
    let mut names = meta.iter_column_name();
    let (mut enums, mut sets) = value_lists(map)?;
    let mut columns = Vec::new();
    for at in 0..map.columns_count() as usize {
        let wire = Wire::of(map, at)?;
        let name = names.next().ok_or(BinlogError::Damaged("TABLE_MAP"))?.map_err(damaged)?;
        let unsigned = wire.is_numeric() && signs.next().unwrap_or(false);
        let charset = match wire.is_character() {
            true => Some(collation(charsets.next().transpose().map_err(damaged)?.unwrap_or(63))),
            false => None,
        };
        let values = match wire.kind {
            ColumnType::MYSQL_TYPE_ENUM => take_first(&mut enums),
            ColumnType::MYSQL_TYPE_SET => take_first(&mut sets),
            _ => Vec::new(),
        };
        let name = name.name().into_owned();
        let mut kind = wire.column(unsigned, charset, values)?;
        if let (ColumnKind::Text { length_bytes, charset }, true) = (&kind, json_text.contains(&name)) {
            kind = ColumnKind::JsonText { length_bytes: *length_bytes, charset: *charset };
        }
        columns.push(Column { name, kind });
    }
    let key: Result<Vec<usize>, _> =
        meta.iter_primary_key().map(|index| index.map(|index| index as usize)).collect();
    let primary_key = key.map_err(damaged)?;
    if primary_key.iter().any(|&index| index >= columns.len()) {
        return Err(BinlogError::Damaged("TABLE_MAP"));
    }
    let (database, name) = (map.database_name().into_owned(), map.table_name().into_owned());
    Ok(Table { database, name, columns, primary_key })
}

/// Builds a table from a TABLE_MAP and the catalog's description. `None` if the two contradict each other.
pub fn from_catalog(map: &TableMapEvent<'_>, catalog: &CatalogTable) -> Result<Option<Table>, BinlogError> {
    if catalog.columns.len() != map.columns_count() as usize {
        return Ok(None);
    }
    let mut columns = Vec::new();
    for (at, described) in catalog.columns.iter().enumerate() {
        let wire = Wire::of(map, at)?;
        if !wire.agrees_with(&described.data_type) {
            return Ok(None);
        }
        let charset = wire.is_character().then_some(described.charset);
        let mut kind = wire.column(described.unsigned, charset, described.values.clone())?;
        if let (ColumnKind::Text { length_bytes, charset }, true) = (&kind, described.json_text) {
            kind = ColumnKind::JsonText { length_bytes: *length_bytes, charset: *charset };
        }
        columns.push(Column { name: described.name.clone(), kind });
    }
    let (database, name) = (map.database_name().into_owned(), map.table_name().into_owned());
    Ok(Some(Table { database, name, columns, primary_key: catalog.primary_key.clone() }))
}

fn take_first(lists: &mut Vec<Vec<String>>) -> Vec<String> {
    if lists.is_empty() { Vec::new() } else { lists.remove(0) }
}

type ValueLists = Vec<Vec<String>>;

fn value_lists(map: &TableMapEvent<'_>) -> Result<(ValueLists, ValueLists), BinlogError> {
    let damaged = |_| BinlogError::Damaged("TABLE_MAP");
    let (mut enums, mut sets) = (Vec::new(), Vec::new());
    for field in map.iter_optional_meta() {
        match field.map_err(damaged)? {
            OptionalMetadataField::EnumStrValue(lists) => {
                for list in lists.iter_values() {
                    let list = list.map_err(damaged)?;
                    enums.push(list.values().iter().map(|value| value.value().into_owned()).collect());
                }
            }
            OptionalMetadataField::SetStrValue(lists) => {
                for list in lists.iter_values() {
                    let list = list.map_err(damaged)?;
                    sets.push(list.values().iter().map(|value| value.value().into_owned()).collect());
                }
            }
            _ => {}
        }
    }
    Ok((enums, sets))
}

fn collation(id: u16) -> Charset {
    Charset::of_collation(CollationId::from(id))
}

/// A column as the TABLE_MAP's type codes tell it.
struct Wire<'a> {
    kind: ColumnType,
    meta: &'a [u8],
    length: usize,
}

impl<'a> Wire<'a> {
    /// CHAR, ENUM and SET share a code; the first metadata byte tells them apart, and hides two bits of the length.
    fn of(map: &'a TableMapEvent<'_>, at: usize) -> Result<Self, BinlogError> {
        let kind = match map.get_raw_column_type(at) {
            Ok(Some(kind)) => kind,
            Ok(None) => return Err(BinlogError::Damaged("TABLE_MAP")),
            Err(error) => {
                return Err(BinlogError::Unsupported {
                    what: format!(
                        "column {} of {}.{} ({error})",
                        at + 1,
                        map.database_name(),
                        map.table_name()
                    ),
                    mend: "exclude the table with filter",
                });
            }
        };
        let meta = map.get_column_metadata(at).unwrap_or_default();
        let mut wire = Self { kind, meta, length: 0 };
        if kind == ColumnType::MYSQL_TYPE_STRING && meta.len() >= 2 {
            let (high, low) = (meta[0], usize::from(meta[1]));
            if high & 0x30 == 0x30 {
                wire.kind = ColumnType::try_from(high).unwrap_or(kind);
                wire.length = low;
            } else {
                wire.kind = ColumnType::try_from(high | 0x30).unwrap_or(kind);
                wire.length = low | (usize::from((high & 0x30) ^ 0x30) << 4);
            }
        }
        Ok(wire)
    }

    fn is_numeric(&self) -> bool {
        use ColumnType::*;
        matches!(
            self.kind,
            MYSQL_TYPE_TINY
                | MYSQL_TYPE_SHORT
                | MYSQL_TYPE_INT24
                | MYSQL_TYPE_LONG
                | MYSQL_TYPE_LONGLONG
                | MYSQL_TYPE_NEWDECIMAL
                | MYSQL_TYPE_FLOAT
                | MYSQL_TYPE_DOUBLE
        )
    }

    fn is_character(&self) -> bool {
        use ColumnType::*;
        matches!(
            self.kind,
            MYSQL_TYPE_STRING
                | MYSQL_TYPE_VAR_STRING
                | MYSQL_TYPE_VARCHAR
                | MYSQL_TYPE_BLOB
                | MYSQL_TYPE_TINY_BLOB
                | MYSQL_TYPE_MEDIUM_BLOB
                | MYSQL_TYPE_LONG_BLOB
        )
    }

    fn byte(&self, at: usize) -> u8 {
        self.meta.get(at).copied().unwrap_or(0)
    }

    fn length_bytes(&self) -> u8 {
        let length = match self.kind {
            ColumnType::MYSQL_TYPE_VARCHAR | ColumnType::MYSQL_TYPE_VAR_STRING => {
                usize::from(u16::from_le_bytes([self.byte(0), self.byte(1)]))
            }
            _ => self.length,
        };
        if length < 256 { 1 } else { 2 }
    }

    /// Whether `information_schema`'s `DATA_TYPE` can be this wire type.
    fn agrees_with(&self, data_type: &str) -> bool {
        use ColumnType::*;
        let wanted: &[&str] = match self.kind {
            MYSQL_TYPE_TINY => &["tinyint"],
            MYSQL_TYPE_SHORT => &["smallint"],
            MYSQL_TYPE_INT24 => &["mediumint"],
            MYSQL_TYPE_LONG => &["int"],
            MYSQL_TYPE_LONGLONG => &["bigint"],
            MYSQL_TYPE_NEWDECIMAL => &["decimal"],
            MYSQL_TYPE_FLOAT => &["float"],
            MYSQL_TYPE_DOUBLE => &["double"],
            MYSQL_TYPE_DATE | MYSQL_TYPE_NEWDATE => &["date"],
            MYSQL_TYPE_TIME | MYSQL_TYPE_TIME2 => &["time"],
            MYSQL_TYPE_DATETIME | MYSQL_TYPE_DATETIME2 => &["datetime"],
            MYSQL_TYPE_TIMESTAMP | MYSQL_TYPE_TIMESTAMP2 => &["timestamp"],
            MYSQL_TYPE_YEAR => &["year"],
            MYSQL_TYPE_BIT => &["bit"],
            MYSQL_TYPE_ENUM => &["enum"],
            MYSQL_TYPE_SET => &["set"],
            MYSQL_TYPE_JSON => &["json"],
            MYSQL_TYPE_STRING => &["char", "binary", "uuid", "inet6", "inet4"],
            MYSQL_TYPE_VARCHAR | MYSQL_TYPE_VAR_STRING => &["varchar", "varbinary"],
            MYSQL_TYPE_TINY_BLOB | MYSQL_TYPE_BLOB | MYSQL_TYPE_MEDIUM_BLOB | MYSQL_TYPE_LONG_BLOB => &[
                "tinytext",
                "text",
                "mediumtext",
                "longtext",
                "tinyblob",
                "blob",
                "mediumblob",
                "longblob",
                "json",
            ],
            _ => return true,
        };
        wanted.contains(&data_type)
    }

    fn column(
        &self,
        unsigned: bool,
        charset: Option<Charset>,
        values: Vec<String>,
    ) -> Result<ColumnKind, BinlogError> {
        use ColumnType::*;
        let integer = |width| ColumnKind::Integer { width, unsigned };
        let characters = |length_bytes| match charset {
            Some(Charset::Binary) | None => ColumnKind::Binary { length_bytes },
            Some(charset) => ColumnKind::Text { length_bytes, charset },
        };
        Ok(match self.kind {
            MYSQL_TYPE_TINY => integer(1),
            MYSQL_TYPE_SHORT => integer(2),
            MYSQL_TYPE_INT24 => integer(3),
            MYSQL_TYPE_LONG => integer(4),
            MYSQL_TYPE_LONGLONG => integer(8),
            MYSQL_TYPE_FLOAT => ColumnKind::Float,
            MYSQL_TYPE_DOUBLE => ColumnKind::Double,
            MYSQL_TYPE_NEWDECIMAL => ColumnKind::Decimal { precision: self.byte(0), scale: self.byte(1) },
            MYSQL_TYPE_DATE | MYSQL_TYPE_NEWDATE => ColumnKind::Date,
            MYSQL_TYPE_TIME2 => ColumnKind::Time { fsp: self.byte(0) },
            MYSQL_TYPE_DATETIME2 => ColumnKind::DateTime { fsp: self.byte(0) },
            MYSQL_TYPE_TIMESTAMP2 => ColumnKind::Timestamp { fsp: self.byte(0) },
            MYSQL_TYPE_YEAR => ColumnKind::Year,
            MYSQL_TYPE_BIT => ColumnKind::Bit { bits: u16::from(self.byte(1)) * 8 + u16::from(self.byte(0)) },
            MYSQL_TYPE_ENUM => ColumnKind::Enum { width: self.length as u8, values },
            MYSQL_TYPE_SET => ColumnKind::Set { width: self.length as u8, values },
            MYSQL_TYPE_STRING | MYSQL_TYPE_VARCHAR | MYSQL_TYPE_VAR_STRING => characters(self.length_bytes()),
            MYSQL_TYPE_TINY_BLOB | MYSQL_TYPE_BLOB | MYSQL_TYPE_MEDIUM_BLOB | MYSQL_TYPE_LONG_BLOB => {
                characters(self.byte(0))
            }
            MYSQL_TYPE_JSON => ColumnKind::Json { length_bytes: self.byte(0) },
            MYSQL_TYPE_GEOMETRY => ColumnKind::Unsupported { length_bytes: self.byte(0), name: "geometry" },
            MYSQL_TYPE_VECTOR => ColumnKind::Unsupported { length_bytes: self.byte(0), name: "vector" },
            other => {
                return Err(BinlogError::Unsupported {
                    what: format!("a column of type {other:?}"),
                    mend: "exclude the table with filter, or rebuild it with ALTER TABLE … FORCE",
                });
            }
        })
    }
}
