//! Copies of tables beside the stream: a table is changed while it is copied and the worker is killed; at the end
//! every row's last message is what the table holds, in order, nothing lost and nothing twice.

mod arguments;
pub mod check;
pub mod load;
pub mod reader;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use maxwell_protocol::position::PositionRecord;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use serde::Serialize;
use tokio::task::JoinHandle;

use crate::bench::process::{Usage, usage};
use crate::lab::{Server, admin, unique};
use crate::positions::Positions;
use crate::topic;
use crate::worker::{Spec, Worker, free_port};
pub use arguments::Arguments;
use check::{Event, Kind, check};
use load::{Keys, Load};

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
    /// Whether the changes are logged with the changed columns only.
    pub minimal: bool,
    /// What tells the table's rows apart.
    pub keys: Keys,
    /// Whether some changes move a row to another key.
    pub moves: bool,
    /// Seed of the changes.
    pub seed: u64,
}

impl Plan {
    /// A moved row's message is on the partition of its new key; with one partition it has an order with the old key,
    /// too.
    fn partitions(self) -> i32 {
        if self.moves || self.keys != Keys::Primary { 1 } else { 4 }
    }
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
    /// Rows of the table a second, from the request until the copy's end is committed.
    pub rows_per_second: u64,
    /// Changes a second that were written beside it.
    pub changes_per_second: u64,
    /// Processor time and peak memory of the worker that ended the copy.
    #[serde(skip)]
    pub(crate) usage: Usage,
}

/// Copies a table of `server` while it is changed.
async fn bootstrap(server: Server, plan: Plan) -> anyhow::Result<Outcome> {
    let table = Table::make(server, plan.rows, plan.keys).await?;
    let outcome = table.copy(plan).await;
    table.delete().await?;
    outcome
}

/// Behind the table's name: the database that is Maxwell's own, of which nothing but requests is read.
const OWN: &str = "_own";

/// A table to be copied, in a database of its name, with a table of requests in another.
pub(crate) struct Table {
    server: Server,
    name: String,
}

/// How a copy went, before it is looked at what came of it.
struct Ended {
    begun: Instant,
    elapsed: Duration,
    kills: u64,
    usage: Usage,
}

impl Table {
    /// Makes it.
    pub(crate) async fn make(server: Server, rows: u64, keys: Keys) -> anyhow::Result<Self> {
        let name = unique(&format!("bootstrap_{}", server.name));
        let mut conn = admin(server).await?;
        load::fill(&mut conn, &name, rows, keys).await?;
        conn.query_drop(format!("CREATE DATABASE {name}{OWN}")).await?;
        conn.query_drop(format!("CREATE TABLE {name}{OWN}.bootstrap ({REQUESTS})")).await?;
        Ok(Self { server, name })
    }

    /// Takes it away.
    pub(crate) async fn delete(self) -> anyhow::Result<()> {
        let mut conn = admin(self.server).await?;
        conn.query_drop(format!("DROP DATABASE {}", self.name)).await?;
        conn.query_drop(format!("DROP DATABASE {}{OWN}", self.name)).await?;
        Ok(())
    }

    /// Copies it as a cluster of its own.
    pub(crate) async fn copy(&self, plan: Plan) -> anyhow::Result<Outcome> {
        let cluster = unique(&self.name);
        topic::make(&cluster, plan.partitions(), "delete").await?;
        let outcome = self.run(plan, &cluster).await;
        topic::delete(&[&cluster, &format!("{cluster}.positions")]).await?;
        outcome
    }

    async fn run(&self, plan: Plan, cluster: &str) -> anyhow::Result<Outcome> {
        let Self { server, name } = self;
        let spec = self.spec(plan, cluster)?;
        let mut worker = Worker::start(&spec)?;
        worker.ready(PATIENCE).await?;
        let positions = Positions::follow(&format!("{cluster}.positions"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let changing = self.change(plan, &stop).await?;
        let ended = self.until_copied(plan, &mut worker, &positions).await?;
        // What comes behind the copy is looked at, too.
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.store(true, Ordering::Release);
        changing.await??;
        let changed = ended.begun.elapsed();
        let mut conn = admin(*server).await?;
        let head = head(&mut conn).await?;
        until(&positions, &mut worker, |record| has_passed(record, &head)).await?;
        worker.signal("TERM")?;
        worker.wait()?;
        let (topic, table) = (cluster.to_owned(), name.clone());
        let mut seen = tokio::task::spawn_blocking(move || reader::read(&topic, &table)).await??;
        if plan.keys == Keys::None {
            // Without a key an interrupted copy begins anew.
            forget_interrupted(&mut seen);
        }
        // Without a key the whole copy may fit into one Kafka transaction, which no kill can divide.
        anyhow::ensure!(
            ended.kills == plan.kills || plan.keys == Keys::None,
            "killed {} times only",
            ended.kills
        );
        let verdict = check(&load::contents(&mut conn, name).await?, &seen);
        anyhow::ensure!(verdict.is_clean(), "{}: {}", server.name, serde_json::to_string(&verdict)?);
        let count = |kinds: &[Kind]| seen.iter().filter(|event| kinds.contains(&event.kind)).count() as u64;
        let streamed = count(&[Kind::Written, Kind::Changed, Kind::Deleted]);
        Ok(Outcome {
            server: server.name.into(),
            copied: count(&[Kind::Copied]),
            streamed,
            kills: ended.kills,
            rows_per_second: (plan.rows as f64 / ended.elapsed.as_secs_f64()) as u64,
            changes_per_second: (streamed as f64 / changed.as_secs_f64()) as u64,
            usage: ended.usage,
        })
    }

    fn spec(&self, plan: Plan, cluster: &str) -> anyhow::Result<Spec> {
        let Self { server, name } = self;
        let mut spec = Spec::kafka(*server, cluster, cluster, cluster, free_port()?);
        spec.arguments.push(format!("--filter=exclude: *.*, include: {name}.{name}"));
        spec.arguments.push(format!("--schema_database={name}{OWN}"));
        if plan.without_gtid {
            // Of the settings that no option names.
            let file = std::env::temp_dir().join(format!("{cluster}.yaml"));
            std::fs::write(&file, format!("mysql: {{host: {}, gtid: Off}}\n", server.address))?;
            spec.arguments.push(format!("--settings={}", file.display()));
        }
        Ok(spec)
    }

    async fn change(
        &self,
        plan: Plan,
        stop: &Arc<AtomicBool>,
    ) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
        let mut writer = admin(self.server).await?;
        writer.query_drop(format!("USE {}", self.name)).await?;
        if plan.minimal {
            writer.query_drop("SET SESSION binlog_row_image=MINIMAL").await?;
        }
        let load = Load { rows: plan.rows, per_second: plan.changes, seed: plan.seed, moves: plan.moves };
        Ok(tokio::spawn(load::change(writer, self.name.clone(), load, Arc::clone(stop))))
    }

    /// Asks for the copy, and kills the worker on the way.
    async fn until_copied(
        &self,
        plan: Plan,
        worker: &mut Worker,
        positions: &Positions,
    ) -> anyhow::Result<Ended> {
        let name = &self.name;
        let mut conn = admin(self.server).await?;
        conn.query_drop(format!(
            "INSERT INTO {name}{OWN}.bootstrap (database_name, table_name) VALUES ('{name}', '{name}')"
        ))
        .await?;
        let begun = Instant::now();
        let asked = head(&mut conn).await?;
        let is_complete =
            |record: &PositionRecord| has_passed(record, &asked) && record.bootstrap.tasks.is_empty();
        let mut kills = 0;
        for killed in 1..=plan.kills {
            let due = plan.rows * killed / (plan.kills + 1);
            let copied = |record: &PositionRecord| record.bootstrap.tasks.first().map(|task| task.rows);
            let reached = |record: &PositionRecord| {
                is_complete(record) || copied(record).is_some_and(|rows| rows >= due)
            };
            if is_complete(&until(positions, worker, reached).await?) {
                break;
            }
            worker.signal("KILL")?;
            worker.wait()?;
            *worker = Worker::start(&worker.spec)?;
            kills = killed;
        }
        until(positions, worker, is_complete).await?;
        Ok(Ended { begun, elapsed: begun.elapsed(), kills, usage: usage(worker.id())? })
    }
}

/// Leaves out the copies before the last that was begun.
fn forget_interrupted(seen: &mut Vec<Event>) {
    let last = seen.iter().rposition(|event| event.kind == Kind::Start).unwrap_or(0);
    let mut at = 0;
    seen.retain(|event| {
        at += 1;
        at > last || !matches!(event.kind, Kind::Start | Kind::Copied)
    });
}

/// Waits for a committed position.
async fn until(
    positions: &Positions,
    worker: &mut Worker,
    reached: impl Fn(&PositionRecord) -> bool,
) -> anyhow::Result<PositionRecord> {
    let mut latest = positions.latest.clone();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let waited = latest.wait_for(|record| record.as_ref().is_some_and(&reached));
        match tokio::time::timeout(Duration::from_secs(1), waited).await {
            Ok(Ok(record)) => return record.clone().context("no position"),
            Ok(Err(_)) => anyhow::bail!("the position topic cannot be read"),
            Err(_) => {
                anyhow::ensure!(!worker.has_ended(), "the worker has ended, see its log");
                anyhow::ensure!(Instant::now() < deadline, "no progress that is enough after {PATIENCE:?}");
            }
        }
    }
}

/// The end of the server's binlog.
async fn head(conn: &mut Conn) -> anyhow::Result<(String, u64)> {
    let row = match conn.query_first::<Row, _>("SHOW MASTER STATUS").await {
        Ok(row) => row,
        Err(_) => conn.query_first("SHOW BINARY LOG STATUS").await?,
    };
    let row = row.context("the server writes no binlog")?;
    Ok((row.get(0).context("no file")?, row.get(1).context("no offset")?))
}

fn has_passed(record: &PositionRecord, (file, offset): &(String, u64)) -> bool {
    let position = &record.position;
    // The numbers at the end of the files' names are padded.
    (position.file.as_str(), position.offset) >= (file.as_str(), *offset)
}
