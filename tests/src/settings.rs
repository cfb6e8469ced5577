//! Settings are changed while two workers run: each takes them on, wrong ones are refused and the old ones kept, and a
//! transaction is finished under the filter that it was begun under, though its owner is killed inside it and another
//! filter is set before its successor goes on.

use std::time::{Duration, Instant};

use anyhow::Context;
use maxwell_protocol::reader::TreeReader;
use maxwell_protocol::snapshot::ClusterSnapshot;
use mysql_async::prelude::Queryable;

use crate::cli::{cli, refused};
use crate::filtered::{begin, seen, shown};
use crate::lab::{Server, ZOOKEEPER, admin, named, unique};
use crate::output::line;
use crate::topic;
use crate::worker::{Spec, Worker, free_port};

const PATIENCE: Duration = Duration::from_secs(60);

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
            line(&settings(server, self.rows).await?)?;
        }
        Ok(())
    }
}

/// How many rows came of a transaction of `rows`, half of them dropped by the filter of its beginning.
async fn settings(server: Server, rows: usize) -> anyhow::Result<serde_json::Value> {
    let name = unique("settings");
    let root = format!("/tests/{name}");
    let mut conn = admin(server).await?;
    conn.query_drop(format!("CREATE DATABASE {name}")).await?;
    for table in ["shown", "dropped"] {
        let columns = "(id INT PRIMARY KEY, pad VARCHAR(200))";
        conn.query_drop(format!("CREATE TABLE {name}.{table} {columns}")).await?;
    }
    topic::make(&name, 1, "delete").await?;
    let mut workers = Vec::new();
    for number in 0..2 {
        let mut spec = Spec::kafka(server, &name, &name, &format!("{name}-{number}"), free_port()?);
        spec.arguments.push(format!("--filter=exclude: *.*, include: {name}.*"));
        workers.push(Worker::start(&spec.together(&name)?)?);
    }
    for worker in &workers {
        worker.ready(PATIENCE).await?;
    }
    let tree = TreeReader::connect(ZOOKEEPER, &root, None).await?;
    refusals(&root, &tree).await?;
    let set = format!("filter=exclude: *.*, include: {name}.shown");
    cli(&root, &["settings", "set", &set, "logging.level=Debug", "bootstrap.maxRowsPerSecond=700"]).await?;
    let changed = tree.snapshot().await?;
    anyhow::ensure!(heed(&changed, 2), "{changed:?}");
    until_debug(&workers).await?;
    begin(&mut conn, &name, rows).await?;
    let (owner, _) = changed.owner(&"0".into()).context("nobody owns the shard")?;
    let at = workers.iter().position(|worker| worker.spec.name == owner.id.as_str());
    let mut owner = workers.swap_remove(at.context("the owner is none of the members")?);
    owner.arm("commit-answered", 0).await?;
    conn.query_drop("COMMIT").await?;
    owner.ends(PATIENCE).await?;
    let before_the_kill = topic::length(&name).await?;
    cli(&root, &["settings", "unset", "filter"]).await?;
    conn.query_drop(format!("INSERT INTO {name}.dropped VALUES (0, 'last')")).await?;
    let topic = name.clone();
    let came = tokio::task::spawn_blocking(move || seen(&topic)).await??;
    drop(workers);
    conn.query_drop(format!("DROP DATABASE {name}")).await?;
    topic::delete(&[&name, &format!("{name}.positions")]).await?;
    let wanted: Vec<usize> = (1..=rows).filter(|id| shown(*id)).collect();
    anyhow::ensure!(came == wanted, "of {} rows, {} came", wanted.len(), came.len());
    anyhow::ensure!((1..wanted.len()).contains(&before_the_kill), "{before_the_kill} before the kill");
    Ok(serde_json::json!({"server": server.name, "rows": came.len(), "before_the_kill": before_the_kill}))
}

/// Whether `members` members run with what the cluster says.
fn heed(seen: &ClusterSnapshot, members: usize) -> bool {
    let heeds = seen.members.values().filter(|member| {
        let here = member.settings.settings.fields();
        member.settings.version == seen.live.version
            && member.settings.refused.is_empty()
            && seen.live.settings.fields().iter().all(|(name, value)| here.get(name) == Some(value))
    });
    heeds.count() == members
}

/// What is wrong is named with its mend and changes nothing, at no member.
async fn refusals(root: &str, tree: &TreeReader) -> anyhow::Result<()> {
    let in_force = |seen: ClusterSnapshot| {
        let members = seen.members.into_values().map(|member| member.settings.settings);
        (seen.live.settings, members.collect::<Vec<_>>())
    };
    let before = in_force(tree.snapshot().await?);
    for (setting, words) in [
        ("filter=exclude shop", "see Maxwell's filter language"),
        ("filter=include: a./(/", "is not a regular expression"),
        ("logging.level=Loud", "logging.level: 'Loud' is not understood"),
        ("failover.maxLagSeconds=0", "set it to 1 or more"),
        ("kafka.commit.intervalMilliseconds=90000", "set it to 1 up to 6000"),
        ("mysql.host=db", "these can: filter"),
    ] {
        refused(root, &["settings", "set", setting], words).await?;
    }
    refused(root, &["settings", "unset", "mysql.host"], "these can: filter").await?;
    let after = tree.snapshot().await?;
    anyhow::ensure!(in_force(after) == before, "a wrong setting changed something");
    Ok(())
}

/// Waits until a worker's log has a line that only its new level lets through.
async fn until_debug(workers: &[Worker]) -> anyhow::Result<()> {
    let has_any = |worker: &Worker| {
        let log = std::env::temp_dir().join(format!("maxwell-tests-{}.log", worker.spec.name));
        std::fs::read_to_string(log).is_ok_and(|text| text.contains("DEBUG"))
    };
    let deadline = Instant::now() + PATIENCE;
    while !workers.iter().any(has_any) {
        anyhow::ensure!(Instant::now() < deadline, "nobody logs anything of level DEBUG");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
