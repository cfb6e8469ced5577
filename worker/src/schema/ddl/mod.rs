//! Following the schema: a statement of the binlog is read into [`Change`]s, and a [`Catalog`] takes them in.
//!
//! Statements are cut into tokens by `sqlparser`. Its grammar is not used, because it refuses a third of what the tests
//! run on real servers (`CONVERT TO`, `LONG VARBINARY`, `VARCHAR … CHARSET`, partitions, `SET STATEMENT … FOR`), while
//! only columns, the primary key, charsets and names matter here: the parser below reads those and steps over the rest.
//! What it cannot read names the tables that have to be captured anew.

mod alter;
mod apply;
mod catalog;
mod column;
mod create;
mod cursor;
mod kind;
mod parse;
mod unwrap;

#[cfg(test)]
mod tests;

pub use apply::{Applied, Event};
pub use catalog::{Catalog, ColumnDef, TableDef, charset_of_collation};
pub use parse::parse;

/// What decides how a statement reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flavour {
    /// Whether MariaDB wrote it.
    pub mariadb: bool,
    /// `lower_case_table_names` is not 0: names of databases and tables are compared in lower case.
    pub folds_names: bool,
}

/// A table's full name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    /// Database.
    pub database: String,
    /// Table.
    pub table: String,
}

/// What a statement means for the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing: no database, table or column is changed by it.
    Nothing,
    /// These changes, in order.
    Changes(Vec<Change>),
    /// It is not understood. Every name in it may be that of a table that it changed.
    Unknown(Vec<String>),
}

/// One change of one database or table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// `CREATE DATABASE`.
    CreateDatabase {
        /// Its name.
        name: String,
        /// `OR REPLACE`: an older one is dropped before.
        replace: bool,
        /// `IF NOT EXISTS`.
        tolerant: bool,
        /// Its charset, if the statement says.
        charset: Option<String>,
    },
    /// `ALTER DATABASE`.
    AlterDatabase {
        /// Its name.
        name: String,
        /// Its new charset, if the statement says.
        charset: Option<String>,
    },
    /// `DROP DATABASE`.
    DropDatabase {
        /// Its name.
        name: String,
    },
    /// `CREATE TABLE`.
    CreateTable {
        /// Its name.
        name: TableName,
        /// `OR REPLACE`.
        replace: bool,
        /// `IF NOT EXISTS`.
        tolerant: bool,
        /// What it consists of.
        body: Body,
    },
    /// `ALTER TABLE`.
    AlterTable {
        /// Its name before.
        name: TableName,
        /// What is done to it.
        alteration: Alteration,
    },
    /// One table of a `DROP TABLE`.
    DropTable {
        /// Its name.
        name: TableName,
    },
    /// One table of a `RENAME TABLE`.
    RenameTable {
        /// Its name before.
        from: TableName,
        /// Its name after.
        to: TableName,
    },
    /// The table is changed in a way that only the server can tell.
    Obscure(TableName),
}

/// What a new table consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Columns.
    Columns {
        /// By position; a text column without a charset has the table's.
        columns: Vec<ColumnDef>,
        /// Names of the primary key's columns, in key order.
        primary_key: Vec<String>,
        /// The table's charset, if the statement says.
        charset: Option<String>,
    },
    /// The columns of another table.
    Like(TableName),
    /// Columns that follow from a query.
    Query,
}

/// What an `ALTER TABLE` does, sorted as MySQL works through it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Alteration {
    /// Columns that go; true for `IF EXISTS`.
    pub drops: Vec<(String, bool)>,
    /// Columns that change or come, in the statement's order.
    pub steps: Vec<ColumnStep>,
    /// `DROP PRIMARY KEY`.
    pub drops_key: bool,
    /// Columns of an added primary key.
    pub adds_key: Vec<String>,
    /// New default charset of the table.
    pub charset: Option<String>,
    /// `CONVERT TO CHARACTER SET`; `Some(None)` for the database's.
    pub convert: Option<Option<String>>,
    /// The new name.
    pub rename: Option<TableName>,
}

/// What is done to one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnStep {
    /// It changes.
    Change(ColumnChange),
    /// It comes.
    Add(ColumnAdd),
}

/// A column that an `ALTER TABLE` changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnChange {
    /// Its name before.
    pub from: String,
    /// `IF EXISTS`.
    pub tolerant: bool,
    /// What becomes of it.
    pub to: ChangedColumn,
    /// Where it moves; `None` if it stays.
    pub place: Option<ColumnPlace>,
}

/// What becomes of a changed column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangedColumn {
    /// The same under another name.
    Named(String),
    /// Another definition.
    Defined(ColumnDef),
}

/// A column that an `ALTER TABLE` adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnAdd {
    /// `IF NOT EXISTS`.
    pub tolerant: bool,
    /// Its definition.
    pub column: ColumnDef,
    /// Where; `None` for the end.
    pub place: Option<ColumnPlace>,
}

/// Where a column goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnPlace {
    /// To the start.
    First,
    /// Behind the column of this name.
    After(String),
}

impl Meaning {
    /// Whether the statement may have changed `name`.
    pub fn touches(&self, name: &TableName) -> bool {
        match self {
            Self::Nothing => false,
            Self::Changes(changes) => changes.iter().any(|change| change.touches(name)),
            Self::Unknown(names) => names.contains(&name.table),
        }
    }
}

impl Change {
    /// Whether it makes, changes or drops the table `name`.
    fn touches(&self, name: &TableName) -> bool {
        match self {
            Self::AlterDatabase { .. } => false,
            Self::CreateDatabase { name: database, .. } | Self::DropDatabase { name: database } => {
                *database == name.database
            }
            Self::CreateTable { name: other, .. }
            | Self::DropTable { name: other }
            | Self::Obscure(other) => other == name,
            Self::RenameTable { from, to } => from == name || to == name,
            Self::AlterTable { name: other, alteration } => {
                other == name || alteration.rename.as_ref() == Some(name)
            }
        }
    }
}
