//! A load, workers that are killed, ended and frozen while it runs, and the history check at its end.

pub mod cluster;
pub mod fault;
pub mod report;

use std::time::{Duration, Instant};

use maxwell_protocol::settings::Delivery;
use mysql_async::prelude::Queryable;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_util::sync::CancellationToken;

use crate::consumer::{self, Isolation, Seen};
use crate::history::check;
use crate::lab::{Server, admin, unique};
use crate::writer::Writer;
use cluster::{Cluster, Shape};
use fault::Fault;
use report::Report;

/// Between two faults, so that each one's gap can be told.
const SETTLE: Duration = Duration::from_secs(4);

/// What one round does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Row changes to write at least.
    pub changes: u64,
    /// The faults, spread over the changes.
    pub faults: Vec<Fault>,
    /// The workers.
    pub shape: Shape,
    /// Seed of everything random; printed.
    pub seed: u64,
}

/// One cluster on one server: a load, the plan's faults, and the history check.
pub async fn round(server: Server, plan: &Plan) -> anyhow::Result<Report> {
    let name = unique(server.name);
    let mut writer = Writer::new(admin(server).await?, &name, plan.seed).await?;
    let mut cluster = Cluster::start(server, &name, &plan.shape).await?;
    writer.transaction(1).await?;
    let committed = consumer::start(&name, Isolation::Committed)?;
    let uncommitted = consumer::start(&name, Isolation::Uncommitted)?;
    let beating = CancellationToken::new();
    let beats = tokio::spawn(beat(admin(server).await?, name.clone(), beating.clone()));
    let done = inflict_all(&mut writer, &mut cluster, plan).await?;
    beating.cancel();
    let beaten = beats.await??;
    committed.until_beat(beaten).await;
    let resumed_inside_transaction = cluster.resumed().await;
    cluster.stop().await?;
    let (seen, all) =
        tokio::task::spawn_blocking(move || anyhow::Ok((committed.finish()?, uncommitted.finish()?)))
            .await??;
    let exact = plan.shape.delivery == Delivery::ExactlyOnce;
    let mut report =
        Report::new(server, plan, writer.expected.rows, check(&writer.expected, &seen.messages), exact);
    report.count_beats(beaten, &seen, exact);
    report.resumed_inside_transaction = resumed_inside_transaction;
    report.aborted_transactions = aborted(&seen, &all);
    report.gaps = done.iter().map(|(fault, at)| (*fault, gap(&seen, *at))).collect();
    Ok(report)
}

/// Writes until the plan's changes are written and its faults done; when each was.
async fn inflict_all(
    writer: &mut Writer,
    cluster: &mut Cluster,
    plan: &Plan,
) -> anyhow::Result<Vec<(Fault, Instant)>> {
    let mut random = StdRng::seed_from_u64(plan.seed);
    let mut done: Vec<(Fault, Instant)> = Vec::new();
    let mut settled_at = Instant::now();
    let share = plan.changes / (plan.faults.len() as u64 + 1);
    while writer.expected.rows < plan.changes || done.len() < plan.faults.len() {
        let due = done.len() < plan.faults.len()
            && settled_at.elapsed() > SETTLE
            && writer.expected.rows > share * done.len() as u64;
        // The fault shall find the worker inside a transaction.
        let rows = if due { random.random_range(3_000..6_000) } else { random.random_range(1..15) };
        writer.transaction(rows).await?;
        if due {
            tokio::time::sleep(Duration::from_millis(random.random_range(0..200))).await;
            let fault = plan.faults[done.len()];
            done.push((fault, cluster.inflict(fault).await?));
            settled_at = Instant::now();
        }
    }
    Ok(done)
}

/// A heartbeat row every 20 ms; how many.
pub(crate) async fn beat(
    mut conn: mysql_async::Conn,
    database: String,
    stop: CancellationToken,
) -> anyhow::Result<u64> {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let mut id = 0;
    loop {
        tick.tick().await;
        if stop.is_cancelled() {
            return Ok(id);
        }
        id += 1;
        conn.query_drop(format!("INSERT INTO {database}.beat VALUES ({id}, {id})")).await?;
    }
}

/// The longest silence between two heartbeats that lies, in part, between the fault and four seconds after it; what a
/// frozen worker's session takes longer is in it, because the silence goes on.
pub(crate) fn gap(seen: &Seen, fault: Instant) -> u64 {
    let until = fault + SETTLE;
    let silences = seen.beats.windows(2).filter(|pair| pair[1].0 > fault && pair[0].0 < until);
    silences.map(|pair| (pair[1].0 - pair[0].0).as_millis() as u64).max().unwrap_or(0)
}

/// Kafka transactions that left rows behind which no `read_committed` consumer sees: at least one for each producer,
/// told by its epoch, that has such rows.
fn aborted(committed: &Seen, all: &Seen) -> u64 {
    let hidden = all.places.iter().filter(|(place, _)| !committed.places.contains_key(*place));
    let mut epochs: Vec<u64> = hidden.map(|(_, epoch)| *epoch).collect();
    epochs.sort_unstable();
    epochs.dedup();
    epochs.len() as u64
}

/// A distribution of milliseconds as reports show it.
pub(crate) fn median_p95_worst(mut values: Vec<u64>) -> serde_json::Value {
    values.sort_unstable();
    let at = |part: usize| values.get((values.len() * part / 100).min(values.len().saturating_sub(1)));
    serde_json::json!({"count": values.len(), "median": at(50), "p95": at(95), "worst": at(100)})
}
