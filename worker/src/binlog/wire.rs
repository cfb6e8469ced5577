//! What a TABLE_MAP says of every column: type code and metadata. Read here and not by mysql_common, which does not
//! know MariaDB's compressed types and finds no metadata behind one.

use mysql_common::binlog::events::TableMapEvent;
use mysql_common::constants::ColumnType;
use mysql_common::proto::MySerialize;

use super::BinlogError;
use super::rows::{lenenc, little_endian};

const DAMAGED: BinlogError = BinlogError::Damaged("TABLE_MAP");

const MARIADB_BLOB_COMPRESSED: u8 = 140;
const MARIADB_VARCHAR_COMPRESSED: u8 = 141;

/// A column as the TABLE_MAP's type codes tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// Type, with CHAR, ENUM and SET told apart.
    pub kind: ColumnType,
    /// MariaDB: the values are compressed.
    pub compressed: bool,
    meta: [u8; 2],
    /// Bytes of a CHAR, ENUM or SET.
    length: usize,
}

/// All columns of a TABLE_MAP.
pub fn columns(map: &TableMapEvent<'_>) -> Result<Vec<Wire>, BinlogError> {
    let mut body = Vec::new();
    map.serialize(&mut body);
    // Table id and flags, then two names, each with its length before it and a zero behind it.
    let mut at = 8;
    for _ in 0..2 {
        at += usize::from(*body.get(at).ok_or(DAMAGED)?) + 2;
    }
    let count = lenenc(&body, &mut at)? as usize;
    let codes = body.get(at..).and_then(|rest| rest.get(..count)).ok_or(DAMAGED)?;
    at += count;
    let length = lenenc(&body, &mut at)? as usize;
    let mut meta = body.get(at..).and_then(|rest| rest.get(..length)).ok_or(DAMAGED)?;
    codes.iter().enumerate().map(|(index, &code)| Wire::read(code, &mut meta, map, index)).collect()
}

impl Wire {
    fn read(code: u8, meta: &mut &[u8], map: &TableMapEvent<'_>, index: usize) -> Result<Self, BinlogError> {
        let compressed = matches!(code, MARIADB_BLOB_COMPRESSED | MARIADB_VARCHAR_COMPRESSED);
        let kind = match code {
            MARIADB_BLOB_COMPRESSED => ColumnType::MYSQL_TYPE_BLOB,
            MARIADB_VARCHAR_COMPRESSED => ColumnType::MYSQL_TYPE_VARCHAR,
            code => ColumnType::try_from(code).map_err(|_| BinlogError::Unsupported {
                what: format!(
                    "column {} of {}.{} (type code {code})",
                    index + 1,
                    map.database_name(),
                    map.table_name()
                ),
                mend: "exclude the table with filter",
            })?,
        };
        let (own, rest) = meta.split_at_checked(meta_length(kind)).ok_or(DAMAGED)?;
        *meta = rest;
        let mut wire = Self { kind, compressed, meta: [0; 2], length: 0 };
        wire.meta[..own.len()].copy_from_slice(own);
        if kind == ColumnType::MYSQL_TYPE_STRING {
            wire.tell_string_apart();
        }
        Ok(wire)
    }

    /// CHAR, ENUM and SET share a code; the first metadata byte tells them apart, and hides two bits of the length.
    fn tell_string_apart(&mut self) {
        let [high, low] = self.meta;
        if high & 0x30 == 0x30 {
            self.kind = ColumnType::try_from(high).unwrap_or(self.kind);
            self.length = usize::from(low);
        } else {
            self.kind = ColumnType::try_from(high | 0x30).unwrap_or(self.kind);
            self.length = usize::from(low) | (usize::from((high & 0x30) ^ 0x30) << 4);
        }
    }

    /// Whether the optional metadata have a sign for it. YEAR has one, too.
    pub fn is_numeric(&self) -> bool {
        self.kind.is_numeric_type()
    }

    /// Whether the optional metadata have a charset for it: MySQL's for vectors as well, MariaDB's for geometry.
    pub fn is_character(&self, mariadb: bool) -> bool {
        use ColumnType::*;
        match self.kind {
            MYSQL_TYPE_GEOMETRY => mariadb,
            MYSQL_TYPE_STRING | MYSQL_TYPE_VAR_STRING | MYSQL_TYPE_VARCHAR | MYSQL_TYPE_VECTOR => true,
            MYSQL_TYPE_TINY_BLOB | MYSQL_TYPE_BLOB | MYSQL_TYPE_MEDIUM_BLOB | MYSQL_TYPE_LONG_BLOB => true,
            _ => false,
        }
    }

    /// A metadata byte.
    pub fn byte(&self, at: usize) -> u8 {
        self.meta[at]
    }

    /// Bytes of an ENUM or SET.
    pub fn width(&self) -> u8 {
        self.length.min(8) as u8
    }

    /// Bytes of the length that stands before every value.
    pub fn length_bytes(&self) -> u8 {
        use ColumnType::*;
        let longest = match self.kind {
            MYSQL_TYPE_VARCHAR | MYSQL_TYPE_VAR_STRING => little_endian(&self.meta) as usize,
            MYSQL_TYPE_STRING => self.length,
            _ => return self.meta[0],
        };
        if longest < 256 { 1 } else { 2 }
    }

    /// A column that MariaDB adds by itself and no SELECT shows: both ends of a row's life in a table with system
    /// versioning, and a hash for every unique key over long values.
    pub fn may_be_hidden(&self) -> bool {
        self.kind == ColumnType::MYSQL_TYPE_LONGLONG
            || (self.kind == ColumnType::MYSQL_TYPE_TIMESTAMP2 && self.meta[0] == 6)
    }

    /// Whether `information_schema`'s `DATA_TYPE` can be this wire type.
    pub fn agrees_with(&self, data_type: &str) -> bool {
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
            MYSQL_TYPE_VECTOR => &["vector"],
            MYSQL_TYPE_GEOMETRY => &GEOMETRIES,
            MYSQL_TYPE_STRING => &["char", "binary", "uuid", "inet6", "inet4"],
            MYSQL_TYPE_VARCHAR | MYSQL_TYPE_VAR_STRING => &["varchar", "varbinary"],
            MYSQL_TYPE_TINY_BLOB | MYSQL_TYPE_BLOB | MYSQL_TYPE_MEDIUM_BLOB | MYSQL_TYPE_LONG_BLOB => &BLOBS,
            _ => return true,
        };
        wanted.contains(&data_type)
    }
}

const BLOBS: [&str; 9] =
    ["tinytext", "text", "mediumtext", "longtext", "tinyblob", "blob", "mediumblob", "longblob", "json"];

const GEOMETRIES: [&str; 9] = [
    "geometry",
    "point",
    "linestring",
    "polygon",
    "multipoint",
    "multilinestring",
    "multipolygon",
    "geometrycollection",
    "geomcollection",
];

/// Bytes of metadata.
fn meta_length(kind: ColumnType) -> usize {
    use ColumnType::*;
    match kind {
        MYSQL_TYPE_TINY_BLOB
        | MYSQL_TYPE_BLOB
        | MYSQL_TYPE_MEDIUM_BLOB
        | MYSQL_TYPE_LONG_BLOB
        | MYSQL_TYPE_DOUBLE
        | MYSQL_TYPE_FLOAT
        | MYSQL_TYPE_GEOMETRY
        | MYSQL_TYPE_TIME2
        | MYSQL_TYPE_DATETIME2
        | MYSQL_TYPE_TIMESTAMP2
        | MYSQL_TYPE_JSON
        | MYSQL_TYPE_VECTOR => 1,
        MYSQL_TYPE_VARCHAR
        | MYSQL_TYPE_NEWDECIMAL
        | MYSQL_TYPE_SET
        | MYSQL_TYPE_ENUM
        | MYSQL_TYPE_STRING
        | MYSQL_TYPE_BIT => 2,
        _ => 0,
    }
}
