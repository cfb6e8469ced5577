//! Going back: a rewind by file and offset, and a restore, whose owner is killed as soon as the earlier position is
//! committed. Consumers see exactly what came behind the place once more, under the same ids, and nothing is left out.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use maxwell_protocol::history::Trigger;
use maxwell_protocol::id::ShardId;
use maxwell_protocol::member::ShardState;
use maxwell_protocol::reader::TreeReader;
use maxwell_protocol::snapshot::ClusterSnapshot;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rdkafka::Message as _;
use rdkafka::message::Headers;
use serde::Deserialize;

use crate::cli::{cli, refused};
use crate::consumer::until;
use crate::lab::{Server, ZOOKEEPER, admin, named, unique};
use crate::output::line;
use crate::topic;
use crate::worker::{Spec, Worker, free_port};

const PATIENCE: Duration = Duration::from_secs(60);

/// What can be asked of it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The lab's names of the servers to take.
    #[arg(long, value_delimiter = ',', default_value = "mysql80")]
    servers: Vec<String>,
}

impl Arguments {
    /// Runs it.
    pub async fn run(&self) -> anyhow::Result<()> {
        for server in named(&self.servers)? {
            line(&rewind(server).await?)?;
        }
        Ok(())
    }
}

/// A cluster of two, and the table that it streams.
struct Lab {
    name: String,
    conn: Conn,
    tree: TreeReader,
    workers: Vec<Worker>,
    shard: ShardId,
}

/// How many rows were seen, and how many of them were seen before.
async fn rewind(server: Server) -> anyhow::Result<serde_json::Value> {
    let name = unique("rewind");
    let file = std::env::temp_dir().join(format!("{name}.json"));
    let mut lab = Lab::start(server, &name).await?;
    let done = exercise(&mut lab, &file).await;
    let _removed = std::fs::remove_file(&file);
    let seen = done?;
    drop(lab.workers);
    lab.conn.query_drop(format!("DROP DATABASE {name}")).await?;
    topic::delete(&[&name, &format!("{name}.positions")]).await?;
    let wanted: Vec<u64> = [1..=40, 31..=41, 21..=42].into_iter().flatten().collect();
    let rows: Vec<u64> = seen.iter().map(|(row, _)| *row).collect();
    anyhow::ensure!(rows == wanted, "seen: {rows:?}");
    let mut ids = HashMap::new();
    for (row, id) in &seen {
        let first = ids.entry(row).or_insert(id);
        anyhow::ensure!(*first == id, "row {row} came as {first} and as {id}");
    }
    Ok(serde_json::json!({"server": server.name, "rows": rows.len(), "repeated": rows.len() - ids.len()}))
}

async fn exercise(lab: &mut Lab, file: &Path) -> anyhow::Result<Vec<(u64, String)>> {
    let path = file.to_str().context("a path that is no text")?;
    lab.insert(1..=20).await?;
    lab.pause().await?;
    lab.cli(&["backup", path]).await?;
    lab.resume().await?;
    lab.insert(21..=30).await?;
    let behind_30 = lab.pause().await?;
    lab.resume().await?;
    lab.insert(31..=40).await?;
    refusals(lab, path, &behind_30).await?;
    lab.cli(&["rewind", "0", "--to", &behind_30, "--yes"]).await?;
    lab.insert(41..=41).await?;
    lab.pause().await?;
    let seen = lab.tree.snapshot().await?;
    let (owner, _) = seen.owner(&lab.shard).context("nobody owns the shard")?;
    let owner = owner.id.clone();
    let at = lab.workers.iter().position(|worker| worker.spec.name == owner.as_str());
    let at = at.context("the owner is none of the members")?;
    lab.workers[at].arm("commit-answered", 0).await?;
    lab.cli(&["restore", path, "--yes"]).await?;
    anyhow::ensure!(lab.workers[at].has_ended(), "the owner outlived its commit");
    lab.resume().await?;
    lab.insert(42..=42).await?;
    let rewound = lab.tree.snapshot().await?.history;
    let told = rewound.entries.iter().filter(|entry| entry.trigger == Trigger::Rewound).count();
    anyhow::ensure!(told == 2, "{rewound:?}");
    lab.seen(42).await
}

/// What is refused leaves the position where it is.
async fn refusals(lab: &Lab, backup: &str, behind_30: &str) -> anyhow::Result<()> {
    let ahead = format!("{}:4000000000", behind_30.split(':').next().unwrap_or_default());
    for (arguments, words) in [
        (vec!["rewind", "0", "--to", behind_30], "Give --yes"),
        (vec!["rewind", "0", "--to", behind_30, "--server", "another", "--yes"], "is of server another"),
        (vec!["rewind", "0", "--to", &ahead, "--yes"], "the file has only"),
        (vec!["rewind", "0", "--to", "no-such-file.000001:4", "--yes"], "it is purged, or another server's"),
        (vec!["rewind", "7", "--to", behind_30, "--yes"], "there is no shard '7'"),
        (vec!["rewind", "0", "--to", "yesterday", "--yes"], "is none of earliest"),
        (vec!["restore", backup, "--yes"], "shard 0 is not paused"),
    ] {
        refused(&lab.root(), &arguments, words).await?;
    }
    Ok(())
}

impl Lab {
    async fn start(server: Server, name: &str) -> anyhow::Result<Self> {
        let mut conn = admin(server).await?;
        conn.query_drop(format!("CREATE DATABASE {name}")).await?;
        conn.query_drop(format!("CREATE TABLE {name}.t (id BIGINT UNSIGNED PRIMARY KEY)")).await?;
        topic::make(name, 1, "delete").await?;
        let mut workers = Vec::new();
        for number in 0..2 {
            let mut spec = Spec::kafka(server, name, name, &format!("{name}-{number}"), free_port()?);
            spec.arguments.push(format!("--filter=exclude: *.*, include: {name}.*"));
            workers.push(Worker::start(&spec.together(name)?)?);
        }
        for worker in &workers {
            worker.ready(PATIENCE).await?;
        }
        let tree = TreeReader::connect(ZOOKEEPER, &format!("/tests/{name}"), None).await?;
        let lab = Self { name: name.to_owned(), conn, tree, workers, shard: "0".into() };
        lab.until(ShardState::Streaming).await?;
        Ok(lab)
    }

    /// Each in a transaction of its own; all of them have come then.
    async fn insert(&mut self, ids: std::ops::RangeInclusive<u64>) -> anyhow::Result<()> {
        let last = *ids.end();
        for id in ids {
            self.conn.query_drop(format!("INSERT INTO {}.t VALUES ({id})", self.name)).await?;
        }
        self.seen(last).await.map(drop)
    }

    /// Rows with their ids, up to the first time that `last` comes.
    async fn seen(&self, last: u64) -> anyhow::Result<Vec<(u64, String)>> {
        #[derive(Deserialize)]
        struct Message {
            data: Row,
        }
        #[derive(Deserialize)]
        struct Row {
            id: u64,
        }
        let topic = self.name.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let mut seen = Vec::new();
            until(&topic, |message| {
                let text = message.payload().context("a message without a value")?;
                let Message { data: Row { id: row } } = serde_json::from_slice(text)?;
                let headers = message.headers().context("a message without headers")?;
                let id = headers.iter().find(|header| header.key == "id").and_then(|header| header.value);
                seen.push((row, String::from_utf8(id.context("a message without an id")?.to_vec())?));
                Ok(row == last)
            })?;
            anyhow::Ok(seen)
        });
        reading.await?
    }

    async fn until(&self, state: ShardState) -> anyhow::Result<ClusterSnapshot> {
        let shown = async {
            loop {
                let seen = self.tree.snapshot().await?;
                if seen.owner(&self.shard).is_some_and(|(_, report)| report.state == state) {
                    return anyhow::Ok(seen);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, shown).await.with_context(|| format!("the shard is not {state:?}"))?
    }

    /// Pauses; where the shard is then.
    async fn pause(&self) -> anyhow::Result<String> {
        self.cli(&["pause"]).await?;
        let seen = self.until(ShardState::Paused).await?;
        let position = seen.positions.get(&self.shard).context("no position")?;
        Ok(format!("{}:{}", position.binlog_file, position.binlog_position))
    }

    async fn resume(&self) -> anyhow::Result<()> {
        self.cli(&["resume"]).await?;
        self.until(ShardState::Streaming).await.map(drop)
    }

    fn root(&self) -> String {
        format!("/tests/{}", self.name)
    }

    async fn cli(&self, arguments: &[&str]) -> anyhow::Result<()> {
        cli(&self.root(), arguments).await.map(drop)
    }
}
