//! Copies of tables beside the stream: a table is changed while it is copied and the worker is killed; at the end
//! every row's last message is what the table holds, in order, nothing lost and nothing twice.

pub mod check;
pub mod load;
pub mod reader;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use serde::Serialize;

use crate::lab::{Server, admin, unique};
use crate::topic;
use crate::worker::{Spec, Worker, free_port};
use check::{Kind, check};

/// A moved row's message is on the partition of its new key; with one partition it has an order with the old key, too.
const PARTITIONS: i32 = 1;
const PATIENCE: Duration = Duration::from_secs(600);

/// The table in which copies are asked for, as the original makes it.
const REQUESTS: &str = "id INT AUTO_INCREMENT PRIMARY KEY, database_name VARCHAR(255) NOT NULL, \
    table_name VARCHAR(255) NOT NULL, where_clause TEXT, is_complete TINYINT(1) UNSIGNED NOT NULL DEFAULT 0, \
    inserted_rows BIGINT UNSIGNED NOT NULL DEFAULT 0, total_rows BIGINT UNSIGNED NOT NULL DEFAULT 0, \
    created_at DATETIME, started_at DATETIME, completed_at DATETIME, binlog_file VARCHAR(255), \
    binlog_position INT UNSIGNED DEFAULT 0, client_id VARCHAR(255) NOT NULL DEFAULT 'maxwell', comment VARCHAR(255)";

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Rows of the table.
    pub rows: u64,
    /// Changes a second beside the copy.
    pub changes: u32,
    /// How often the worker is killed on the way.
    pub kills: u64,
    /// Whether the source's GTIDs are left alone.
    pub without_gtid: bool,
    /// Seed of the changes.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The server.
    pub server: String,
    /// Rows that the copy showed; the stream showed the others.
    pub copied: u64,
    /// Messages of the stream.
    pub streamed: u64,
    /// How often the worker was killed.
    pub kills: u64,
    /// Rows of the table a second, from the request to `bootstrap-complete` at a consumer.
    pub rows_per_second: u64,
}

/// Copies a table of `server` while it is changed.
pub async fn bootstrap(server: Server, plan: Plan) -> anyhow::Result<Outcome> {
    let name = unique(&format!("bootstrap_{}", server.name));
    let mut conn = admin(server).await?;
    load::fill(&mut conn, &name, plan.rows).await?;
    conn.query_drop(format!("CREATE TABLE {name}.bootstrap ({REQUESTS})")).await?;
    topic::make(&name, PARTITIONS, "delete").await?;
    let outcome = run(server, plan, &name).await;
    conn.query_drop(format!("DROP DATABASE {name}")).await?;
    topic::delete(&[&name, &format!("{name}.positions")]).await?;
    outcome
}

async fn run(server: Server, plan: Plan, name: &str) -> anyhow::Result<Outcome> {
    let mut spec = Spec::kafka(server, name, name, name, free_port()?);
    spec.arguments.push(format!("--filter=exclude: *.*, include: {name}.{name}"));
    spec.arguments.push(format!("--schema_database={name}"));
    if plan.without_gtid {
        // Of the settings that no option names.
        let file = std::env::temp_dir().join(format!("{name}.yaml"));
        std::fs::write(&file, format!("mysql: {{host: {}, gtid: Off}}\n", server.address))?;
        spec.arguments.push(format!("--settings={}", file.display()));
    }
    let mut worker = Worker::start(&spec)?;
    worker.ready(PATIENCE).await?;
    let consumer = reader::start(name, PARTITIONS, name)?;
    let counts = Arc::clone(&consumer.counts);
    let stop = Arc::new(AtomicBool::new(false));
    let mut writer = admin(server).await?;
    writer.query_drop(format!("USE {name}")).await?;
    let load = (plan.rows, plan.changes, plan.seed);
    let changing = tokio::spawn(load::change(writer, name.to_owned(), load, Arc::clone(&stop)));
    let mut conn = admin(server).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    conn.query_drop(format!(
        "INSERT INTO {name}.bootstrap (database_name, table_name) VALUES ('{name}', '{name}')"
    ))
    .await?;
    let begun = Instant::now();
    let mut killed = 0;
    while !counts.complete.load(Ordering::Acquire) {
        anyhow::ensure!(begun.elapsed() < PATIENCE, "the copy is not complete after {PATIENCE:?}");
        anyhow::ensure!(!worker.has_ended(), "the worker has ended, see its log");
        let due = plan.rows * (killed + 1) / (plan.kills + 1);
        if killed < plan.kills && counts.copied.load(Ordering::Acquire) >= due {
            worker.signal("KILL")?;
            worker.wait()?;
            worker = Worker::start(&spec)?;
            killed += 1;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let rows_per_second = (plan.rows as f64 / begun.elapsed().as_secs_f64()) as u64;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.store(true, Ordering::Release);
    changing.await??;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let seen = tokio::task::spawn_blocking(move || consumer.finish()).await??;
    let verdict = check(&load::contents(&mut conn, name).await?, &seen);
    anyhow::ensure!(verdict.is_clean(), "{}: {}", server.name, serde_json::to_string(&verdict)?);
    anyhow::ensure!(killed == plan.kills, "killed {killed} times only");
    let count = |kinds: &[Kind]| seen.iter().filter(|event| kinds.contains(&event.kind)).count() as u64;
    Ok(Outcome {
        server: server.name.into(),
        copied: count(&[Kind::Copied]),
        streamed: count(&[Kind::Written, Kind::Deleted]),
        kills: killed,
        rows_per_second,
    })
}
