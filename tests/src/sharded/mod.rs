//! Several shards on several members: a load with keys that change their shard, members that join, end and are killed
//! meanwhile, and the history check at the end.

mod arguments;
pub mod divisions;
mod members;
mod turns;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use maxwell_protocol::settings::{Delivery, Mode, Strategy};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use tokio::sync::RwLock;

use crate::chaos::load::{Beats, Rhythm};
use crate::chaos::median_p95_worst;
use crate::consumer::{self, Isolation, Seen};
use crate::history::check_divided;
use crate::lab::{Server, unique};
use crate::writer::{Writer, shard_of};
pub use arguments::Arguments;
use members::Members;

/// Strategy `Time`: between two transactions, and transactions between two changes of a table's definition.
const PAUSE: Duration = Duration::from_millis(4);
const BETWEEN_DEFINITIONS: u64 = 150;
/// How long the cluster may take to stream everything again.
const PATIENCE: Duration = Duration::from_secs(90);
/// A silence counts for a fault that lies this long before its end at the most.
const REACH: Duration = Duration::from_secs(8);

/// What is run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Row changes at least.
    pub changes: u64,
    /// Shards; with strategy `Time` one of them holds what is pinned to it.
    pub shards: u32,
    /// Members; the last of them joins when the others stream.
    pub members: usize,
    /// What decides about a row's shard.
    pub strategy: Strategy,
    /// Strategy `Time`: length of a window.
    pub window_seconds: u32,
    /// `Sharded` or `Hybrid`.
    pub mode: Mode,
    /// With `AtLeastOnce` only losses count.
    pub delivery: Delivery,
    /// Members that are killed, one after the other.
    pub kills: usize,
    /// Strategy `Time`: members that end at failpoints of a hand-over beside.
    pub points: usize,
    /// Strategy `Time`: how long there is a load.
    pub seconds: u64,
    /// Seed of everything random.
    pub seed: u64,
}

impl Plan {
    fn takes_turns(&self) -> bool {
        self.strategy == Strategy::Time
    }

    /// What is done beside the load, in this order.
    fn steps(&self) -> Vec<Step> {
        let mut steps = vec![Step::Kill; self.kills];
        if self.takes_turns() {
            let points = turns::POINTS.iter().cycle().take(self.points);
            steps.extend(points.map(|(point, after)| Step::Fail { point, after: *after }));
            steps.extend(vec![Step::End; 2]);
        }
        steps.insert(0, Step::Join);
        steps.push(Step::End);
        steps
    }
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// Server and shape.
    pub round: String,
    /// Changes written, heartbeat rows among them.
    pub changes: u64,
    /// Updates that took a row to another shard.
    pub split: u64,
    /// Changes not seen.
    pub lost: u64,
    /// Changes seen again.
    pub repeated: u64,
    /// Keys with another order.
    pub out_of_order: u64,
    /// Transactions whose rows in a shard are not numbered up to one commit.
    pub torn: u64,
    /// Shards of each member at the end.
    pub owned: Vec<u64>,
    /// Milliseconds of the longest silence of a shard after a kill.
    pub gap_of_kills: serde_json::Value,
    /// The same after a member joined, and after one ended by itself.
    pub gap_of_moves: serde_json::Value,
    /// Strategy `Time`: turns that ended.
    pub turns: u64,
    /// Strategy `Time`: milliseconds of the longest silence at a turn's end.
    pub gap_of_turns: serde_json::Value,
    /// The first findings in words.
    pub examples: Vec<String>,
}

impl Outcome {
    /// Whether every change was seen as promised: once and in its place, or at least once.
    pub fn is_clean(&self, delivery: Delivery) -> bool {
        let others = (self.repeated, self.out_of_order, self.torn);
        self.lost == 0 && (delivery == Delivery::AtLeastOnce || others == (0, 0, 0))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Join,
    Kill,
    Fail { point: &'static str, after: u64 },
    End,
}

impl Step {
    fn is_kill(self) -> bool {
        matches!(self, Self::Kill | Self::Fail { .. })
    }
}

/// One cluster on one server.
pub async fn sharded(server: Server, plan: &Plan) -> anyhow::Result<Outcome> {
    let name = unique(server.name);
    let mut writer = Writer::new(server, &name, plan.seed).await?;
    let hashed = u64::from(plan.shards);
    writer.divided = (plan.strategy == Strategy::PrimaryKey).then_some(hashed);
    let mut members = Members::new(server, &name, plan)?;
    for at in 0..plan.members.saturating_sub(1).max(1) {
        members.start(at)?;
    }
    settle(&mut members, plan, None).await.context("the first start")?;
    writer.transaction(1).await?;
    let consumer = consumer::start(&name, Isolation::Committed)?;
    let beats = Beats::start(Arc::new(RwLock::new(server)), name.clone(), Rhythm::default());
    let done = take_steps(&mut writer, &mut members, plan).await?;
    let beaten = beats.finish().await?;
    consumer.until_beat(beaten).await;
    // Shards do not keep step: that of the heartbeats may be ahead of the others.
    consumer.until_count(writer.expected.rows + beaten).await;
    let owned = members.owned().await;
    members.stop()?;
    let seen = tokio::task::spawn_blocking(move || consumer.finish()).await??;
    let verdict = check_divided(&writer.expected, &seen.messages, hashed);
    let mut ids: Vec<i64> = seen.beats.iter().map(|(_, id)| *id).collect();
    let came = ids.len() as u64;
    ids.sort_unstable();
    ids.dedup();
    let sealed = if plan.takes_turns() { turns::sealed(&format!("{name}.positions"))? } else { Vec::new() };
    let faults: Vec<Instant> = done.iter().map(|(_, at)| *at).collect();
    let gaps = |of: &dyn Fn(Step) -> bool| {
        let gaps = done.iter().filter(|(step, _)| of(*step)).map(|(_, at)| gap(&seen, *at, plan));
        median_p95_worst(gaps.collect())
    };
    Ok(Outcome {
        round: format!(
            "{} x {} {:?} {} {:?} {:?}",
            server.name, plan.members, plan.mode, plan.shards, plan.strategy, plan.delivery
        ),
        changes: writer.expected.rows + beaten,
        split: writer.split,
        lost: verdict.lost + beaten.saturating_sub(ids.len() as u64),
        repeated: verdict.repeated + (came - ids.len() as u64),
        out_of_order: verdict.out_of_order,
        torn: verdict.torn,
        owned,
        gap_of_kills: gaps(&Step::is_kill),
        gap_of_moves: gaps(&|step| !step.is_kill()),
        turns: sealed.len() as u64,
        gap_of_turns: median_p95_worst(turns::silences(&seen, &sealed, &faults)),
        examples: verdict.examples,
    })
}

/// Writes until the plan's changes are written and its steps taken; when each was.
async fn take_steps(
    writer: &mut Writer,
    members: &mut Members,
    plan: &Plan,
) -> anyhow::Result<Vec<(Step, Instant)>> {
    let mut random = StdRng::seed_from_u64(plan.seed);
    let steps = plan.steps();
    let mut done = Vec::new();
    let parts = steps.len() as u64 + 1;
    let least = Duration::from_secs(if plan.takes_turns() { plan.seconds } else { 0 });
    let (begun, mut transactions) = (Instant::now(), 0_u64);
    while writer.expected.rows < plan.changes || done.len() < steps.len() || begun.elapsed() < least {
        let passed = done.len() as u32;
        let due = done.len() < steps.len()
            && writer.expected.rows > plan.changes / parts * u64::from(passed)
            && begun.elapsed() >= least / parts as u32 * passed;
        if plan.takes_turns() {
            transactions += 1;
            if transactions.is_multiple_of(BETWEEN_DEFINITIONS) {
                writer.alter(transactions / BETWEEN_DEFINITIONS - 1).await?;
            }
            tokio::time::sleep(PAUSE).await;
        }
        // The step shall find the shards inside a transaction.
        let rows = if due { random.random_range(2_000..4_000) } else { random.random_range(1..15) };
        writer.transaction(rows).await?;
        if due {
            let step = steps[done.len()];
            let at = random.random_range(0..plan.members);
            done.push((step, take(step, at, members, plan).await?));
            settle(members, plan, Some(writer)).await.with_context(|| format!("{step:?} of member {at}"))?;
        }
    }
    Ok(done)
}

async fn take(step: Step, at: usize, members: &mut Members, plan: &Plan) -> anyhow::Result<Instant> {
    let begun = Instant::now();
    match step {
        Step::Join => members.start(plan.members - 1)?,
        Step::Fail { point, after } => return members.fail(point, after).await,
        Step::Kill | Step::End => {
            members.end(at, if step == Step::Kill { "KILL" } else { "TERM" }).await?;
            members.start(at)?;
        }
    }
    Ok(begun)
}

/// Waits until every shard streams, on as many members as shall take part, while the load goes on.
async fn settle(members: &mut Members, plan: &Plan, mut writer: Option<&mut Writer>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let owned = members.owned().await;
        let busy = owned.iter().filter(|&&count| count > 0).count();
        let free = if plan.mode == Mode::Hybrid { 1 } else { 0 };
        let wanted = members.running().saturating_sub(free).clamp(1, plan.shards as usize);
        let even = owned.iter().all(|&count| count <= u64::from(plan.shards).div_ceil(wanted as u64));
        if owned.iter().sum::<u64>() == u64::from(plan.shards) && busy >= wanted && even {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "after {PATIENCE:?} the members own {owned:?}");
        match &mut writer {
            Some(writer) => writer.transaction(5).await?,
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// The longest silence between two heartbeats of one shard that begins before, and ends within reach of, what was done.
fn gap(seen: &Seen, done: Instant, plan: &Plan) -> u64 {
    let longest = |shard: u64| {
        let of_shard =
            |id: i64| plan.strategy != Strategy::PrimaryKey || shard_of(id, plan.shards.into()) == shard;
        let beats: Vec<Instant> =
            seen.beats.iter().filter(|(_, id)| of_shard(*id)).map(|(at, _)| *at).collect();
        let near = beats.windows(2).filter(|pair| pair[1] > done && pair[0] < done + REACH);
        near.map(|pair| (pair[1] - pair[0]).as_millis() as u64).max().unwrap_or(0)
    };
    (0..u64::from(plan.shards)).map(longest).max().unwrap_or(0)
}
