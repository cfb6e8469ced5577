//! Tables as `information_schema` describes them, in the form that a worker prints.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde_json::{Value, json};

use super::Tables;

type Row = (String, String, String, String, Option<String>, Option<u64>);

/// Every table of the database.
pub(super) async fn tables(conn: &mut Conn, database: &str) -> anyhow::Result<Tables> {
    let names: Vec<(String, String)> = conn
        .exec(
            "SELECT TABLE_NAME, CHARACTER_SET_NAME FROM information_schema.TABLES \
             JOIN information_schema.COLLATION_CHARACTER_SET_APPLICABILITY ON COLLATION_NAME = TABLE_COLLATION \
             OR COLLATION_NAME = SUBSTRING(TABLE_COLLATION, LOCATE('_', TABLE_COLLATION) + 1) \
             AND CHARACTER_SET_NAME = SUBSTRING_INDEX(TABLE_COLLATION, '_', 1) \
             WHERE TABLE_SCHEMA = ? AND TABLE_TYPE = 'BASE TABLE'",
            (database,),
        )
        .await?;
    let rows: Vec<Row> = conn
        .exec(
            "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, DATETIME_PRECISION \
             FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? ORDER BY ORDINAL_POSITION",
            (database,),
        )
        .await?;
    let keys: Vec<(String, String)> = conn
        .exec(
            "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE \
             WHERE TABLE_SCHEMA = ? AND CONSTRAINT_NAME = 'PRIMARY' ORDER BY ORDINAL_POSITION",
            (database,),
        )
        .await?;
    let table = |(name, charset): (String, String)| {
        let columns: Vec<Value> = rows.iter().filter(|row| row.0 == name).map(column).collect();
        let key: Vec<&String> = keys.iter().filter(|key| key.0 == name).map(|key| &key.1).collect();
        let def = json!({"charset": charset, "columns": columns, "primary-key": key});
        (name, comparable(&def))
    };
    Ok(names.into_iter().map(table).collect())
}

fn column((_, name, kind, full, charset, fraction): &Row) -> Value {
    let mut column = json!({"type": kind, "name": name});
    match kind.as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => {
            column["signed"] = (!full.contains("unsigned")).into();
        }
        "enum" | "set" => {
            let inner = full.trim_start_matches(kind.as_str()).trim_matches(['(', ')']);
            column["enum-values"] = inner.split(',').map(|value| value.trim_matches('\'')).collect();
        }
        "time" | "datetime" | "timestamp" => column["column-length"] = fraction.unwrap_or(0).into(),
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => {
            column["charset"] = "binary".into();
        }
        _ => {
            if let Some(charset) = charset {
                column["charset"] = charset.as_str().into();
            }
        }
    }
    column
}

/// What must be the same: names of one charset or type become one, the table's own name goes.
pub(super) fn comparable(def: &Value) -> Value {
    let mut def = def.clone();
    if let Some(members) = def.as_object_mut() {
        members.remove("database");
        members.remove("table");
    }
    one_name(&mut def);
    for column in def["columns"].as_array_mut().into_iter().flatten() {
        one_name(column);
        // MariaDB's JSON is this with a check.
        if column["type"] == "json" {
            *column = json!({"type": "longtext", "name": column["name"], "charset": "utf8mb4"});
        }
        if column["type"] == "geomcollection" {
            column["type"] = "geometrycollection".into();
        }
    }
    def
}

fn one_name(value: &mut Value) {
    if value["charset"] == "utf8" {
        value["charset"] = "utf8mb3".into();
    }
}
