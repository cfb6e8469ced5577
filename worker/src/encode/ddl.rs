//! Schema changes as Maxwell prints them. Unlike in rows, `ts` is in milliseconds.

use maxwell_protocol::settings::PartitionBy;

use super::key;
use super::message::Written;
use super::schema_id::number;
use super::style::Style;
use super::text::{integer, string};
use crate::schema::ddl::{ColumnDef, Event, TableDef};

/// Facts of the statement that a change is of.
#[derive(Debug, Clone, Copy)]
pub struct StatementContext<'a> {
    /// Its text.
    pub sql: &'a str,
    /// Header time, seconds since the epoch.
    pub timestamp: u32,
    /// `file:offset` of its start.
    pub position: &'a str,
    /// Its GTID, if there is one.
    pub gtid: Option<&'a str>,
}

/// Database and table that a change is told of; the table is empty for a database. A renamed table has its old name.
pub fn names(event: &Event) -> (&str, &str) {
    match event {
        Event::DatabaseCreate { database, .. }
        | Event::DatabaseAlter { database, .. }
        | Event::DatabaseDrop { database } => (database, ""),
        Event::TableCreate { def } => (&def.database, &def.table),
        Event::TableAlter { old, .. } => (&old.database, &old.table),
        Event::TableDrop { name } => (&name.database, &name.table),
    }
}

/// Appends the change's key, a random UUID, and, behind it, its message.
pub fn change(out: &mut Vec<u8>, event: &Event, context: &StatementContext<'_>, style: &Style) -> Written {
    out.extend_from_slice(uuid::Uuid::new_v4().to_string().as_bytes());
    let key_end = out.len();
    let (database, table) = names(event);
    let decisive = match style.partition_by {
        PartitionBy::Table if !table.is_empty() => table,
        _ => database,
    };
    message(out, event, context, style);
    Written { key_end, partition_hash: key::hash(style.partition_hash, decisive) }
}

fn message(out: &mut Vec<u8>, event: &Event, context: &StatementContext<'_>, style: &Style) {
    let mut told = out.len();
    member(out, b"{\"type\":", kind(event));
    let (database, table) = names(event);
    member(out, b",\"database\":", database);
    if !table.is_empty() {
        member(out, b",\"table\":", table);
    }
    match event {
        Event::DatabaseCreate { charset, .. } => member(out, b",\"charset\":", charset),
        Event::DatabaseAlter { charset: Some(charset), .. } => member(out, b",\"charset\":", charset),
        Event::DatabaseAlter { charset: None, .. } => out.extend_from_slice(b",\"charset\":null"),
        Event::DatabaseDrop { .. } | Event::TableDrop { .. } => {}
        Event::TableCreate { def } => {
            out.extend_from_slice(b",\"def\":");
            definition(out, def);
        }
        Event::TableAlter { old, def } => {
            out.extend_from_slice(b",\"old\":");
            definition(out, old);
            told = out.len();
            out.extend_from_slice(b",\"def\":");
            definition(out, def);
        }
    }
    let schema_id = style.output.schema_id.then(|| number(&out[told..]));
    out.extend_from_slice(b",\"ts\":");
    integer(out, u64::from(context.timestamp) * 1000);
    member(out, b",\"sql\":", context.sql);
    if style.output.binlog_position {
        member(out, b",\"position\":", context.position);
    }
    if style.output.gtid {
        out.extend_from_slice(b",\"gtid\":");
        match context.gtid {
            Some(gtid) => string(out, gtid),
            None => out.extend_from_slice(b"null"),
        }
    }
    if let Some(schema_id) = schema_id {
        out.extend_from_slice(b",\"schema_id\":");
        integer(out, schema_id);
    }
    out.push(b'}');
}

fn member(out: &mut Vec<u8>, name: &[u8], value: &str) {
    out.extend_from_slice(name);
    string(out, value);
}

fn kind(event: &Event) -> &'static str {
    match event {
        Event::DatabaseCreate { .. } => "database-create",
        Event::DatabaseAlter { .. } => "database-alter",
        Event::DatabaseDrop { .. } => "database-drop",
        Event::TableCreate { .. } => "table-create",
        Event::TableAlter { .. } => "table-alter",
        Event::TableDrop { .. } => "table-drop",
    }
}

fn definition(out: &mut Vec<u8>, def: &TableDef) {
    member(out, b"{\"database\":", &def.database);
    member(out, b",\"charset\":", &def.charset);
    member(out, b",\"table\":", &def.table);
    out.extend_from_slice(b",\"columns\":[");
    for (at, described) in def.columns.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        column(out, described);
    }
    out.extend_from_slice(b"],\"primary-key\":");
    strings(out, &def.primary_key);
    out.push(b'}');
}

fn strings(out: &mut Vec<u8>, items: &[String]) {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(out, item);
    }
    out.push(b']');
}

fn column(out: &mut Vec<u8>, column: &ColumnDef) {
    member(out, b"{\"type\":", &column.kind);
    member(out, b",\"name\":", &column.name);
    match column.kind.as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => {
            out.extend_from_slice(if column.signed { b",\"signed\":true" } else { b",\"signed\":false" });
        }
        "enum" | "set" => {
            out.extend_from_slice(b",\"enum-values\":");
            strings(out, &column.values);
        }
        "time" | "datetime" | "timestamp" => {
            out.extend_from_slice(b",\"column-length\":");
            integer(out, column.fraction);
        }
        _ => {
            if let Some(charset) = column.shown_charset() {
                member(out, b",\"charset\":", charset);
            }
        }
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::settings::Output;

    use super::*;
    use crate::schema::ddl::{Applied, Catalog, Flavour, Meaning, parse};

    fn printed(catalog: &mut Catalog, sql: &str, output: Output) -> Vec<String> {
        let Meaning::Changes(changes) = parse(sql, "shop", Flavour::default()) else { panic!("{sql}") };
        let context = StatementContext { sql, timestamp: 1_700_000_000, position: "b.1:4", gtid: None };
        let style = Style::new(&output, None).unwrap();
        let events = changes.iter().filter_map(|change| match catalog.apply(change, &|_| true) {
            Applied::Event(event) => Some(event),
            _ => None,
        });
        events
            .map(|event| {
                let mut out = Vec::new();
                let written = super::change(&mut out, &event, &context, &style);
                assert_eq!(written.key_end, 36, "a bare UUID");
                String::from_utf8(out.split_off(36)).unwrap()
            })
            .collect()
    }

    #[test]
    fn changes_read_as_the_original_prints_them() {
        let mut catalog = Catalog::new("latin1");
        let all = |catalog: &mut Catalog, sql| printed(catalog, sql, Output::default());
        assert_eq!(
            all(&mut catalog, "create database shop"),
            [
                r#"{"type":"database-create","database":"shop","charset":"latin1","ts":1700000000000,"sql":"create database shop"}"#
            ]
        );
        let create = "create table t (id int unsigned primary key, a varchar(9), e enum('x','y'), b blob, d datetime(3), \
                      j json, n decimal(9,2)) charset utf8mb4";
        let columns = r#""columns":[{"type":"int","name":"id","signed":false},{"type":"varchar","name":"a","charset":"utf8mb4"},{"type":"enum","name":"e","enum-values":["x","y"]},{"type":"blob","name":"b","charset":"binary"},{"type":"datetime","name":"d","column-length":3},{"type":"json","name":"j"},{"type":"decimal","name":"n"}],"primary-key":["id"]"#;
        let def = format!(r#"{{"database":"shop","charset":"utf8mb4","table":"t",{columns}}}"#);
        assert_eq!(
            all(&mut catalog, create),
            [format!(
                r#"{{"type":"table-create","database":"shop","table":"t","def":{def},"ts":1700000000000,"sql":"{create}"}}"#
            )]
        );
        let renamed = def.replace("\"table\":\"t\"", "\"table\":\"u\"");
        assert_eq!(
            all(&mut catalog, "rename table t to u"),
            [format!(
                r#"{{"type":"table-alter","database":"shop","table":"t","old":{def},"def":{renamed},"ts":1700000000000,"sql":"rename table t to u"}}"#
            )]
        );
        assert_eq!(
            all(&mut catalog, "drop table u, gone"),
            [
                r#"{"type":"table-drop","database":"shop","table":"u","ts":1700000000000,"sql":"drop table u, gone"}"#
            ]
        );
        assert_eq!(
            all(&mut catalog, "alter database shop comment 'x'"),
            [
                r#"{"type":"database-alter","database":"shop","charset":null,"ts":1700000000000,"sql":"alter database shop comment 'x'"}"#
            ]
        );
        let output = Output { binlog_position: true, gtid: true, ..Output::default() };
        assert_eq!(
            printed(&mut catalog, "drop database shop", output),
            [
                r#"{"type":"database-drop","database":"shop","ts":1700000000000,"sql":"drop database shop","position":"b.1:4","gtid":null}"#
            ]
        );
    }
}
