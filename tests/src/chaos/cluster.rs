//! The workers of one round, and what is done to their processes.

use std::time::{Duration, Instant};

use anyhow::Context;
use maxwell_protocol::settings::Delivery;
use procfs::process::Process;

use crate::clock::Clock;
use crate::lab::{HOSTS, Host, REPLICA, Server, ZOOKEEPER};
use crate::worker::{Spec, Worker, free_port};

/// How long anything may take that takes seconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How the workers of a round are set up.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Members of the cluster, four at the most; 1 for a lone worker without ZooKeeper.
    pub members: usize,
    /// Shards that keys are hashed to; 1 for an active one and standbys.
    pub shards: u32,
    /// ZooKeeper session timeout in milliseconds.
    pub session: u32,
    /// The guarantee.
    pub delivery: Delivery,
    /// Rows of a Kafka transaction at the most: small, so that many end inside a MySQL transaction.
    pub commit_rows: u32,
    /// Whether the members' wall clocks can be moved.
    pub clocks: bool,
}

/// What workers have counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Runs that went on inside a MySQL transaction.
    pub resumed: u64,
    /// Times that a successor fenced one.
    pub fenced: u64,
}

/// What the processes of a cluster have used.
#[derive(Debug, Clone, Default)]
pub struct Used {
    at: Option<Instant>,
    /// Per process: CPU seconds, resident mebibytes.
    processes: Vec<(u32, f64, u64)>,
}

/// A cluster of worker processes, each on a test host of its own, or a lone one.
pub struct Cluster {
    /// Its name, which is its topic's and its database's too.
    pub name: String,
    specs: Vec<Spec>,
    workers: Vec<Worker>,
    shards: u32,
    /// What workers had counted that have ended since.
    counted: Counted,
}

impl Cluster {
    /// Starts one that streams the database `name` of `server` to the topic `name`.
    pub async fn start(server: Server, name: &str, shape: &Shape) -> anyhow::Result<Self> {
        let specs = specs(server, name, shape)?;
        let workers = specs.iter().map(Worker::start).collect::<anyhow::Result<Vec<_>>>()?;
        let cluster =
            Self { name: name.to_owned(), specs, workers, shards: shape.shards, counted: Counted::default() };
        cluster.ready().await.context("the first start")?;
        cluster.owner().await?;
        Ok(cluster)
    }

    /// How many members.
    pub fn members(&self) -> usize {
        self.workers.len()
    }

    /// How many shards.
    pub fn shards(&self) -> u32 {
        self.shards
    }

    /// The host of a member.
    pub fn host(&self, at: usize) -> Host {
        HOSTS[at]
    }

    /// Waits until every member is ready and, of several shards, has its part.
    pub async fn ready(&self) -> anyhow::Result<()> {
        for worker in &self.workers {
            worker.ready(PATIENCE).await?;
        }
        if self.shards > 1 { self.spread().await } else { Ok(()) }
    }

    /// Waits until every shard streams and no member has more than its part.
    async fn spread(&self) -> anyhow::Result<()> {
        let most = u64::from(self.shards).div_ceil(self.workers.len() as u64);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let owned = self.told("maxwell_shards_owned", &[]).await;
            let all = owned.iter().map(|(owned, _)| owned).sum::<u64>() == u64::from(self.shards);
            if all && owned.iter().all(|(owned, _)| *owned <= most) {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "after {PATIENCE:?} the members own {owned:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The member that streams; of several shards, the most.
    pub async fn owner(&self) -> anyhow::Result<usize> {
        self.owner_but(&[]).await
    }

    /// The member that streams, once it is none of these. Of several that say so the one with the highest epoch does.
    pub async fn owner_but(&self, except: &[usize]) -> anyhow::Result<usize> {
        let metric = if self.shards == 1 { "maxwell_shard_epoch" } else { "maxwell_shards_owned" };
        self.highest(metric, except).await?.with_context(|| {
            let names: Vec<&str> = except.iter().map(|at| HOSTS[*at].name).collect();
            format!("nobody but {names:?} streams after {PATIENCE:?}")
        })
    }

    /// The member that leads; `None` where nobody does, as without ZooKeeper.
    pub async fn leader(&self) -> anyhow::Result<Option<usize>> {
        if self.members() == 1 { Ok(None) } else { self.highest("maxwell_cluster_leader_count", &[]).await }
    }

    async fn highest(&self, metric: &str, except: &[usize]) -> anyhow::Result<Option<usize>> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let told = self.told(metric, except).await;
            if let Some((_, at)) = told.into_iter().filter(|(value, _)| *value > 0).max() {
                return Ok(Some(at));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(None)
    }

    /// What each member but these says; 0 of one that does not answer.
    async fn told(&self, metric: &str, except: &[usize]) -> Vec<(u64, usize)> {
        let asked = self
            .workers
            .iter()
            .enumerate()
            .filter(|(at, _)| !except.contains(at))
            .map(|(at, worker)| async move { (worker.metric(metric).await.unwrap_or(0.0) as u64, at) });
        futures::future::join_all(asked).await
    }

    /// What all have counted up to now.
    pub async fn counted(&self) -> Counted {
        let mut sum = self.counted;
        for worker in &self.workers {
            add(&mut sum, count(worker).await);
        }
        sum
    }

    /// Sends a signal.
    pub fn signal(&self, at: usize, name: &str) -> anyhow::Result<()> {
        self.workers[at].signal(name)
    }

    /// Moves a member's wall clock to so many seconds ahead of the system's.
    pub fn move_clock(&self, at: usize, seconds: i64) -> anyhow::Result<()> {
        let clock = self.specs[at].clock.as_ref().context("the clocks of this cluster cannot be moved")?;
        let process = self.workers[at].id();
        anyhow::ensure!(clock.is_read_by(process)?, "process {process} does not go by {clock:?}");
        clock.set(seconds)
    }

    /// Ends a member by a signal and waits for its end.
    pub async fn end(&mut self, at: usize, signal: &str) -> anyhow::Result<()> {
        self.remember(at).await;
        self.workers[at].signal(signal)?;
        self.wait_for_end(at).await
    }

    /// Keeps what a member has counted, which is about to end.
    pub async fn remember(&mut self, at: usize) {
        let counted = count(&self.workers[at]).await;
        add(&mut self.counted, counted);
    }

    /// Waits for a member's end.
    pub async fn wait_for_end(&mut self, at: usize) -> anyhow::Result<()> {
        self.first_to_end(&[at]).await
    }

    /// Waits until one of these has ended.
    pub async fn first_to_end(&mut self, among: &[usize]) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !among.iter().any(|at| self.workers[*at].has_ended()) {
            anyhow::ensure!(Instant::now() < deadline, "{among:?}: none has ended after {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Arms a failpoint.
    pub async fn arm(&self, at: usize, name: &str, after: u64) -> anyhow::Result<()> {
        self.workers[at].arm(name, after).await
    }

    /// Takes that back.
    pub async fn disarm(&self, at: usize, name: &str) -> anyhow::Result<()> {
        self.workers[at].disarm(name).await
    }

    /// Starts everybody again who has ended.
    pub fn revive(&mut self) -> anyhow::Result<()> {
        for at in 0..self.workers.len() {
            if self.workers[at].has_ended() {
                self.workers[at] = Worker::start(&self.specs[at])?;
            }
        }
        Ok(())
    }

    /// What the processes that run have used up to now.
    pub fn used(&self) -> Used {
        let processes = self.workers.iter().filter_map(|worker| {
            let process = Process::new(worker.id().cast_signed()).ok()?;
            let (stat, status) = (process.stat().ok()?, process.status().ok()?);
            let ticks = (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64;
            Some((worker.id(), ticks, status.vmrss? / 1024))
        });
        Used { at: Some(Instant::now()), processes: processes.collect() }
    }

    /// Ends every member and waits for it. For checks that need nothing to move any more.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        for at in 0..self.workers.len() {
            self.signal(at, "TERM")?;
        }
        for at in 0..self.workers.len() {
            self.wait_for_end(at).await?;
        }
        Ok(())
    }
}

impl Used {
    /// Percent of a core that the busiest process took since `before`, and the resident mebibytes of the largest.
    pub fn since(&self, before: &Self) -> Option<(u64, u64)> {
        let seconds = self.at?.duration_since(before.at?).as_secs_f64();
        let busiest = self.processes.iter().filter_map(|(id, cpu, _)| {
            let (_, earlier, _) = before.processes.iter().find(|(of, ..)| of == id)?;
            Some(((cpu - earlier) * 100.0 / seconds) as u64)
        });
        Some((busiest.max()?, self.processes.iter().map(|(_, _, resident)| *resident).max()?))
    }
}

fn add(sum: &mut Counted, more: Counted) {
    sum.resumed += more.resumed;
    sum.fenced += more.fenced;
}

async fn count(worker: &Worker) -> Counted {
    let value = async |name| worker.metric(name).await.unwrap_or(0.0) as u64;
    Counted {
        resumed: value("maxwell_resumed_inside_transaction_total").await,
        fenced: value("maxwell_fenced_total").await,
    }
}

fn specs(server: Server, name: &str, shape: &Shape) -> anyhow::Result<Vec<Spec>> {
    let settings = settings(server, name, shape)?;
    (0..shape.members)
        .map(|member| {
            let host = HOSTS.get(member).copied().context("there are four hosts for workers")?;
            let mut spec = Spec::kafka(server, name, name, &format!("{name}-{member}"), free_port()?);
            spec.host = Some(host);
            spec.clock = shape.clocks.then(|| Clock::of(&spec.name)).transpose()?;
            spec.arguments.push(format!("--settings={settings}"));
            spec.arguments.push(format!("--filter=exclude: *.*, include: {name}.*"));
            if shape.members > 1 {
                spec.arguments.extend([
                    "--ha".to_owned(),
                    format!("--zookeeper_hosts={ZOOKEEPER}"),
                    format!("--zookeeper_root={}", root(name)),
                    format!("--probe_port={}", free_port()?),
                    format!("--advertise_host={}", host.address),
                ]);
            }
            Ok(spec)
        })
        .collect()
}

/// The root of a cluster's tree.
pub fn root(name: &str) -> String {
    format!("/tests/{name}")
}

/// The settings file; options on the command line go over it.
fn settings(server: Server, name: &str, shape: &Shape) -> anyhow::Result<String> {
    let path = std::env::temp_dir().join(format!("maxwell-tests-{name}.yaml"));
    let Shape { session, delivery, commit_rows, shards, .. } = shape;
    let heartbeat = session / 3;
    let others = match server.name {
        "mysql80" => format!(", failoverHosts: [{{host: {}}}]", REPLICA.address),
        _ => String::new(),
    };
    let divided = match shards {
        1 => String::new(),
        _ => format!("mode: Sharded\nsharding: {{shards: {shards}, strategy: PrimaryKey}}\n"),
    };
    let text = format!(
        "mysql: {{host: localhost{others}}}\n\
         kafka: {{brokers: [none], delivery: {delivery:?}, commit: {{maxRows: {commit_rows}}}}}\n\
         failover: {{sessionTimeoutMilliseconds: {session}, heartbeatIntervalMilliseconds: {heartbeat}}}\n{divided}"
    );
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}
