//! The workers of one round, and what is done to them.

use std::time::{Duration, Instant};

use anyhow::Context;
use maxwell_protocol::settings::Delivery;

use super::fault::{Fault, Point, Who};
use crate::lab::{Server, ZOOKEEPER, restart_zookeeper};
use crate::worker::{Spec, Worker, free_port};

const RESUMED: &str = "maxwell_resumed_inside_transaction_total";
const PATIENCE: Duration = Duration::from_secs(60);

/// How the workers of a round are set up.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Members of the cluster; 1 for a lone worker without ZooKeeper.
    pub members: u16,
    /// ZooKeeper session timeout in milliseconds.
    pub session: u32,
    /// The guarantee.
    pub delivery: Delivery,
    /// Rows of a Kafka transaction at the most: small, so that many end inside a MySQL transaction.
    pub commit_rows: u32,
}

/// A cluster of worker processes, or a lone one.
pub struct Cluster {
    specs: Vec<Spec>,
    workers: Vec<Worker>,
    /// Runs that went on inside a MySQL transaction, of workers that have ended since.
    resumed: u64,
}

impl Cluster {
    /// Starts one that streams the database `name` of `server` to the topic `name`.
    pub async fn start(server: Server, name: &str, shape: &Shape) -> anyhow::Result<Self> {
        let specs = specs(server, name, shape)?;
        let workers = specs.iter().map(Worker::start).collect::<anyhow::Result<Vec<_>>>()?;
        let cluster = Self { specs, workers, resumed: 0 };
        for worker in &cluster.workers {
            worker.ready(PATIENCE).await.context("the first start")?;
        }
        cluster.active().await?;
        Ok(cluster)
    }

    /// The member that streams.
    pub async fn active(&self) -> anyhow::Result<usize> {
        self.active_but(None).await
    }

    async fn active_but(&self, except: Option<usize>) -> anyhow::Result<usize> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for (at, worker) in self.workers.iter().enumerate().filter(|(at, _)| Some(*at) != except) {
                if worker.metric("maxwell_shard_epoch").await.unwrap_or(0.0) > 0.0 {
                    return Ok(at);
                }
            }
            anyhow::ensure!(Instant::now() < deadline, "nobody streams after {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs that went on inside a MySQL transaction, up to now.
    pub async fn resumed(&self) -> u64 {
        let mut resumed = self.resumed;
        for worker in &self.workers {
            resumed += worker.metric(RESUMED).await.unwrap_or(0.0) as u64;
        }
        resumed
    }

    async fn count_resumed(&mut self, at: usize) {
        self.resumed += self.workers[at].metric(RESUMED).await.unwrap_or(0.0) as u64;
    }

    /// Starts a member again in the place of one that ended.
    fn replace(&mut self, at: usize) -> anyhow::Result<()> {
        self.workers[at] = Worker::start(&self.specs[at])?;
        Ok(())
    }

    async fn wait_for_end(&mut self, at: usize) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.workers[at].has_ended() {
            anyhow::ensure!(Instant::now() < deadline, "{} has not ended", self.workers[at].spec.name);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    async fn kill(&mut self, at: usize) -> anyhow::Result<()> {
        self.count_resumed(at).await;
        self.workers[at].signal("KILL")?;
        self.wait_for_end(at).await
    }

    /// Does it to the member that streams, and brings everybody back. When it happened.
    pub async fn inflict(&mut self, fault: Fault) -> anyhow::Result<Instant> {
        self.revive()?;
        for worker in &self.workers {
            worker.ready(PATIENCE).await.context("before a fault")?;
        }
        if fault == Fault::KillAfterReconnect {
            restart_zookeeper().await?;
        }
        let at = self.active().await?;
        let begun = Instant::now();
        match fault {
            Fault::KillAlone | Fault::Kill | Fault::KillAfterReconnect => {
                self.kill(at).await?;
                self.replace(at)?;
            }
            Fault::Terminate => {
                self.count_resumed(at).await;
                self.workers[at].signal("TERM")?;
                self.wait_for_end(at).await?;
                self.replace(at)?;
            }
            Fault::Freeze => {
                self.workers[at].signal("STOP")?;
                let other = self.active_but(Some(at)).await;
                self.workers[at].signal("CONT")?;
                other?;
            }
            Fault::At(point) => self.end_at(point, at).await?,
        }
        Ok(begun)
    }

    async fn end_at(&mut self, point: Point, owner: usize) -> anyhow::Result<()> {
        self.count_resumed(owner).await;
        match point.who {
            Who::Owner => {
                self.workers[owner].arm(point.name, point.after).await?;
                self.wait_for_end(owner).await?;
            }
            Who::Leaver => {
                self.workers[owner].arm(point.name, point.after).await?;
                self.workers[owner].signal("TERM")?;
                self.wait_for_end(owner).await?;
            }
            Who::Successor => {
                let others: Vec<usize> = (0..self.workers.len()).filter(|at| *at != owner).collect();
                for at in &others {
                    self.workers[*at].arm(point.name, point.after).await?;
                }
                self.workers[owner].signal("KILL")?;
                self.wait_for_end(owner).await?;
                self.first_to_end(&others).await?;
                for at in &others {
                    self.workers[*at].disarm(point.name).await?;
                }
            }
        }
        self.revive()
    }

    /// Starts everybody again who has ended.
    fn revive(&mut self) -> anyhow::Result<()> {
        for at in 0..self.workers.len() {
            if self.workers[at].has_ended() {
                self.replace(at)?;
            }
        }
        Ok(())
    }

    async fn first_to_end(&mut self, among: &[usize]) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if among.iter().any(|at| self.workers[*at].has_ended()) {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "no successor came by the failpoint");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends every member and waits for it. For checks that need nothing to move any more.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        for worker in &self.workers {
            worker.signal("TERM")?;
        }
        for at in 0..self.workers.len() {
            self.wait_for_end(at).await?;
        }
        Ok(())
    }
}

fn specs(server: Server, name: &str, shape: &Shape) -> anyhow::Result<Vec<Spec>> {
    let settings = settings(name, shape)?;
    (0..shape.members)
        .map(|member| {
            let own = format!("{name}-{member}");
            let mut spec = Spec::kafka(server, name, name, &own, free_port()?);
            spec.arguments.push(format!("--settings={settings}"));
            spec.arguments.push(format!("--filter=exclude: *.*, include: {name}.*"));
            if shape.members > 1 {
                spec.arguments.extend([
                    "--ha".to_owned(),
                    format!("--zookeeper_hosts={ZOOKEEPER}"),
                    format!("--zookeeper_root=/tests/{name}"),
                    format!("--probe_port={}", free_port()?),
                    "--advertise_host=127.0.0.1".to_owned(),
                ]);
            }
            Ok(spec)
        })
        .collect()
}

/// The settings file; options on the command line go over it.
fn settings(name: &str, shape: &Shape) -> anyhow::Result<String> {
    let path = std::env::temp_dir().join(format!("maxwell-tests-{name}.yaml"));
    let Shape { session, delivery, commit_rows, .. } = shape;
    let heartbeat = session / 3;
    let text = format!(
        "mysql: {{host: localhost}}\n\
         kafka: {{brokers: [none], delivery: {delivery:?}, commit: {{maxRows: {commit_rows}}}}}\n\
         failover: {{sessionTimeoutMilliseconds: {session}, heartbeatIntervalMilliseconds: {heartbeat}}}\n"
    );
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}
