//! A cluster at rest: what its members write to ZooKeeper while the source has nothing for them.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::lab::{Server, ZOOKEEPER, named, unique};
use crate::output::line;
use crate::topic;
use crate::worker::{Spec, Worker, free_port};

const PATIENCE: Duration = Duration::from_secs(60);
/// Members write their records this often by default.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// After a first start positions are written once more.
const SETTLE: Duration = Duration::from_secs(15);

/// What can be asked of it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Members of the cluster.
    #[arg(long, default_value_t = 3)]
    members: usize,
    /// For how long.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// Writes of a member in a minute, its heartbeats aside, that are too many.
    #[arg(long, default_value_t = 5.0)]
    limit: f64,
}

impl Arguments {
    /// Runs it.
    pub async fn run(&self) -> anyhow::Result<()> {
        let span = Duration::from_secs(self.seconds);
        let outcome = rest(named(&["mysql80".to_owned()])?[0], self.members, span).await?;
        line(&outcome)?;
        let (writes, limit) = (outcome.beside_heartbeats_a_minute, self.limit);
        anyhow::ensure!(
            writes < limit,
            "{writes:.1} writes a minute beside heartbeats, {limit} are too many"
        );
        Ok(())
    }
}

/// What was written.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Members of the cluster.
    pub members: usize,
    /// For how long.
    pub seconds: f64,
    /// Writes in all, by ZooKeeper's own count.
    pub writes: u64,
    /// What each member wrote in a minute beside its heartbeats.
    pub beside_heartbeats_a_minute: f64,
}

/// Starts `members` on `server` and counts for `span`.
async fn rest(server: Server, members: usize, span: Duration) -> anyhow::Result<Outcome> {
    let name = unique("rest");
    let mut workers = Vec::new();
    for number in 0..members {
        let spec = Spec::kafka(server, &name, &name, &format!("{name}-{number}"), free_port()?);
        workers.push(Worker::start(&spec.together(&name)?)?);
    }
    for worker in &workers {
        worker.ready(PATIENCE).await?;
    }
    tokio::time::sleep(SETTLE).await;
    let (begun, before) = (Instant::now(), last_write().await?);
    tokio::time::sleep(span).await;
    let writes = last_write().await? - before;
    let seconds = begun.elapsed().as_secs_f64();
    drop(workers);
    topic::delete(&[&format!("{name}.positions")]).await?;
    let heartbeats = members as f64 * seconds / HEARTBEAT.as_secs_f64();
    let beside = (writes as f64 - heartbeats) / members as f64 * 60.0 / seconds;
    Ok(Outcome { members, seconds, writes, beside_heartbeats_a_minute: beside })
}

/// The number of the last write that any server of the ensemble knows of.
async fn last_write() -> anyhow::Result<u64> {
    let mut last = 0;
    for address in ZOOKEEPER.split(',') {
        let mut server = TcpStream::connect(address).await?;
        server.write_all(b"srvr").await?;
        let mut told = String::new();
        server.read_to_string(&mut told).await?;
        let number = told.lines().find_map(|line| line.strip_prefix("Zxid: 0x"));
        let number = number.with_context(|| format!("{address} tells no Zxid: {told}"))?;
        last = last.max(u64::from_str_radix(number, 16)?);
    }
    Ok(last)
}
