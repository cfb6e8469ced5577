//! A load, faults while it runs, and the history check at its end.

mod arguments;
pub mod cluster;
pub mod fault;
pub mod gap;
pub mod load;
pub mod machine;
pub mod promise;
pub mod report;
pub mod rounds;
mod table;

use std::time::{Duration, Instant};

use maxwell_protocol::settings::Delivery;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::consumer::{self, Isolation, Running, Seen};
use crate::history::check_divided;
use crate::lab::{Server, unique};
use crate::writer::Writer;
pub use arguments::Arguments;
use cluster::{Cluster, Shape, Used};
use fault::{Fault, Scene, fail_back, until_in_sync};
use gap::{Span, gap};
use load::{BEAT, Load, Rhythm};
use machine::Ticks;
use report::{Inflicted, Report};
pub(crate) use table::table;

/// Between a recovery and the next fault.
const SETTLE: Duration = Duration::from_secs(1);
/// How long a recovery may take.
const RECOVERY: Duration = Duration::from_secs(120);
/// How long the first rows of a transaction may take.
const ARRIVAL: Duration = Duration::from_secs(5);
/// With more shards than these the heartbeat rows are slower: each shard reads the whole binlog.
const FEW: u32 = 4;
const SLOW_BEAT: Duration = Duration::from_millis(200);
/// What is shorter says little about how busy a process is.
const MEASURABLE: Duration = Duration::from_secs(3);

/// What one round does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Row changes to write at least.
    pub changes: u64,
    /// One after the other; several together where there are several.
    pub faults: Vec<Vec<Fault>>,
    /// The workers.
    pub shape: Shape,
    /// Rows of the transaction that each fault shall find a worker in.
    pub large: usize,
    /// How long an outage lasts.
    pub away: Duration,
    /// Seed of everything random; printed.
    pub seed: u64,
}

/// One cluster on one server: a load, the plan's faults, and the history check.
pub async fn round(server: Server, plan: &Plan) -> anyhow::Result<Report> {
    let name = unique(server.name);
    let mut writer = Writer::new(server, &name, plan.seed).await?;
    let shards = plan.shape.shards;
    writer.divided = (shards > 1).then_some(shards.into());
    let cluster = Cluster::start(server, &name, &plan.shape).await?;
    writer.transaction(1).await?;
    let committed = consumer::start_divided(&name, Isolation::Committed, shards)?;
    let uncommitted = consumer::start(&name, Isolation::Uncommitted)?;
    let rhythm = Rhythm { shards, every: if shards > FEW { SLOW_BEAT } else { BEAT } };
    let load = Load::with(rhythm, server, writer, &name, plan.seed);
    let written = load.written().clone();
    let mut scene = Scene::new(cluster, load, plan.away);
    let before = Ticks::now();
    let done = inflict_all(&mut scene, &committed, plan).await?;
    let busy = Ticks::now().zip(before).map(|(now, before)| now.busy_since(before));
    let Scene { cluster, load, .. } = scene;
    let current = load.server().await;
    let (expected, beaten) = load.finish().await?;
    committed.until_beat(beaten).await;
    let counted = cluster.counted().await;
    cluster.stop().await?;
    fail_back(server, current).await?;
    let (seen, all) =
        tokio::task::spawn_blocking(move || anyhow::Ok((committed.finish()?, uncommitted.finish()?)))
            .await??;
    let exact = plan.shape.delivery == Delivery::ExactlyOnce;
    let verdict = check_divided(&expected, &seen.messages, shards.into());
    let delivery = if exact { "" } else { ", at least once" };
    let divided = if shards > 1 { format!(", {shards} shards") } else { String::new() };
    let title = format!("{} x {}{divided}{delivery}", server.name, plan.shape.members);
    let mut report = Report::new(title, expected.rows, &verdict, exact);
    report.count_beats(beaten, shards, &seen, exact);
    report.counted = counted;
    report.machine_busy = busy;
    report.aborted_transactions = aborted(&seen, &all);
    let longest = |span| seen.arrivals.iter().map(|of| gap(of, &written, span)).max().unwrap_or(0);
    let kind = |one: Inflicted| if exact { one } else { one.at_least_once() };
    let measured = done.into_iter().map(|one| kind(one.measured(longest)));
    report.attribute(measured.collect(), &verdict.values, exact);
    if report.is_clean() {
        crate::topic::delete(&[&name, &format!("{name}.positions")]).await?;
    }
    Ok(report)
}

/// Inflicts the plan's faults and writes until its changes are written.
async fn inflict_all(scene: &mut Scene, committed: &Running, plan: &Plan) -> anyhow::Result<Vec<Inflicted>> {
    let mut random = StdRng::seed_from_u64(plan.seed);
    let mut done = Vec::new();
    for faults in &plan.faults {
        scene.cluster.ready().await?;
        until_in_sync().await?;
        tokio::time::sleep(SETTLE).await;
        scene.load.large(plan.large).await?;
        inside(committed, random.random_range(1..plan.large as u64 / 3)).await;
        let inflicted = inflict(scene, committed, faults).await?;
        inflicted.print();
        done.push(inflicted);
    }
    while scene.load.changes() < plan.changes {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(done)
}

/// Waits until so many rows of the transaction that was just committed have come: the fault shall find the worker inside
/// it.
async fn inside(committed: &Running, rows: u64) {
    let (begun, wanted) = (Instant::now(), committed.count() + rows);
    while committed.count() < wanted && begun.elapsed() < ARRIVAL {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Does it, takes it back, and waits until the stream is as it was before.
async fn inflict(scene: &mut Scene, committed: &Running, faults: &[Fault]) -> anyhow::Result<Inflicted> {
    let name = match faults {
        [one] => one.name(),
        _ => "together".to_owned(),
    };
    let names: Vec<String> = faults.iter().map(|fault| fault.name()).collect();
    let names = names.join(" and ");
    let (begun, before, above) = (Instant::now(), scene.cluster.used(), scene.load.value());
    let mut problem = None;
    for fault in faults {
        if let Err(error) = fault.inflict(scene).await {
            problem = Some(format!("{names}: {error:#}"));
        }
    }
    let used = used(scene, &before, begun);
    scene.heal().await?;
    let healed = Instant::now();
    if scene.cluster.shards() > 1 {
        // The shards move on to those that are back.
        scene.cluster.ready().await?;
    }
    let recovered = match recovery(&scene.load, committed, healed).await {
        Some(recovered) => recovered,
        None => {
            problem = Some(format!("{names}: nothing comes after {RECOVERY:?}"));
            Instant::now()
        }
    };
    Ok(Inflicted::new(name, Span { begun, healed, recovered }, above).with(used, problem))
}

fn used(scene: &Scene, before: &Used, begun: Instant) -> Option<(u64, u64)> {
    if begun.elapsed() < MEASURABLE {
        return None;
    }
    scene.cluster.used().since(before)
}

/// When a heartbeat row came that was written after `healed`.
pub(crate) async fn recovery(load: &Load, committed: &Running, healed: Instant) -> Option<Instant> {
    let wanted = load.written().count() + 1;
    while committed.last_beat() < wanted {
        if healed.elapsed() > RECOVERY || committed.has_failed() {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Some(Instant::now())
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
