//! Other divisions of rows in a running cluster, one after the other under load, with members that end at each step of
//! some of them, and the history check at the end.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use maxwell_protocol::assignment::Assignment;
use maxwell_protocol::history::Trigger;
use maxwell_protocol::id::MemberId;
use maxwell_protocol::reader::TreeReader;
use maxwell_protocol::request::{Ask, Outcome as Answer, Progress, Request};
use maxwell_protocol::settings::{Pin, Sharding, Strategy};
use maxwell_protocol::snapshot::ClusterSnapshot;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use tokio::sync::RwLock;

use super::members::Members;
use super::{PATIENCE, Plan, REACH, settle};
use crate::chaos::load::{Beats, Rhythm};
use crate::chaos::median_p95_worst;
use crate::consumer::{self, Isolation, Seen};
use crate::history::check_divided;
use crate::lab::{Server, ZOOKEEPER, unique};
use crate::worker::Worker;
use crate::writer::Writer;

/// After this long without a record everything has come.
const SILENCE: Duration = Duration::from_secs(4);
/// How long a member that was armed may take to come by.
const ARMED: Duration = Duration::from_secs(20);
/// More shards than any of the divisions has.
const MOST: u64 = 8;
/// Transactions between two divisions.
const BETWEEN: usize = 60;

/// Who comes by a step of a division.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Leader,
    Owner,
}

/// Every step that a member can be ended at.
const STEPS: [(&str, Who); 8] = [
    ("division-stopped", Who::Owner),
    ("division-catch-up", Who::Leader),
    ("division-head", Who::Owner),
    ("after-init", Who::Owner),
    ("after-dump", Who::Owner),
    ("before-told", Who::Owner),
    ("division-flip", Who::Leader),
    ("division-flipped", Who::Leader),
];

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// Server and shape.
    pub round: String,
    /// Changes written, heartbeat rows among them.
    pub changes: u64,
    /// Divisions that came into force, those that were undone because a member ended, and members that ended.
    pub divided: usize,
    /// See there.
    pub undone: usize,
    /// See there.
    pub ended: usize,
    /// Shards whose first run under a layout the history tells of.
    pub told: usize,
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
    /// Milliseconds of the longest silence at a division, of those at which nobody ended.
    pub gap_of_divisions: serde_json::Value,
    /// The same of those at which a member ended.
    pub gap_with_an_end: serde_json::Value,
    /// Words of those that were undone, and the first findings.
    pub examples: Vec<String>,
}

impl Outcome {
    /// Fails unless every change was seen once, in its place, and everything was done.
    pub fn check(&self, divisions: usize) -> anyhow::Result<()> {
        let clean = (self.lost, self.repeated, self.out_of_order, self.torn) == (0, 0, 0, 0);
        anyhow::ensure!(clean, "changes are missing, repeated, out of order or torn");
        anyhow::ensure!(self.divided >= divisions, "only {} divisions came into force", self.divided);
        anyhow::ensure!(self.told > 0, "the history tells of no division");
        Ok(())
    }
}

/// One cluster on one server.
pub async fn divisions(server: Server, plan: &Plan, times: usize) -> anyhow::Result<Outcome> {
    let name = unique(server.name);
    let mut writer = Writer::new(server, &name, plan.seed).await?;
    writer.redivided = true;
    let mut members = Members::new(server, &name, plan)?;
    for at in 0..plan.members {
        members.start(at)?;
    }
    settle(&mut members, plan, None).await.context("the first start")?;
    writer.transaction(1).await?;
    let consumer = consumer::start(&name, Isolation::Committed)?;
    let beats = Beats::start(Arc::new(RwLock::new(server)), name.clone(), Rhythm::default());
    let tree = Arc::new(TreeReader::connect(ZOOKEEPER, &format!("/tests/{name}"), None).await?);
    let mut run = Run {
        name: name.clone(),
        random: StdRng::seed_from_u64(plan.seed),
        tree,
        members,
        done: Vec::new(),
        outcome: Outcome::default(),
    };
    run.all(&mut writer, times).await?;
    let beaten = beats.finish().await?;
    consumer.until_quiet(SILENCE).await;
    let history = run.tree.snapshot().await?.history;
    run.members.stop()?;
    let seen = tokio::task::spawn_blocking(move || consumer.finish()).await??;
    let split = writer.expected.settle(&seen.messages);
    let verdict = check_divided(&writer.expected, &seen.messages, MOST);
    let mut ids: Vec<i64> = seen.beats.iter().map(|(_, id)| *id).collect();
    let came = ids.len() as u64;
    ids.sort_unstable();
    ids.dedup();
    let gaps = |ended: bool| {
        let of = run.done.iter().filter(|(with, _)| *with == ended);
        median_p95_worst(of.map(|(_, at)| gap(&seen, *at)).collect())
    };
    let mut examples = std::mem::take(&mut run.outcome.examples);
    examples.extend(verdict.examples);
    Ok(Outcome {
        round: format!("{} x {} {:?} divided {times} times", server.name, plan.members, plan.mode),
        changes: writer.expected.rows + beaten,
        told: history.entries.iter().filter(|entry| entry.trigger == Trigger::Divided).count(),
        split,
        lost: verdict.lost + beaten.saturating_sub(ids.len() as u64),
        repeated: verdict.repeated + (came - ids.len() as u64),
        out_of_order: verdict.out_of_order,
        torn: verdict.torn,
        gap_of_divisions: gaps(false),
        gap_with_an_end: gaps(true),
        examples,
        ..run.outcome
    })
}

/// A round under way.
struct Run {
    name: String,
    random: StdRng,
    tree: Arc<TreeReader>,
    members: Members,
    /// When each division was asked for, and whether a member ended meanwhile.
    done: Vec<(bool, Instant)>,
    outcome: Outcome,
}

impl Run {
    async fn all(&mut self, writer: &mut Writer, times: usize) -> anyhow::Result<()> {
        for number in 0..times {
            for _ in 0..BETWEEN {
                let rows = self.random.random_range(1..15);
                writer.transaction(rows).await?;
            }
            if number % 3 == 2 {
                writer.alter(number as u64 / 3).await?;
            }
            let sharding = sharding(&self.name, number);
            let step = (number % 2 == 1).then(|| STEPS[number / 2 % STEPS.len()]);
            let what = format!("division {number} with {step:?}");
            let mut answer = self.divide(writer, &sharding, step).await.context(what.clone())?;
            if answer.state == Progress::Undone {
                self.outcome.undone += 1;
                self.outcome.examples.push(format!("{what} was undone: {}", answer.detail));
                self.streams(writer).await.context(what.clone())?;
                answer = self.divide(writer, &sharding, None).await.context(what.clone())?;
            }
            anyhow::ensure!(answer.state == Progress::Done, "{what}: {answer:?}");
            self.outcome.divided += 1;
            let seen = self.streams(writer).await.context(what.clone())?;
            let wanted = (sharding.count(), sharding.strategy);
            anyhow::ensure!(
                (seen.layout.shards, seen.layout.strategy) == wanted,
                "{what}: {:?}",
                seen.layout
            );
        }
        let again = sharding(&self.name, times.saturating_sub(1));
        let refused = ask(Arc::clone(&self.tree), again).await?;
        anyhow::ensure!(refused.state == Progress::Refused, "divided like before: {refused:?}");
        Ok(())
    }

    /// Asks for a division while the load goes on, and ends a member at a step of it.
    async fn divide(
        &mut self,
        writer: &mut Writer,
        sharding: &Sharding,
        step: Option<(&str, Who)>,
    ) -> anyhow::Result<Answer> {
        self.settled(writer).await?;
        let armed = match step {
            Some((name, who)) => Some((self.armed(name, who).await?, name)),
            None => None,
        };
        // Transactions of which some are under way when the shards stop.
        writer.transaction(self.random.random_range(500..2_000)).await?;
        self.done.push((armed.is_some(), Instant::now()));
        let asked = tokio::spawn(ask(Arc::clone(&self.tree), sharding.clone()));
        let mut restarted = armed.is_none();
        let deadline = Instant::now() + ARMED;
        while !asked.is_finished() {
            let rows = self.random.random_range(1..15);
            writer.transaction(rows).await?;
            if let (false, Some((at, _))) = (restarted, armed)
                && self.members.worker(at).is_none_or(Worker::has_ended)
            {
                self.members.start(at)?;
                (restarted, self.outcome.ended) = (true, self.outcome.ended + 1);
            }
        }
        let answer = asked.await??;
        // Who ends behind the last step may do so behind the answer.
        if let Some((at, name)) = armed.filter(|_| !restarted) {
            while !self.members.worker(at).is_none_or(Worker::has_ended) {
                anyhow::ensure!(Instant::now() < deadline, "member {at} did not come by {name}");
                writer.transaction(5).await?;
            }
            self.members.start(at)?;
            self.outcome.ended += 1;
        }
        Ok(answer)
    }

    /// Arms a step at whoever comes by it.
    async fn armed(&mut self, step: &str, who: Who) -> anyhow::Result<usize> {
        let seen = self.tree.snapshot().await?;
        let name = match who {
            Who::Leader => seen.leader.as_ref().map(|leader| leader.id.clone()),
            // Of the first shard, which asks the source where its binlog ends.
            Who::Owner => seen.owner(&"0".into()).map(|(member, _)| member.id.clone()),
        };
        let at = name.and_then(|name| self.members.position(name.as_str())).context("nobody comes by")?;
        self.members.worker(at).context("it does not run")?.arm(step, 0).await?;
        Ok(at)
    }

    /// Waits until every member is there and a division would be taken up.
    async fn settled(&mut self, writer: &mut Writer) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.tree.snapshot().await?;
            let lag = seen.lag_milliseconds().unwrap_or(0);
            // What a division is begun by.
            let told = seen.positions.values().filter(|at| at.generation == seen.layout.generation).count();
            let there = seen.members.len() == self.members.running() && seen.leader.is_some();
            if there && streams(&seen) && rests(&seen) && told == seen.layout.shards as usize && lag < 2_000 {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "not settled after {PATIENCE:?}: {seen:?}");
            writer.transaction(5).await?;
        }
    }

    /// Waits until every shard of the layout streams.
    async fn streams(&mut self, writer: &mut Writer) -> anyhow::Result<ClusterSnapshot> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.tree.snapshot().await?;
            if streams(&seen) {
                return Ok(seen);
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "not every shard streams after {PATIENCE:?}: {seen:?}"
            );
            writer.transaction(5).await?;
        }
    }
}

fn streams(seen: &ClusterSnapshot) -> bool {
    seen.layout.change.is_none() && seen.streaming() == seen.layout.shards as usize
}

/// Whether no shard is about to be moved: one that is under way would have the division refused.
fn rests(seen: &ClusterSnapshot) -> bool {
    let at_home = |(shard, assignment): (_, &Assignment)| {
        seen.owner(shard).is_some_and(|(owner, _)| owner.id == assignment.member)
    };
    let part = |member: &MemberId| seen.assignments.values().filter(|it| it.member == *member).count();
    let parts = || seen.members.keys().map(part);
    seen.assignments.iter().all(at_home) && parts().max() <= parts().min().map(|least| least + 1)
}

/// Asks for a division, and waits for what comes of it: longer than one may take.
async fn ask(tree: Arc<TreeReader>, sharding: Sharding) -> anyhow::Result<Answer> {
    let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    let what = Ask::Divide { sharding: Box::new(sharding) };
    let name = tree.ask(&Request::new(what, "the checks", at)).await?;
    tree.outcome(&name, 2 * PATIENCE).await?.context("nothing came of it")
}

/// The divisions one after the other: more and fewer shards, every strategy, and shards with names that get other numbers,
/// which hashed ones had before.
fn sharding(database: &str, number: usize) -> Sharding {
    let hot = |table: &str| Pin {
        shard: "hot".into(),
        tables: vec![format!("{database}.{table}")],
        ..Pin::default()
    };
    let of = |shards, strategy, pins| Sharding { shards, strategy, pins, ..Sharding::default() };
    match number % 6 {
        0 => of(6, Strategy::PrimaryKey, Vec::new()),
        1 => of(5, Strategy::Table, vec![hot("h1")]),
        2 => of(3, Strategy::PrimaryKey, vec![hot("h2")]),
        3 => Sharding {
            databases: vec![database.to_owned()],
            ..of(3, Strategy::Database, vec![Pin { shard: "1".into(), ..hot("h3") }])
        },
        4 => of(2, Strategy::Table, Vec::new()),
        _ => of(4, Strategy::PrimaryKey, Vec::new()),
    }
}

/// The longest silence between two heartbeats that begins before, and ends within reach of, the moment that a division was
/// asked for.
fn gap(seen: &Seen, asked: Instant) -> u64 {
    let mut beats: Vec<Instant> = seen.beats.iter().map(|(at, _)| *at).collect();
    beats.sort_unstable();
    let near = beats.windows(2).filter(|pair| pair[1] > asked && pair[0] < asked + REACH);
    near.map(|pair| (pair[1] - pair[0]).as_millis() as u64).max().unwrap_or(0)
}
