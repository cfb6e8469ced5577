//! Reads the definitions of many tables at once, in Maxwell's terms.

use std::collections::HashMap;

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, Params, Value};

use super::SourceError;
use super::capture::json_column;
use crate::schema::catalog::values_of;
use crate::schema::ddl::{ColumnDef, TableDef, TableName, charset_of_collation};

/// Tables asked for at once.
const AT_ONCE: usize = 200;

const TABLES: &str = "SELECT TABLE_NAME, TABLE_COLLATION FROM information_schema.TABLES \
    WHERE TABLE_TYPE NOT LIKE '%VIEW' AND TABLE_SCHEMA = ? AND TABLE_NAME IN ";
const COLUMNS: &str = "SELECT TABLE_NAME, COLUMN_NAME, LOWER(DATA_TYPE), COLUMN_TYPE, CHARACTER_SET_NAME, \
    DATETIME_PRECISION FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME IN ";
const KEYS: &str = "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.STATISTICS \
    WHERE INDEX_NAME = 'PRIMARY' AND TABLE_SCHEMA = ? AND TABLE_NAME IN ";
const CHECKS: &str = "SELECT TABLE_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS \
    WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME IN ";

/// What holds for every name on the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Defaults {
    /// Names of databases and tables are compared in lower case.
    pub folds_names: bool,
    /// Charset of new databases.
    pub charset: String,
}

/// Asks for the server's defaults.
pub async fn defaults(conn: &mut Conn) -> Result<Defaults, SourceError> {
    let row: Option<(u8, String)> = conn
        .query_first("SELECT @@lower_case_table_names, @@GLOBAL.character_set_server")
        .await
        .map_err(|error| SourceError::failed("read the server's variables", "", error))?;
    let (fold, charset) = row.unwrap_or_default();
    Ok(Defaults { folds_names: fold != 0, charset })
}

/// Whether rows events describe their tables by themselves, for sessions that do not say otherwise.
pub async fn is_self_describing(conn: &mut Conn) -> Result<bool, SourceError> {
    let row: Option<(String, String)> = conn
        .query_first("SHOW GLOBAL VARIABLES LIKE 'binlog_row_metadata'")
        .await
        .map_err(|error| SourceError::failed("read the server's variables", "", error))?;
    Ok(row.is_some_and(|(_, value)| value == "FULL"))
}

/// Every database with its charset.
pub async fn databases(conn: &mut Conn) -> Result<Vec<(String, String)>, SourceError> {
    conn.query("SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA")
        .await
        .map_err(|error| SourceError::failed("list the databases", "", error))
}

/// The names of all tables that `passes` lets through.
pub async fn names(
    conn: &mut Conn,
    passes: &(dyn Fn(&str, &str) -> bool + Send + Sync),
) -> Result<Vec<TableName>, SourceError> {
    // What the server keeps about itself has no rows in the binlog.
    let rows: Vec<(String, String)> = conn
        .query(
            "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema', 'sys')",
        )
        .await
        .map_err(|error| SourceError::failed("list the tables", "", error))?;
    let names = rows.into_iter().map(|(database, table)| TableName { database, table });
    Ok(names.filter(|name| passes(&name.database, &name.table)).collect())
}

/// The tables of these names as they are now; what is not there, or is a view, is left out.
pub async fn tables(
    conn: &mut Conn,
    mariadb: bool,
    names: &[TableName],
) -> Result<Vec<TableDef>, SourceError> {
    let mut by_database: HashMap<&str, Vec<&str>> = HashMap::new();
    for name in names {
        by_database.entry(&name.database).or_default().push(&name.table);
    }
    let mut found = Vec::new();
    for (database, tables) in by_database {
        for some in tables.chunks(AT_ONCE) {
            found.extend(some_tables(conn, mariadb, database, some).await?);
        }
    }
    Ok(found)
}

type ColumnRow = (String, String, String, String, Option<String>, Option<u64>);

async fn some_tables(
    conn: &mut Conn,
    mariadb: bool,
    database: &str,
    names: &[&str],
) -> Result<Vec<TableDef>, SourceError> {
    let tables: Vec<(String, Option<String>)> = ask(conn, TABLES, "", database, names).await?;
    let columns: Vec<ColumnRow> =
        ask(conn, COLUMNS, " ORDER BY TABLE_NAME, ORDINAL_POSITION", database, names).await?;
    let keys: Vec<(String, String)> =
        ask(conn, KEYS, " ORDER BY TABLE_NAME, SEQ_IN_INDEX", database, names).await?;
    let json = if mariadb { checks(conn, database, names).await? } else { HashMap::new() };
    let table = |(table, collation): (String, Option<String>)| {
        let no_json = Vec::new();
        let json = json.get(&table).unwrap_or(&no_json);
        let own = columns.iter().filter(|row| row.0 == table);
        TableDef {
            database: database.to_owned(),
            charset: collation.and_then(|collation| charset_of_collation(&collation)).unwrap_or_default(),
            columns: own.map(|row| column(row, json)).collect(),
            primary_key: keys.iter().filter(|key| key.0 == table).map(|key| key.1.clone()).collect(),
            table,
        }
    };
    Ok(tables.into_iter().map(table).collect())
}

async fn ask<T: FromRow + Send + 'static>(
    conn: &mut Conn,
    query: &str,
    order: &str,
    database: &str,
    names: &[&str],
) -> Result<Vec<T>, SourceError> {
    let marks = vec!["?"; names.len()].join(",");
    let values: Vec<Value> =
        std::iter::once(database).chain(names.iter().copied()).map(Value::from).collect();
    conn.exec(format!("{query}({marks}){order}"), Params::Positional(values))
        .await
        .map_err(|error| SourceError::failed("read the tables' descriptions", database, error))
}

fn column((_, name, data_type, column_type, charset, fraction): &ColumnRow, json: &[String]) -> ColumnDef {
    let json = json.contains(name);
    let has_values = matches!(data_type.as_str(), "enum" | "set");
    let kind = match data_type.as_str() {
        _ if json => "json",
        "geomcollection" => "geometrycollection",
        other => other,
    };
    ColumnDef {
        name: name.clone(),
        charset: charset.clone().filter(|_| !json && !has_values),
        signed: !column_type.contains("unsigned"),
        values: if has_values { values_of(column_type) } else { Vec::new() },
        fraction: fraction.unwrap_or(0),
        kind: kind.to_owned(),
    }
}

/// MariaDB's JSON columns by table: text with a `json_valid` check of its own name.
async fn checks(
    conn: &mut Conn,
    database: &str,
    names: &[&str],
) -> Result<HashMap<String, Vec<String>>, SourceError> {
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    for (table, clause) in ask::<(String, String)>(conn, CHECKS, "", database, names).await? {
        if let Some(column) = json_column(&clause) {
            found.entry(table).or_default().push(column);
        }
    }
    Ok(found)
}
