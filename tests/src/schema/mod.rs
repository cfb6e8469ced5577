//! Runs statements at a server and holds the definitions that a worker prints of them against `information_schema`,
//! as it was right after each statement.

mod arguments;
mod expected;
mod statements;

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use mysql_async::prelude::Queryable;
use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::lab::{Server, admin, unique};
use crate::worker::{binary, free_port};
pub use arguments::Arguments;

const PATIENCE: Duration = Duration::from_secs(60);

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The server.
    pub server: String,
    /// Statements that the server took.
    pub statements: usize,
    /// Statements that it refused, being of another version.
    pub refused: usize,
    /// Definitions that were compared.
    pub definitions: usize,
    /// Those that differed.
    pub different: Vec<String>,
}

/// Tables of the database under test by name, in the form that the worker prints.
type Tables = BTreeMap<String, Value>;

/// Runs the fixed statements, then `random` made up ones.
async fn schema(server: Server, random: usize, seed: u64) -> anyhow::Result<Outcome> {
    let database = unique("ddl");
    let folder = tempfile::tempdir()?;
    let mut worker = start(server, &database, &folder)?;
    let outcome = compare(server, &database, &folder, random, seed).await;
    worker.kill()?;
    worker.wait()?;
    admin(server).await?.query_drop(format!("DROP DATABASE IF EXISTS {database}")).await?;
    outcome
}

fn start(server: Server, database: &str, folder: &TempDir) -> anyhow::Result<Child> {
    let child = Command::new(binary()?)
        .arg("--producer=stdout")
        .arg("--output_ddl=true")
        .arg("--user=maxwell")
        .arg(format!("--host={}", server.address))
        .arg(format!("--http_port={}", free_port()?))
        .arg(format!("--filter=exclude: *.*, include: {database}.*"))
        .arg(format!("--state_file={}", folder.path().join("position").display()))
        .env("MAXWELL_PASSWORD", "maxwell")
        .stdin(Stdio::null())
        .stdout(File::create(folder.path().join("out"))?)
        .stderr(File::create(folder.path().join("log"))?)
        .spawn()?;
    Ok(child)
}

async fn compare(
    server: Server,
    database: &str,
    folder: &TempDir,
    random: usize,
    seed: u64,
) -> anyhow::Result<Outcome> {
    let mut conn = admin(server).await?;
    wait_for(folder, "\"streaming\"", "log").await?;
    conn.query_drop(format!("CREATE DATABASE {database} CHARACTER SET latin1")).await?;
    conn.query_drop(format!("USE {database}")).await?;
    let (mut states, mut refused) = (Vec::new(), 0);
    for statement in statements::fixed().into_iter().chain(statements::random(seed, random)) {
        // The comment comes back in the event's text.
        let marked = format!("/* step {} */ {statement}", states.len());
        match conn.query_drop(marked).await {
            Ok(()) => states.push((statement, expected::tables(&mut conn, database).await?)),
            Err(_) => refused += 1,
        }
    }
    conn.query_drop("CREATE TABLE the_end (id INT)").await?;
    wait_for(folder, "the_end", "out").await?;
    let printed = std::fs::read_to_string(folder.path().join("out"))?;
    let (definitions, different) = differences(&printed, &states)?;
    Ok(Outcome { server: server.name.into(), statements: states.len(), refused, definitions, different })
}

async fn wait_for(folder: &TempDir, text: &str, file: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(folder.path().join(file))?.contains(text) {
        let log = std::fs::read_to_string(folder.path().join("log"))?;
        anyhow::ensure!(
            Instant::now() < deadline,
            "no '{text}' after {PATIENCE:?}; the worker says: {}",
            log.lines().last().unwrap_or_default()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Compares every printed definition with the state after its statement.
fn differences(printed: &str, states: &[(String, Tables)]) -> anyhow::Result<(usize, Vec<String>)> {
    let (mut compared, mut different) = (0, Vec::new());
    for line in printed.lines() {
        let event: Value = serde_json::from_str(line).context("a line is no JSON")?;
        let step = event["sql"].as_str().and_then(step);
        let (Some(step), Some(def)) = (step, event.get("def")) else { continue };
        let Some((statement, tables)) = states.get(step) else { continue };
        let name = def["table"].as_str().unwrap_or_default();
        // A table may be renamed again by the same statement.
        let Some(real) = tables.get(name) else { continue };
        compared += 1;
        let shown = expected::comparable(def);
        if shown != *real {
            different.push(format!("{statement}: printed {shown}, is {real}"));
        }
    }
    Ok((compared, different))
}

fn step(sql: &str) -> Option<usize> {
    sql.split_once("/* step ")?.1.split_once(" */")?.0.parse().ok()
}
