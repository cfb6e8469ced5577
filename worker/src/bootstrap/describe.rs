//! A table that is to be copied: its columns as the stream would describe them, and how each is read.
//!
//! The columns go through a TABLE_MAP made here, so that whatever prints the stream's rows prints these.

use mysql_common::binlog::BinlogCtx;
use mysql_common::binlog::consts::{BinlogVersion, EventType};
use mysql_common::binlog::events::{FormatDescriptionEvent, TableMapEvent};
use mysql_common::io::ParseBuf;

use super::BootstrapError;
use super::plan::quoted;
use super::row::Form;
use crate::binlog::BinlogError;
use crate::binlog::table::{Table, from_catalog};
use crate::schema::catalog::CatalogTable;
use crate::schema::charset::Charset;

/// What `information_schema` says beyond the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawColumn {
    /// Name.
    pub name: String,
    /// `DATA_TYPE`, lower case.
    pub data_type: String,
    /// `COLUMN_TYPE`.
    pub column_type: String,
    /// `CHARACTER_SET_NAME`.
    pub charset: Option<String>,
}

/// A column of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexColumn {
    /// The index.
    pub index: String,
    /// The column; an expression has none.
    pub column: Option<String>,
    /// Whether it tells rows apart: unique, over whole values, never NULL, and one that statements may name.
    pub telling: bool,
}

/// A table ready to be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyTable {
    /// As the stream would describe it.
    pub table: Table,
    /// How each column's values become the binlog's bytes.
    pub forms: Vec<Form>,
    /// What is selected, one expression a column.
    pub expressions: Vec<String>,
    /// The index whose columns tell rows apart.
    pub index: String,
    /// Those columns, in the index's order; empty if there are none.
    pub key: Vec<usize>,
    /// Their names.
    pub key_names: Vec<String>,
    /// The columns' charsets, for literals.
    pub charsets: Vec<Option<String>>,
}

/// Describes a table. JSON columns of MySQL are read as text, which `row` brings into the stream's form.
pub fn describe(
    database: &str,
    name: &str,
    mut catalog: CatalogTable,
    raw: &[RawColumn],
    indexes: &[IndexColumn],
) -> Result<CopyTable, BootstrapError> {
    let full_name = format!("{}.{}", quoted(database), quoted(name));
    let (mut types, mut meta, mut forms) = (Vec::new(), Vec::new(), Vec::new());
    for (column, described) in raw.iter().zip(&mut catalog.columns) {
        let (form, code, bytes) =
            wire(column, described.values.len()).ok_or_else(|| BootstrapError::Type {
                table: full_name.clone(),
                column: column.name.clone(),
                what: column.column_type.clone(),
            })?;
        types.push(code);
        meta.extend_from_slice(&bytes);
        if form == Form::Json {
            described.json_text = true;
            described.charset = Charset::Utf8;
        }
        forms.push(form);
    }
    let table = through_table_map((database, name), &types, &meta, &catalog)?;
    let (index, key) = match table.primary_key.as_slice() {
        [] => unique(indexes, raw).unwrap_or_default(),
        key => ("PRIMARY".to_owned(), key.to_vec()),
    };
    let key_names = key.iter().map(|&at| raw[at].name.clone()).collect();
    let expressions = raw.iter().zip(&forms).map(|(column, form)| form.expression(&quoted(&column.name)));
    let expressions = expressions.collect();
    let charsets = raw.iter().map(|column| column.charset.clone()).collect();
    Ok(CopyTable { table, forms, expressions, index, key, key_names, charsets })
}

/// The first index that tells rows apart, and its columns. It is the one that the server takes for a primary key, so
/// that its columns are in every row image.
fn unique(indexes: &[IndexColumn], columns: &[RawColumn]) -> Option<(String, Vec<usize>)> {
    let at = |part: &IndexColumn| {
        let name = part.column.as_ref().filter(|_| part.telling)?;
        columns.iter().position(|column| column.name == *name)
    };
    let parts = indexes.chunk_by(|one, other| one.index == other.index);
    parts
        .filter_map(|parts| Some((parts[0].index.clone(), parts.iter().map(at).collect::<Option<_>>()?)))
        .next()
}

fn through_table_map(
    (database, name): (&str, &str),
    types: &[u8],
    meta: &[u8],
    catalog: &CatalogTable,
) -> Result<Table, BootstrapError> {
    let mut body = vec![0; 8];
    for text in [database, name] {
        body.push(u8::try_from(text.len()).map_err(|_| BinlogError::Damaged("TABLE_MAP"))?);
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    length(&mut body, types.len());
    body.extend_from_slice(types);
    length(&mut body, meta.len());
    body.extend_from_slice(meta);
    body.resize(body.len() + types.len().div_ceil(8), 0);
    let format = FormatDescriptionEvent::new(BinlogVersion::Version4);
    let context = BinlogCtx::new(body.len(), &format, EventType::TABLE_MAP_EVENT as u8);
    let map: TableMapEvent<'_> =
        ParseBuf(&body).parse(context).map_err(|_| BinlogError::Damaged("TABLE_MAP"))?;
    let table = from_catalog(&map, catalog)?;
    Ok(table.ok_or(BinlogError::Damaged("TABLE_MAP (it contradicts information_schema)"))?)
}

/// A length as the protocol writes it; tables have at most 4096 columns.
fn length(out: &mut Vec<u8>, length: usize) {
    if length < 251 {
        out.push(length as u8);
    } else {
        out.push(252);
        out.extend_from_slice(&(length as u16).to_le_bytes());
    }
}

/// Numbers in the parentheses of a `COLUMN_TYPE`.
fn numbers(column_type: &str) -> [u8; 2] {
    let inside =
        column_type.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(i, _)| i);
    let mut numbers = inside.split(',').map(|number| number.trim().parse().unwrap_or(0));
    [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)]
}

/// How a column is read, its type code in a TABLE_MAP and its metadata there.
fn wire(column: &RawColumn, values: usize) -> Option<(Form, u8, Vec<u8>)> {
    let [first, second] = numbers(&column.column_type);
    let integer = |width: u8, code: u8| (Form::Integer { width }, code, Vec::new());
    let bytes = |code: u8, meta: &[u8]| (Form::Bytes { padded: false }, code, meta.to_vec());
    Some(match column.data_type.as_str() {
        "tinyint" => integer(1, 1),
        "smallint" => integer(2, 2),
        "mediumint" => integer(3, 9),
        "int" => integer(4, 3),
        "bigint" => integer(8, 8),
        "float" => (Form::Float, 4, vec![4]),
        "double" => (Form::Double, 5, vec![8]),
        "decimal" => (Form::Decimal { precision: first, scale: second }, 246, vec![first, second]),
        "date" => (Form::Date, 10, Vec::new()),
        "time" => (Form::Time { fsp: first }, 19, vec![first]),
        "datetime" => (Form::DateTime { fsp: first }, 18, vec![first]),
        "timestamp" => (Form::Timestamp { fsp: first }, 17, vec![first]),
        "year" => (Form::Year, 13, Vec::new()),
        "bit" => (Form::Bytes { padded: false }, 16, vec![first % 8, first / 8]),
        "enum" => {
            let width = if values < 256 { 1 } else { 2 };
            (Form::Index { width }, 254, vec![247, width])
        }
        "set" => {
            let width = match values.div_ceil(8) {
                width @ 0..=4 => width.max(1) as u8,
                _ => 8,
            };
            (Form::Index { width }, 254, vec![248, width])
        }
        "char" => bytes(254, &[254, 255]),
        "binary" => (Form::Bytes { padded: true }, 254, vec![254, 255]),
        "inet4" => (Form::Address { width: 4 }, 254, vec![254, 4]),
        "inet6" | "uuid" => (Form::Address { width: 16 }, 254, vec![254, 16]),
        "varchar" | "varbinary" => bytes(15, &[255, 255]),
        "tinytext" | "tinyblob" => bytes(252, &[1]),
        "text" | "blob" => bytes(252, &[2]),
        "mediumtext" | "mediumblob" => bytes(252, &[3]),
        "longtext" | "longblob" => bytes(252, &[4]),
        "json" => (Form::Json, 252, vec![4]),
        "vector" => bytes(242, &[4]),
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geometrycollection" | "geomcollection" => bytes(255, &[4]),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::table::ColumnKind;
    use crate::schema::catalog::CatalogColumn;

    fn column(name: &str, data_type: &str, column_type: &str, values: usize) -> (RawColumn, CatalogColumn) {
        let raw = RawColumn {
            name: name.into(),
            data_type: data_type.into(),
            column_type: column_type.into(),
            charset: None,
        };
        let described = CatalogColumn {
            name: name.into(),
            data_type: data_type.into(),
            unsigned: column_type.contains("unsigned"),
            charset: Charset::Utf8,
            values: (0..values).map(|at| at.to_string()).collect(),
            json_text: false,
            fsp: 0,
        };
        (raw, described)
    }

    #[test]
    fn columns_are_described_as_in_the_stream() {
        let columns = [
            column("id", "int", "int(10) unsigned", 0),
            column("d", "decimal", "decimal(10,2)", 0),
            column("t", "datetime", "datetime(3)", 0),
            column("b", "bit", "bit(12)", 0),
            column("s", "set", "set('a')", 9),
            column("c", "char", "char(3)", 0),
            column("j", "json", "json", 0),
        ];
        let (raw, described): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let catalog = CatalogTable { columns: described, primary_key: vec![0], hidden: 0 };
        let copy = describe("d", "t", catalog.clone(), &raw, &[]).unwrap();
        let kinds: Vec<&ColumnKind> = copy.table.columns.iter().map(|column| &column.kind).collect();
        assert_eq!(*kinds[0], ColumnKind::Integer { width: 4, unsigned: true });
        assert_eq!(*kinds[1], ColumnKind::Decimal { precision: 10, scale: 2 });
        assert_eq!(*kinds[2], ColumnKind::DateTime { fsp: 3 });
        assert_eq!(*kinds[3], ColumnKind::Bit { bits: 12 });
        assert!(matches!(kinds[4], ColumnKind::Set { width: 2, .. }));
        assert!(matches!(kinds[5], ColumnKind::Text { charset: Charset::Utf8, .. }));
        assert!(matches!(kinds[6], ColumnKind::JsonText { charset: Charset::Utf8, .. }));
        assert_eq!(copy.expressions[4], "CAST(`s` AS UNSIGNED)");
        assert_eq!((copy.index.as_str(), copy.key_names), ("PRIMARY", vec!["id".to_owned()]));
        let keyless = CatalogTable { primary_key: Vec::new(), ..catalog };
        let part = |index: &str, column: &str, telling| IndexColumn {
            index: index.into(),
            column: Some(column.into()),
            telling,
        };
        let indexes =
            [part("few", "d", true), part("few", "t", false), part("u", "b", true), part("u", "d", true)];
        let copy = describe("d", "t", keyless.clone(), &raw, &indexes).unwrap();
        assert_eq!((copy.index.as_str(), copy.key), ("u", vec![3, 1]));
        assert!(copy.table.primary_key.is_empty());
        assert!(describe("d", "t", keyless, &raw, &indexes[..2]).unwrap().key.is_empty());
    }
}
