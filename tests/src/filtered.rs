//! A large transaction is finished under the filter that it was begun under, though that was set live and the worker is
//! killed inside the transaction; what comes behind it goes by the filter of the settings again.

use std::time::Duration;

use anyhow::Context;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rdkafka::Message as _;
use serde::{Deserialize, Serialize};

use crate::consumer::until;
use crate::lab::{Server, admin, named, unique};
use crate::output::line;
use crate::topic;
use crate::worker::{Spec, Worker, free_port};

const PATIENCE: Duration = Duration::from_secs(120);
/// Rows that one statement changes.
const AT_ONCE: usize = 500;

/// What can be asked of it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Rows of the transaction.
    #[arg(long, default_value_t = 200_000)]
    rows: usize,
    /// The lab's names of the servers to take.
    #[arg(long, value_delimiter = ',', default_value = "mysql80")]
    servers: Vec<String>,
}

impl Arguments {
    /// Runs it.
    pub async fn run(&self) -> anyhow::Result<()> {
        for server in named(&self.servers)? {
            line(&filtered(server, self.rows).await?)?;
        }
        Ok(())
    }
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The server.
    pub server: String,
    /// Rows of the transaction that the live filter let through.
    pub rows: usize,
    /// How many records were there when the worker had ended inside it.
    pub before_the_kill: usize,
}

/// Streams a transaction of `rows` rows, half of them of a table that the live filter drops.
async fn filtered(server: Server, rows: usize) -> anyhow::Result<Outcome> {
    let name = unique(server.name);
    let mut conn = admin(server).await?;
    conn.query_drop(format!("CREATE DATABASE {name}")).await?;
    for table in ["shown", "dropped"] {
        conn.query_drop(format!("CREATE TABLE {name}.{table} (id INT PRIMARY KEY, pad VARCHAR(200))"))
            .await?;
    }
    topic::make(&name, 1, "delete").await?;
    let mut spec = Spec::kafka(server, &name, &name, &name, free_port()?);
    spec.arguments.push(format!("--filter=exclude: *.*, include: {name}.*"));
    spec.arguments.push("--http_config=true".to_owned());
    let mut worker = Worker::start(&spec)?;
    worker.ready(PATIENCE).await?;
    worker.set_filter(&format!("exclude: *.*, include: {name}.shown")).await?;
    begin(&mut conn, &name, rows).await?;
    // The first commit to Kafka is one of many that the rows take.
    worker.arm("commit-answered", 0).await?;
    conn.query_drop("COMMIT").await?;
    worker.ends(PATIENCE).await?;
    let before_the_kill = topic::length(&name).await?;
    anyhow::ensure!(
        (1..rows / 2).contains(&before_the_kill),
        "{before_the_kill} records were committed before the worker ended, of {} in all",
        rows / 2
    );
    let worker = Worker::start(&spec)?;
    worker.ready(PATIENCE).await?;
    // The settings' filter takes it, and it says that nothing more comes.
    conn.query_drop(format!("INSERT INTO {name}.dropped VALUES (0, 'last')")).await?;
    let topic = name.clone();
    let seen = tokio::task::spawn_blocking(move || seen(&topic)).await??;
    drop(worker);
    conn.query_drop(format!("DROP DATABASE {name}")).await?;
    topic::delete(&[&name, &format!("{name}.positions")]).await?;
    let wanted: Vec<usize> = (1..=rows).filter(|id| shown(*id)).collect();
    anyhow::ensure!(
        seen == wanted,
        "of {} rows of the table that is shown, {} came; {before_the_kill} before the kill",
        wanted.len(),
        seen.len()
    );
    Ok(Outcome { server: server.name.into(), rows: seen.len(), before_the_kill })
}

/// Whether a row is of the table that the live filter takes: they alternate, statement by statement.
pub(crate) fn shown(id: usize) -> bool {
    ((id - 1) / AT_ONCE).is_multiple_of(2)
}

/// All of the transaction but its end.
pub(crate) async fn begin(conn: &mut Conn, name: &str, rows: usize) -> anyhow::Result<()> {
    conn.query_drop("BEGIN").await?;
    let ids: Vec<usize> = (1..=rows).collect();
    for some in ids.chunks(AT_ONCE) {
        let table = if shown(some[0]) { "shown" } else { "dropped" };
        let values: Vec<String> = some.iter().map(|id| format!("({id},REPEAT('x',150))")).collect();
        conn.query_drop(format!("INSERT INTO {name}.{table} VALUES {}", values.join(","))).await?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Message<'a> {
    table: &'a str,
    data: Row,
}

#[derive(Deserialize)]
struct Row {
    id: usize,
}

/// Ids up to the last row, in their order; of the other table there must be none.
pub(crate) fn seen(topic: &str) -> anyhow::Result<Vec<usize>> {
    let mut seen = Vec::new();
    until(topic, |message| {
        let text = message.payload().context("a message without a value")?;
        let Message { table, data } = serde_json::from_slice(text)?;
        if table == "shown" {
            seen.push(data.id);
            return Ok(false);
        }
        anyhow::ensure!(data.id == 0, "row {} came of the table that the live filter drops", data.id);
        Ok(true)
    })?;
    Ok(seen)
}
