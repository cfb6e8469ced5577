//! Every column type: random rows of random tables, and what the server's own SELECT says held against the JSON.

mod arguments;
mod compare;
mod palette;
mod stream;

use std::collections::BTreeMap;

use anyhow::Context;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;

use self::compare::alike;
use self::palette::Kind;
use self::stream::{Event, Stream};
use crate::lab::{Server, admin, unique};
pub use arguments::Arguments;

/// What was held against each other.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    server: &'static str,
    tables: usize,
    rows: usize,
    values: usize,
    kinds: usize,
}

/// A table, and what the server said of its rows after the inserts and after the updates.
struct Table {
    name: String,
    columns: Vec<(String, Kind)>,
    inserted: Answers,
    updated: Answers,
    /// Rows whose update is in the binlog with both images full.
    full: Vec<i64>,
}

/// By row, by column.
type Answers = BTreeMap<i64, Vec<Option<String>>>;

/// Columns of a table at the most; a page of InnoDB holds no more of the long ones.
const COLUMNS: usize = 24;

/// Checks `rounds` times every type with `rows` rows.
async fn types(server: Server, rounds: usize, rows: i64, seed: u64) -> anyhow::Result<Outcome> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut conn = admin(server).await?;
    let database = unique("types");
    conn.query_drop(format!("CREATE DATABASE {database}")).await?;
    conn.query_drop(format!("USE {database}")).await?;
    conn.query_drop("SET sql_mode = '', time_zone = '+00:00'").await?;
    let mut stream = Stream::start(server, &database)?;
    let kinds = kinds(&mut conn).await?;
    let mut outcome = Outcome { server: server.name, kinds: kinds.len(), ..Outcome::default() };
    let mut tables = Vec::new();
    for round in 0..rounds {
        let mut left = kinds.clone();
        while !left.is_empty() {
            let columns: Vec<Kind> = (0..COLUMNS.min(left.len()))
                .map(|_| left.swap_remove(random.random_range(0..left.len())))
                .collect();
            let name = format!("t{round}_{}", tables.len());
            tables.push(filled(&mut conn, name, columns, rows, &mut random).await?);
        }
    }
    tables.push(wide(&mut conn, rows, &mut random).await?);
    let events = tables.len() * rows as usize * 3;
    for event in stream.events(events)? {
        outcome.values += held_against(&tables, &event)?;
        outcome.rows += 1;
    }
    outcome.tables = tables.len();
    conn.query_drop(format!("DROP DATABASE {database}")).await?;
    Ok(outcome)
}

async fn kinds(conn: &mut Conn) -> anyhow::Result<Vec<Kind>> {
    let mut kinds = palette::common();
    let charsets: Vec<(String, u32)> =
        conn.query("SELECT CHARACTER_SET_NAME, MAXLEN FROM information_schema.CHARACTER_SETS").await?;
    for (charset, longest) in charsets.iter().filter(|(charset, _)| charset != "binary") {
        kinds.extend(palette::of_charset(charset, *longest));
    }
    let version: String = conn.query_first("SELECT VERSION()").await?.context("no version")?;
    if version.contains("MariaDB") {
        kinds.extend(palette::mariadb());
    } else if version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok())
        .is_some_and(|major: u32| major >= 9)
    {
        kinds.push(palette::vector());
    }
    Ok(kinds)
}

/// More columns than a byte or two of bits have.
async fn wide(conn: &mut Conn, rows: i64, random: &mut StdRng) -> anyhow::Result<Table> {
    let small: Vec<Kind> = palette::common().into_iter().filter(|kind| kind.definition.len() < 10).collect();
    let columns = (0..90).map(|at| small[at % small.len()].clone()).filter(|kind| kind.is_short()).collect();
    filled(conn, "wide".into(), columns, rows, random).await
}

/// Makes a table, inserts its rows, changes them under all row images, and deletes them.
async fn filled(
    conn: &mut Conn,
    name: String,
    kinds: Vec<Kind>,
    rows: i64,
    random: &mut StdRng,
) -> anyhow::Result<Table> {
    let columns: Vec<(String, Kind)> =
        kinds.into_iter().enumerate().map(|(at, kind)| (format!("c{at}"), kind)).collect();
    let definitions: Vec<String> =
        columns.iter().map(|(column, kind)| format!("{column} {}", kind.definition)).collect();
    let generated = "gv INT AS (id * 2) VIRTUAL, gs INT AS (id * 3) STORED";
    let definitions = definitions.join(", ");
    run(conn, &format!("CREATE TABLE {name} (id INT PRIMARY KEY, {generated}, {definitions})")).await?;
    run(conn, "SET SESSION binlog_row_image = 'FULL'").await?;
    for id in 1..=rows {
        let values: Vec<String> = columns.iter().map(|(_, kind)| kind.value(random)).collect();
        let names: Vec<&str> = columns.iter().map(|(column, _)| column.as_str()).collect();
        let (names, values) = (names.join(", "), values.join(", "));
        run(conn, &format!("INSERT INTO {name} (id, {names}) VALUES ({id}, {values})")).await?;
    }
    let inserted = answers(conn, &name, &columns).await?;
    let mut full = Vec::new();
    for id in 1..=rows {
        if change(conn, &name, &columns, id, random).await? == "FULL" {
            full.push(id + MOVED);
        }
    }
    let updated = answers(conn, &name, &columns).await?;
    run(conn, "SET SESSION binlog_row_image = 'FULL'").await?;
    run(conn, &format!("DELETE FROM {name}")).await?;
    Ok(Table { name, columns, inserted, updated, full })
}

/// What an update adds to the id: every update changes something, so that it is in the binlog.
const MOVED: i64 = 1000;

/// Changes a third of a row's columns; under which row image.
async fn change(
    conn: &mut Conn,
    table: &str,
    columns: &[(String, Kind)],
    id: i64,
    random: &mut StdRng,
) -> anyhow::Result<&'static str> {
    let image = ["FULL", "MINIMAL", "NOBLOB"][random.random_range(0..3)];
    run(conn, &format!("SET SESSION binlog_row_image = '{image}'")).await?;
    let mut changes = vec![format!("id = {}", id + MOVED)];
    for (column, kind) in columns {
        if random.random_range(0..3) == 0 {
            changes.push(format!("{column} = {}", kind.value(random)));
        }
    }
    run(conn, &format!("UPDATE {table} SET {} WHERE id = {id}", changes.join(", "))).await?;
    Ok(image)
}

async fn run(conn: &mut Conn, statement: &str) -> anyhow::Result<()> {
    conn.query_drop(statement).await.with_context(|| statement.to_owned())
}

async fn answers(conn: &mut Conn, table: &str, columns: &[(String, Kind)]) -> anyhow::Result<Answers> {
    let questions: Vec<String> =
        columns.iter().map(|(column, kind)| kind.question.replace("{}", column)).collect();
    let select = format!("SELECT id, {} FROM {table}", questions.join(", "));
    let rows: Vec<Row> = conn.query(&select).await.with_context(|| select.clone())?;
    rows.into_iter()
        .map(|row| {
            let id: i64 = row.get(0).context("no id")?;
            let texts = (1..=columns.len())
                .map(|at| row.get::<Option<String>, _>(at).with_context(|| format!("column {at} of {table}")))
                .collect::<Result<_, _>>()?;
            Ok((id, texts))
        })
        .collect()
}

/// Compares one event; how many values it had.
fn held_against(tables: &[Table], event: &Event) -> anyhow::Result<usize> {
    let table = tables.iter().find(|table| table.name == event.table).context("another table")?;
    let id = event.number("id")?;
    let now = if event.kind == "insert" { &table.inserted } else { &table.updated };
    let now = now.get(&id).with_context(|| format!("{} has no row {id}", table.name))?;
    let whole = event.kind != "update" || table.full.contains(&id);
    let mut count = 0;
    for (at, (column, kind)) in table.columns.iter().enumerate() {
        let what = || format!("{}.{column} {} of row {id}, {}", table.name, kind.definition, event.kind);
        match event.data.get(column) {
            Some(json) => {
                kind.form.check(now[at].as_deref(), json).with_context(|| {
                    format!("{}: the server says {:?}, printed is {}", what(), now[at], json.get())
                })?;
                count += 1;
            }
            None => anyhow::ensure!(!whole, "{}: is not there", what()),
        }
        let Some(before) = table.inserted.get(&(id - MOVED)).filter(|_| event.kind == "update") else {
            continue;
        };
        match event.old.as_ref().and_then(|old| old.get(column)) {
            Some(json) => {
                kind.form.check(before[at].as_deref(), json).with_context(|| format!("old of {}", what()))?;
                let changed = !alike(kind.form, before[at].as_deref(), now[at].as_deref());
                anyhow::ensure!(changed, "{}: is in old and did not change", what());
            }
            None => {
                let changed = !alike(kind.form, before[at].as_deref(), now[at].as_deref());
                anyhow::ensure!(!(whole && changed), "{}: changed and is not in old", what());
            }
        }
    }
    if whole {
        anyhow::ensure!(event.number("gv")? == id * 2 && event.number("gs")? == id * 3, "generated columns");
    }
    Ok(count)
}
