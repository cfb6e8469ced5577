//! Reads a table's description from `information_schema`, for servers whose TABLE_MAP does not describe itself.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::SourceError;
use crate::schema::catalog::{CatalogColumn, CatalogTable, values_of};
use crate::schema::charset::Charset;

const COLUMNS: &str = "SELECT COLUMN_NAME, LOWER(DATA_TYPE), COLUMN_TYPE, CHARACTER_SET_NAME, DATETIME_PRECISION \
    FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION";
const PRIMARY_KEY: &str = "SELECT COLUMN_NAME FROM information_schema.STATISTICS \
    WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX";
const CHECKS: &str = "SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ?";
/// MariaDB's columns that no SELECT shows: two of a table with system versioning that does not name them itself, one
/// for every unique key over long values.
const HIDDEN: &str = "SELECT CAST(\
    (SELECT COUNT(*) * 2 FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? \
        AND TABLE_TYPE = 'SYSTEM VERSIONED' AND NOT EXISTS (SELECT * FROM information_schema.COLUMNS \
            WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND GENERATION_EXPRESSION IN ('ROW START', 'ROW END'))) \
    + (SELECT COUNT(DISTINCT INDEX_NAME) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? \
        AND TABLE_NAME = ? AND INDEX_TYPE = 'HASH' AND NON_UNIQUE = 0 AND NOT EXISTS (SELECT * FROM \
            information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND ENGINE = 'MEMORY')) \
    AS UNSIGNED)";

/// MySQL's columns that no SELECT shows: what functional indexes are over.
const FUNCTIONAL: &str = "SELECT COUNT(*) FROM information_schema.STATISTICS \
    WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND EXPRESSION IS NOT NULL";

/// The releases that have functional indexes and put their columns into the TABLE_MAP.
const SHOWS_FUNCTIONAL: std::ops::Range<(u16, u16, u16)> = (8, 0, 13)..(8, 0, 23);

type ColumnRow = (String, String, String, Option<String>, Option<u8>);

/// The table as it is now; `None` if it does not exist.
pub async fn table(
    conn: &mut Conn,
    mariadb: bool,
    database: &str,
    name: &str,
) -> Result<Option<CatalogTable>, SourceError> {
    let failed = |error| SourceError::failed("read the table's description", name, error);
    let rows: Vec<ColumnRow> = conn.exec(COLUMNS, (database, name)).await.map_err(failed)?;
    if rows.is_empty() {
        return Ok(None);
    }
    let key: Vec<String> = conn.exec(PRIMARY_KEY, (database, name)).await.map_err(failed)?;
    let json = if mariadb { json_columns(conn, database, name).await? } else { Vec::new() };
    let hidden = hidden_columns(conn, mariadb, database, name).await?;
    let columns: Vec<CatalogColumn> = rows
        .into_iter()
        .map(|(name, data_type, column_type, charset, fsp)| CatalogColumn {
            fsp: fsp.unwrap_or(0),
            json_text: json.contains(&name),
            unsigned: column_type.contains("unsigned"),
            values: if matches!(data_type.as_str(), "enum" | "set") {
                values_of(&column_type)
            } else {
                Vec::new()
            },
            charset: charset.map_or(Charset::Binary, |charset| Charset::named(&charset)),
            name,
            data_type,
        })
        .collect();
    let primary_key =
        key.iter().filter_map(|name| columns.iter().position(|column| column.name == *name)).collect();
    Ok(Some(CatalogTable { columns, primary_key, hidden }))
}

/// MariaDB's JSON columns: text with a `json_valid` check of its own name.
async fn json_columns(conn: &mut Conn, database: &str, name: &str) -> Result<Vec<String>, SourceError> {
    let clauses: Vec<String> = conn
        .exec(CHECKS, (database, name))
        .await
        .map_err(|error| SourceError::failed("read the table's checks", name, error))?;
    Ok(clauses.iter().filter_map(|clause| json_column(clause)).collect())
}

async fn hidden_columns(
    conn: &mut Conn,
    mariadb: bool,
    database: &str,
    name: &str,
) -> Result<u8, SourceError> {
    let count: Result<Option<u8>, _> = if mariadb {
        let table = (database, name, database, name, database, name, database, name);
        conn.exec_first(HIDDEN, table).await
    } else if SHOWS_FUNCTIONAL.contains(&conn.server_version()) {
        conn.exec_first(FUNCTIONAL, (database, name)).await
    } else {
        return Ok(0);
    };
    count
        .map(Option::unwrap_or_default)
        .map_err(|error| SourceError::failed("read the table's hidden columns", name, error))
}

fn json_column(clause: &str) -> Option<String> {
    let inner = clause.trim().strip_prefix("json_valid(")?.strip_suffix(')')?;
    Some(inner.trim().trim_matches('`').replace("``", "`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_check_names_its_column() {
        assert_eq!(json_column("json_valid(`doc`)").as_deref(), Some("doc"));
        assert_eq!(json_column("`doc` > 0"), None);
    }
}
