//! Statements of every kind, and what becomes of a table.

mod alterations;
mod columns;
mod meanings;
mod tables;

use super::{Applied, Catalog, ColumnDef, Event, Flavour, Meaning, TableDef, TableName, parse};

const MARIADB: Flavour = Flavour { mariadb: true, folds_names: false };

/// A column in short: name, type, and what the type has beside it.
fn short(column: &ColumnDef) -> String {
    let detail = match column.kind.as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" if !column.signed => "/u".into(),
        "enum" | "set" => format!("/{}", column.values.join("|")),
        "time" | "datetime" | "timestamp" if column.fraction > 0 => format!("/{}", column.fraction),
        _ => column.charset.as_ref().map(|charset| format!("/{charset}")).unwrap_or_default(),
    };
    format!("{}:{}{detail}", column.name, column.kind)
}

/// A table in short: its columns, its primary key in parentheses, its charset if it is not latin1.
fn shape(def: &TableDef) -> String {
    let mut text = def.columns.iter().map(short).collect::<Vec<_>>().join(" ");
    if !def.primary_key.is_empty() {
        text.push_str(&format!(" ({})", def.primary_key.join(",")));
    }
    if def.charset != "latin1" {
        text.push_str(&format!(" {}", def.charset));
    }
    text
}

fn name(full: &str) -> TableName {
    let (database, table) = full.split_once('.').unwrap_or(("shop", full));
    TableName { database: database.into(), table: table.into() }
}

/// A catalog with the databases `shop` (latin1) and `wide` (utf8mb4).
fn catalog() -> Catalog {
    let mut catalog = Catalog::new("latin1");
    catalog.put_database("shop", "latin1");
    catalog.put_database("wide", "utf8mb4");
    catalog
}

/// What `sql`, run in `shop`, does to `catalog`.
fn run_as(catalog: &mut Catalog, sql: &str, flavour: Flavour) -> Vec<Applied> {
    match parse(sql, "shop", flavour) {
        Meaning::Changes(changes) => changes.iter().map(|change| catalog.apply(change, &|_| true)).collect(),
        other => panic!("{sql}: {other:?}"),
    }
}

fn run(catalog: &mut Catalog, sql: &str) -> Vec<Applied> {
    run_as(catalog, sql, Flavour::default())
}

/// Names and kinds of the events of `sql`.
fn told(catalog: &mut Catalog, sql: &str) -> Vec<String> {
    let full = |def: &TableDef| format!("{}.{}", def.database, def.table);
    run(catalog, sql)
        .iter()
        .map(|applied| match applied {
            Applied::Nothing => "nothing".into(),
            Applied::Unclear { name, created, .. } => {
                format!("{} {}.{}?", if *created { "create" } else { "alter" }, name.database, name.table)
            }
            Applied::Event(Event::DatabaseCreate { database, charset }) => format!("+{database} {charset}"),
            Applied::Event(Event::DatabaseAlter { database, charset }) => format!("~{database} {charset:?}"),
            Applied::Event(Event::DatabaseDrop { database }) => format!("-{database}"),
            Applied::Event(Event::TableCreate { def }) => format!("+{}", full(def)),
            Applied::Event(Event::TableAlter { old, def }) => format!("{}>{}", full(old), full(def)),
            Applied::Event(Event::TableDrop { name }) => format!("-{}.{}", name.database, name.table),
        })
        .collect()
}
