//! A load, workers that are killed while it runs, and the history check at its end.

use std::time::{Duration, Instant};

use anyhow::Context;
use mysql_async::prelude::Queryable;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::consumer::{self, Seen};
use crate::history::{Expected, Verdict, check};
use crate::lab::{Server, admin, unique};
use crate::worker::{Spec, Worker};
use crate::writer::Writer;

const RESUMED: &str = "maxwell_resumed_inside_transaction_total";

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Row changes to write at least.
    pub changes: u64,
    /// How often the worker is killed.
    pub kills: u32,
    /// Seed of everything random; printed.
    pub seed: u64,
}

/// What came of one server's round.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The server.
    pub server: String,
    /// Changes written.
    pub changes: u64,
    /// Changes not seen.
    pub lost: u64,
    /// Changes seen again.
    pub repeated: u64,
    /// Changes in a wrong order.
    pub out_of_order: u64,
    /// Transactions with a wrong structure.
    pub torn: u64,
    /// Faults done.
    pub faults: u32,
    /// Runs that went on inside a MySQL transaction.
    pub resumed_inside_transaction: u64,
    /// Milliseconds of silence after each kill.
    pub gaps: Vec<u64>,
    /// The first findings in words.
    pub examples: Vec<String>,
}

impl Report {
    fn new(server: Server, expected: &Expected, verdict: Verdict) -> Self {
        Self {
            server: server.name.into(),
            changes: expected.rows,
            lost: verdict.lost,
            repeated: verdict.repeated,
            out_of_order: verdict.out_of_order,
            torn: verdict.torn,
            examples: verdict.examples,
            ..Self::default()
        }
    }

    /// Whether nothing was lost, repeated, reordered or torn.
    pub fn is_clean(&self) -> bool {
        (self.lost, self.repeated, self.out_of_order, self.torn) == (0, 0, 0, 0)
    }
}

/// One worker on one server, killed again and again and started at once.
pub async fn kill_and_restart(server: Server, plan: Plan) -> anyhow::Result<Report> {
    let name = unique(server.name);
    let mut writer = Writer::new(admin(server).await?, &name, plan.seed).await?;
    let mut spec = Spec::kafka(server, &name, &name, &name, free_port()?);
    spec.arguments.push(format!("--filter=exclude: *.*, include: {name}.*"));
    // Small Kafka transactions, so that many end inside a MySQL transaction.
    spec.arguments.push(format!("--settings={}", small_commits(&name)?));
    let mut worker = Worker::start(&spec)?;
    worker.ready(Duration::from_secs(30)).await.context("the first start")?;
    writer.transaction(1).await?;
    let consumer = consumer::start(&name)?;
    let beating = CancellationToken::new();
    let beats = tokio::spawn(beat(admin(server).await?, name.clone(), beating.clone()));
    let mut random = StdRng::seed_from_u64(plan.seed);
    let (mut killed, mut resumed) = (Vec::new(), 0);
    let share = plan.changes / u64::from(plan.kills + 1);
    while writer.expected.rows < plan.changes {
        let due = killed.len() < plan.kills as usize && writer.expected.rows > share * killed.len() as u64;
        // The next kill shall find the worker inside a transaction.
        let rows = if due { random.random_range(3_000..6_000) } else { random.random_range(1..15) };
        writer.transaction(rows).await?;
        if due {
            tokio::time::sleep(Duration::from_millis(random.random_range(0..200))).await;
            resumed += worker.metric(RESUMED).await.unwrap_or(0.0) as u64;
            killed.push(Instant::now());
            worker.kill()?;
            worker = Worker::start(&spec)?;
        }
    }
    worker.ready(Duration::from_secs(60)).await.context("the last start")?;
    caught_up(&worker).await?;
    beating.cancel();
    beats.await??;
    resumed += worker.metric(RESUMED).await.unwrap_or(0.0) as u64;
    let seen = tokio::task::spawn_blocking(move || consumer.finish()).await??;
    let mut report = Report::new(server, &writer.expected, check(&writer.expected, &seen.messages));
    report.faults = killed.len() as u32;
    report.resumed_inside_transaction = resumed;
    report.gaps = killed.iter().map(|at| gap(&seen, *at)).collect();
    Ok(report)
}

/// Waits until the worker says that the source is drained and committed.
async fn caught_up(worker: &Worker) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut rows = -1.0;
    loop {
        let now = worker.metric("maxwell_rows_total").await.unwrap_or(-1.0);
        let delay = worker.metric("maxwell_sync_delay_seconds").await.unwrap_or(f64::MAX);
        if delay < 0.5 && rows >= 0.0 {
            return Ok(());
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "the worker has not caught up after 60 s: {now} rows, {delay} s behind"
        );
        rows = now;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A heartbeat row every 20 ms.
async fn beat(mut conn: mysql_async::Conn, database: String, stop: CancellationToken) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    for id in 1u64.. {
        tick.tick().await;
        if stop.is_cancelled() {
            break;
        }
        conn.query_drop(format!("INSERT INTO {database}.beat VALUES ({id}, {id})")).await?;
    }
    Ok(())
}

/// The longest silence between two heartbeats that ends within ten seconds after `fault`.
fn gap(seen: &Seen, fault: Instant) -> u64 {
    let until = fault + Duration::from_secs(10);
    let silences = seen.beats.windows(2).filter(|pair| pair[1] > fault && pair[0] < until);
    silences.map(|pair| (pair[1] - pair[0]).as_millis() as u64).max().unwrap_or(0)
}

fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn small_commits(name: &str) -> anyhow::Result<String> {
    let path = std::env::temp_dir().join(format!("maxwell-tests-{name}.yaml"));
    std::fs::write(&path, "mysql: {host: localhost}\nkafka: {brokers: [none], commit: {maxRows: 300}}\n")?;
    Ok(path.display().to_string())
}
