//! Random changes of tables beside random changes of their rows, while workers are killed: per row nothing is lost,
//! comes twice or out of order, and every message has exactly the columns that the table had at the moment.

mod arguments;
mod check;
mod session;
mod table;

use anyhow::Context;
use maxwell_protocol::settings::Delivery;
use mysql_async::prelude::Queryable;
use rdkafka::Message as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::chaos::cluster::{Cluster, Shape};
use crate::consumer::until;
use crate::lab::{Server, admin, unique};
use crate::topic;
pub use arguments::Arguments;
use check::{History, Shown, Verdict, check};
use session::Session;

/// Of a table's renamed rows the order is told by one partition only.
const PARTITIONS: i32 = 1;

/// The table of the last row.
const LAST: &str = "last";

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Sessions that write at a time.
    pub sessions: u64,
    /// Steps of each: a transaction, and with every third one a change of a table.
    pub steps: u32,
    /// How often the worker that streams is killed.
    pub kills: u32,
    /// Members of the cluster; 1 for a lone worker.
    pub members: usize,
    /// Seed of everything random.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The server.
    pub server: String,
    /// Members of the cluster.
    pub members: usize,
    /// Changes of rows.
    pub rows: usize,
    /// Changes of tables.
    pub statements: u64,
    /// How often the worker that streamed was killed.
    pub kills: u32,
    /// What is wrong.
    pub verdict: Verdict,
}

/// One round on one server.
async fn ddl(server: Server, plan: Plan) -> anyhow::Result<Outcome> {
    let name = unique(server.name);
    let mut conn = admin(server).await?;
    conn.query_drop(format!("CREATE DATABASE {name}")).await?;
    let mut sessions = Vec::new();
    for number in 0..plan.sessions {
        sessions.push(Session::new(admin(server).await?, &name, number, plan.seed).await?);
    }
    topic::make(&name, PARTITIONS, "delete").await?;
    let shape = Shape {
        members: plan.members,
        shards: 1,
        session: 15_000,
        delivery: Delivery::ExactlyOnce,
        commit_rows: 50,
        clocks: false,
    };
    let mut cluster = Cluster::start(server, &name, &shape).await?;
    let killed = CancellationToken::new();
    let writers: Vec<_> = sessions
        .into_iter()
        .map(|session| tokio::spawn(write(session, plan.steps, killed.clone())))
        .collect();
    for _ in 0..plan.kills {
        cluster.ready().await?;
        let owner = cluster.owner().await?;
        cluster.end(owner, "KILL").await?;
        cluster.revive()?;
    }
    killed.cancel();
    let mut written = History::new();
    let mut statements = 0;
    for writer in writers {
        let session = writer.await??;
        statements += session.statements;
        written.extend(session.written);
    }
    let rows: usize = written.values().map(Vec::len).sum();
    // Behind everything, so that its arrival says that nothing more comes.
    conn.query_drop(format!("CREATE TABLE {name}.{LAST} (id BIGINT PRIMARY KEY)")).await?;
    conn.query_drop(format!("INSERT INTO {name}.{LAST} VALUES (0)")).await?;
    let topic = name.clone();
    let seen = tokio::task::spawn_blocking(move || seen(&topic)).await??;
    cluster.stop().await?;
    conn.query_drop(format!("DROP DATABASE {name}")).await?;
    topic::delete(&[&name, &format!("{name}.positions")]).await?;
    let (server, members, kills) = (server.name.into(), plan.members, plan.kills);
    Ok(Outcome { server, members, rows, statements, kills, verdict: check(&written, &seen) })
}

/// Steps, at least so many, until all kills are done.
async fn write(mut session: Session, steps: u32, killed: CancellationToken) -> anyhow::Result<Session> {
    let mut done = 0;
    while done < steps || !killed.is_cancelled() {
        session.step().await?;
        done += 1;
    }
    Ok(session)
}

#[derive(Deserialize)]
struct Message<'a> {
    table: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(borrow)]
    old: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Key {
    id: u64,
}

/// The topic's messages up to the last row.
fn seen(topic: &str) -> anyhow::Result<History> {
    let mut seen = History::new();
    until(topic, |message| {
        let text = message.payload().context("a message without a value")?;
        let Message { table, kind, data, old } = serde_json::from_slice(text)
            .with_context(|| format!("not a change: {}", String::from_utf8_lossy(text)))?;
        if table == LAST {
            return Ok(true);
        }
        let Key { id } = serde_json::from_str(data.get())?;
        let old = old.map_or("", RawValue::get).to_owned();
        seen.entry(id).or_default().push(Shown { table, kind, data: data.get().to_owned(), old });
        Ok(false)
    })?;
    Ok(seen)
}
