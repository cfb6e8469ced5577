//! Databases, tables and columns as they are at one place of the binlog.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::TableName;
use super::kind::{is_binary, is_text};
use crate::schema::catalog::{CatalogColumn, CatalogTable};
use crate::schema::charset::Charset;

/// What collations begin with.
const CHARSETS: &[&str] = &[
    "armscii8", "ascii", "big5", "binary", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866",
    "cp932", "dec8", "eucjpms", "euckr", "gb18030", "gb2312", "gbk", "geostd8", "greek", "hebrew", "hp8",
    "keybcs2", "koi8r", "koi8u", "latin1", "latin2", "latin5", "latin7", "macce", "macroman", "sjis", "swe7",
    "tis620", "ucs2", "ujis", "utf16", "utf16le", "utf32", "utf8", "utf8mb3", "utf8mb4",
];

/// The charset that a collation is of; `None` for those of MariaDB that serve several.
pub fn charset_of_collation(collation: &str) -> Option<String> {
    let prefix = collation.split('_').next().unwrap_or(collation);
    CHARSETS.contains(&prefix).then(|| prefix.to_owned())
}

/// A column, in Maxwell's terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDef {
    /// Normalised type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name, in the case of its definition.
    pub name: String,
    /// Charset of a text column; in a statement, `None` for the table's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
    /// Whether a number may be below zero.
    pub signed: bool,
    /// Values of an ENUM or SET.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Digits behind the second.
    #[serde(default)]
    pub fraction: u64,
}

/// A table, in Maxwell's terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDef {
    /// Database.
    pub database: String,
    /// Default charset.
    pub charset: String,
    /// Name.
    pub table: String,
    /// Columns by position.
    pub columns: Vec<ColumnDef>,
    /// Names of the primary key's columns, in key order.
    pub primary_key: Vec<String>,
}

impl TableDef {
    /// Its full name.
    pub fn name(&self) -> TableName {
        TableName { database: self.database.clone(), table: self.table.clone() }
    }

    /// Index of a column; case does not matter.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        position(&self.columns, name)
    }

    /// The table as the decoder takes it. MariaDB's JSON is text.
    pub fn described(&self, mariadb: bool) -> CatalogTable {
        let columns = self.columns.iter().map(|column| column.described(mariadb)).collect();
        let primary_key = self.primary_key.iter().filter_map(|name| self.column(name)).collect();
        CatalogTable { columns, primary_key, hidden: 0 }
    }
}

pub(super) fn position(columns: &[ColumnDef], name: &str) -> Option<usize> {
    let name = name.to_lowercase();
    columns.iter().position(|column| column.name.to_lowercase() == name)
}

impl ColumnDef {
    /// Gives a text column without a charset the table's.
    pub(super) fn settle(&mut self, default: &str) {
        if is_text(&self.kind) && self.charset.is_none() {
            self.charset = Some(default.to_owned());
        }
    }

    /// The charset as it is printed: that of a text column, or `binary`.
    pub fn shown_charset(&self) -> Option<&str> {
        if is_binary(&self.kind) { Some("binary") } else { self.charset.as_deref() }
    }

    fn described(&self, mariadb: bool) -> CatalogColumn {
        let json_text = mariadb && self.kind == "json";
        let charset = match (&self.charset, json_text) {
            (Some(charset), _) => Charset::named(charset),
            (None, true) => Charset::Utf8,
            (None, false) => Charset::Binary,
        };
        CatalogColumn {
            name: self.name.clone(),
            data_type: self.kind.clone(),
            unsigned: !self.signed,
            fsp: self.fraction as u8,
            charset,
            values: self.values.clone(),
            json_text,
        }
    }
}

/// A database and its tables, as far as they are followed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Database {
    pub(super) charset: String,
    pub(super) tables: BTreeMap<String, TableDef>,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalog {
    /// Charset of databases that do not say theirs.
    pub(super) server_charset: String,
    pub(super) databases: BTreeMap<String, Database>,
    /// What changed since it was last asked; a database has an empty table.
    changed: BTreeSet<(String, String)>,
}

impl Catalog {
    /// Nothing is known but the server's charset.
    pub fn new(server_charset: &str) -> Self {
        Self { server_charset: server_charset.to_owned(), ..Self::default() }
    }

    /// Takes a database in.
    pub fn put_database(&mut self, name: &str, charset: &str) {
        charset.clone_into(&mut self.databases.entry(name.to_owned()).or_default().charset);
        self.changed.insert((name.to_owned(), String::new()));
    }

    /// Takes a table in.
    pub fn put(&mut self, table: TableDef) {
        self.changed.insert((table.database.clone(), table.table.clone()));
        let database = self.databases.entry(table.database.clone()).or_default();
        database.tables.insert(table.table.clone(), table);
    }

    /// The table as it is now, if it is known.
    pub fn get(&self, name: &TableName) -> Option<&TableDef> {
        self.databases.get(&name.database)?.tables.get(&name.table)
    }

    /// Whether the database holds a known table.
    pub(super) fn follows(&self, database: &str) -> bool {
        self.databases.get(database).is_some_and(|database| !database.tables.is_empty())
    }

    /// Forgets a table.
    pub fn forget(&mut self, name: &TableName) {
        self.take(name);
    }

    /// Forgets a database and its tables; false if it was not known.
    pub fn forget_database(&mut self, name: &str) -> bool {
        let Some(gone) = self.databases.remove(name) else { return false };
        self.changed.insert((name.to_owned(), String::new()));
        self.changed.extend(gone.tables.into_keys().map(|table| (name.to_owned(), table)));
        true
    }

    /// Names of databases (with an empty table) and tables that changed since this was asked before.
    pub fn take_changed(&mut self) -> BTreeSet<(String, String)> {
        std::mem::take(&mut self.changed)
    }

    /// Every known table.
    pub fn tables(&self) -> impl Iterator<Item = &TableDef> {
        self.databases.values().flat_map(|database| database.tables.values())
    }

    pub(super) fn take(&mut self, name: &TableName) -> Option<TableDef> {
        let taken = self.databases.get_mut(&name.database)?.tables.remove(&name.table)?;
        self.changed.insert((name.database.clone(), name.table.clone()));
        Some(taken)
    }

    /// A known database's charset. MySQL's own databases and foreign ones may be unknown.
    pub fn charset(&self, database: &str) -> Option<&str> {
        self.databases.get(database).map(|database| database.charset.as_str()).filter(|name| !name.is_empty())
    }
}
