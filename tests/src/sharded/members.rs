//! The members of one round.

use std::time::{Duration, Instant};

use super::Plan;
use crate::lab::{Server, ZOOKEEPER};
use crate::worker::{Spec, Worker, free_port};

const PATIENCE: Duration = Duration::from_secs(30);

/// Members, started or not.
pub(super) struct Members {
    specs: Vec<Spec>,
    workers: Vec<Option<Worker>>,
}

impl Members {
    /// As many as the plan wants; none is started.
    pub(super) fn new(server: Server, name: &str, plan: &Plan) -> anyhow::Result<Self> {
        let settings = settings(name, plan)?;
        let specs = (0..plan.members).map(|member| {
            let mut spec = Spec::kafka(server, name, name, &format!("{name}-{member}"), free_port()?);
            spec.arguments.extend([
                format!("--settings={settings}"),
                format!("--filter=exclude: *.*, include: {name}.*"),
                "--ha".to_owned(),
                format!("--zookeeper_hosts={ZOOKEEPER}"),
                format!("--zookeeper_root=/tests/{name}"),
                format!("--probe_port={}", free_port()?),
                "--advertise_host=127.0.0.1".to_owned(),
            ]);
            Ok(spec)
        });
        let specs = specs.collect::<anyhow::Result<Vec<_>>>()?;
        let workers = specs.iter().map(|_| None).collect();
        Ok(Self { specs, workers })
    }

    pub(super) fn start(&mut self, at: usize) -> anyhow::Result<()> {
        self.workers[at] = Some(Worker::start(&self.specs[at])?);
        Ok(())
    }

    /// Where the member of this name is.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.specs.iter().position(|spec| spec.name == name)
    }

    /// The worker of a member that runs.
    pub(super) fn worker(&mut self, at: usize) -> Option<&mut Worker> {
        self.workers[at].as_mut()
    }

    /// Sends a signal and waits for the end.
    pub(super) async fn end(&mut self, at: usize, signal: &str) -> anyhow::Result<()> {
        let Some(mut worker) = self.workers[at].take() else { return Ok(()) };
        worker.signal(signal)?;
        let deadline = Instant::now() + PATIENCE;
        while !worker.has_ended() {
            anyhow::ensure!(Instant::now() < deadline, "{} has not ended", worker.spec.name);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Waits until a member has ended at a failpoint, and starts whoever did again; when that was.
    pub(super) async fn fail(&mut self, point: &str, after: u64) -> anyhow::Result<Instant> {
        for worker in self.workers.iter().flatten() {
            worker.arm(point, after).await?;
        }
        let deadline = Instant::now() + PATIENCE;
        while !self.workers.iter_mut().flatten().any(Worker::has_ended) {
            anyhow::ensure!(Instant::now() < deadline, "nobody has come by {point}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let ended = Instant::now();
        for worker in self.workers.iter().flatten() {
            worker.disarm(point).await?;
        }
        for at in 0..self.workers.len() {
            if self.workers[at].as_mut().is_some_and(Worker::has_ended) {
                self.start(at)?;
            }
        }
        Ok(ended)
    }

    /// How many run.
    pub(super) fn running(&self) -> usize {
        self.workers.iter().flatten().count()
    }

    /// Shards that each member streams; 0 for one that does not answer.
    pub(super) async fn owned(&self) -> Vec<u64> {
        let mut owned = Vec::new();
        for worker in &self.workers {
            let count = match worker {
                Some(worker) => worker.metric("maxwell_shards_owned").await.unwrap_or(0.0),
                None => 0.0,
            };
            owned.push(count as u64);
        }
        owned
    }

    pub(super) fn stop(&mut self) -> anyhow::Result<()> {
        for worker in self.workers.iter().flatten() {
            worker.signal("TERM")?;
        }
        for worker in self.workers.iter_mut().flatten() {
            worker.wait()?;
        }
        Ok(())
    }
}

/// The settings file; options on the command line go over it.
fn settings(name: &str, plan: &Plan) -> anyhow::Result<String> {
    let path = std::env::temp_dir().join(format!("maxwell-tests-{name}.yaml"));
    let Plan { shards, strategy, mode, delivery, .. } = plan;
    let turns = match plan.takes_turns() {
        true => format!(
            ", timeWindowSeconds: {}, pins: [{{shard: pinned, tables: [{name}.h3]}}]",
            plan.window_seconds
        ),
        false => String::new(),
    };
    let text = format!(
        "mysql: {{host: localhost}}\n\
         kafka: {{brokers: [none], delivery: {delivery:?}, commit: {{maxRows: 300}}}}\n\
         failover: {{sessionTimeoutMilliseconds: 4000, heartbeatIntervalMilliseconds: 1000}}\n\
         mode: {mode:?}\n\
         sharding: {{shards: {shards}, strategy: {strategy:?}{turns}}}\n"
    );
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}
