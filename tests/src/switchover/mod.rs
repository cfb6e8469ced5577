//! What is asked of a running cluster, under load: switchovers, what must be refused, parking, pausing, restarting.
//! Ends with the history check; the gaps are told from a heartbeat row every 20 ms.

mod arguments;
mod cluster;
mod proxy;

use std::time::{Duration, Instant};

use maxwell_protocol::history::{Transition, Trigger};
use maxwell_protocol::member::ShardState;
use maxwell_protocol::request::{Ask, Progress};

use crate::chaos::load::Load;
use crate::chaos::median_p95_worst;
use crate::consumer::{self, Isolation, Seen};
use crate::history::check;
use crate::lab::{Server, unique};
use crate::writer::Writer;
pub use arguments::Arguments;
use cluster::{Cluster, able, owner};

/// Between two switchovers or cuts, so that each one's gap can be told.
const SETTLE: Duration = Duration::from_millis(1_200);

/// A silence that a cut causes begins within this time.
const CUT: Duration = Duration::from_secs(2);
/// How long everybody is cut off.
const CUT_FOR_ALL: Duration = Duration::from_secs(5);

/// When things were asked for and done.
#[derive(Default)]
struct Moments {
    switchovers: Vec<Instant>,
    cuts: Vec<Instant>,
}

/// One cluster of three on `server`; `times` switchovers, and `cuts` of an owner's way to MySQL. The report.
async fn switchover(server: Server, times: usize, cuts: usize) -> anyhow::Result<serde_json::Value> {
    let name = unique("switchover");
    let mut writer = Writer::new(server, &name, 1).await?;
    let cluster = Cluster::start(server, &name).await?;
    writer.transaction(1).await?;
    let load = Load::start(server, writer, &name, 1);
    let consumer = consumer::start(&name, Isolation::Committed)?;
    let done = exercise(&cluster, times, cuts).await;
    let (expected, beaten) = load.finish().await?;
    let moments = done?;
    consumer.until_beat(beaten).await;
    let seen = tokio::task::spawn_blocking(move || consumer.finish()).await??;
    let verdict = check(&expected, &seen.messages);
    anyhow::ensure!(verdict.is_clean(), "{verdict:?}");
    let history = cluster.tree.snapshot().await?.history;
    anyhow::ensure!(history.failovers == cuts as u64, "failovers that nothing forced: {history:?}");
    let told = |is: &dyn Fn(&Transition) -> bool| -> Vec<u64> {
        let entries = history.entries.iter().filter(|entry| is(entry));
        entries.filter_map(|entry| entry.gap_milliseconds).collect()
    };
    let requested = told(&|entry| entry.trigger == Trigger::Requested && entry.by == "the checks");
    anyhow::ensure!(
        requested.len() >= times.min(20),
        "the history tells of {} requests only",
        requested.len()
    );
    let unreachable = told(&|entry| entry.trigger == Trigger::Unreachable);
    anyhow::ensure!(unreachable.len() == cuts, "{cuts} cuts, but {history:?}");
    let gaps = |moments: &[Instant], within| moments.iter().map(|at| gap(&seen, *at, within)).collect();
    Ok(serde_json::json!({
        "server": server.name,
        "switchover_milliseconds": median_p95_worst(gaps(&moments.switchovers, Duration::from_secs(1))),
        "switchover_milliseconds_of_the_history": median_p95_worst(requested),
        "mysql_cut_off_milliseconds": median_p95_worst(gaps(&moments.cuts, CUT)),
        "mysql_cut_off_milliseconds_of_the_history": median_p95_worst(unreachable),
        "changes": expected.rows,
        "lost": verdict.lost, "repeated": verdict.repeated, "out_of_order": verdict.out_of_order,
    }))
}

/// Everything that can be asked, and what nobody asks for.
async fn exercise(cluster: &Cluster, times: usize, cuts: usize) -> anyhow::Result<Moments> {
    refusals(cluster).await?;
    let mut moments = Moments::default();
    for _ in 0..times {
        tokio::time::sleep(SETTLE).await;
        let before = cluster.until(|seen| able(seen) && owner(seen).is_some()).await?;
        moments.switchovers.push(Instant::now());
        cluster.done(Ask::Switchover { from: None, to: None }).await?;
        let after = cluster.tree.snapshot().await?;
        let leader = after.leader.as_ref().map(|leader| leader.id.clone());
        anyhow::ensure!(owner(&after) != owner(&before), "the shard has not moved");
        anyhow::ensure!(owner(&after) == leader, "{:?} owns, {leader:?} leads", owner(&after));
    }
    pause(cluster).await?;
    park_and_restart(cluster).await?;
    for _ in 0..cuts {
        moments.cuts.push(cut_off(cluster).await?);
    }
    if cuts > 0 {
        cut_all_off(cluster).await?;
    }
    Ok(moments)
}

/// The owner's way to MySQL is cut, the others' are not.
async fn cut_off(cluster: &Cluster) -> anyhow::Result<Instant> {
    let before = cluster.until(|seen| able(seen) && owner(seen).is_some()).await?;
    tokio::time::sleep(SETTLE).await;
    let Some(active) = owner(&before) else { anyhow::bail!("nobody streams") };
    let way = &cluster.ways[cluster.place(&active)?];
    let at = Instant::now();
    way.cut(true);
    let taken = cluster.until(|seen| owner(seen).is_some_and(|owner| owner != active)).await;
    way.cut(false);
    taken?;
    Ok(at)
}

/// Nobody reaches MySQL: nobody gives anything up.
async fn cut_all_off(cluster: &Cluster) -> anyhow::Result<()> {
    let before = cluster.until(|seen| able(seen) && owner(seen).is_some()).await?;
    tokio::time::sleep(SETTLE).await;
    cluster.ways.iter().for_each(|way| way.cut(true));
    tokio::time::sleep(CUT_FOR_ALL).await;
    cluster.ways.iter().for_each(|way| way.cut(false));
    let after = cluster.until(|seen| able(seen) && owner(seen).is_some()).await?;
    anyhow::ensure!(owner(&before) == owner(&after), "the shard moved although nobody reached MySQL");
    Ok(())
}

/// Nothing moves, nothing is disturbed.
async fn refusals(cluster: &Cluster) -> anyhow::Result<()> {
    let seen = cluster.tree.snapshot().await?;
    let active = owner(&seen).unwrap_or_else(|| cluster.id(0));
    let others: Vec<usize> = (0..3).filter(|at| cluster.id(*at) != active).collect();
    let to = |to: &str| Ask::Switchover { from: None, to: Some(to.into()) };
    cluster.refused(to("nobody"), Progress::Refused, "there is no member 'nobody'").await?;
    cluster.refused(to(active.as_str()), Progress::Refused, "has it already").await?;
    cluster.refused(Ask::Resume, Progress::Refused, "not paused").await?;
    let parked = cluster.id(others[0]);
    cluster.done(Ask::Park { member: parked.clone() }).await?;
    cluster.refused(to(parked.as_str()), Progress::Refused, "is parked").await?;
    cluster.done(Ask::Unpark { member: parked }).await?;
    // One that is frozen looks alive until its session ends, and does not ask for the shard.
    let frozen = &cluster.workers[others[1]];
    frozen.signal("STOP")?;
    let outcome = cluster.refused(to(&frozen.spec.name), Progress::Undone, "did not ask for shard 0").await;
    frozen.signal("CONT")?;
    outcome
}

/// Owners keep their shards, and nothing is sent until they read again.
async fn pause(cluster: &Cluster) -> anyhow::Result<()> {
    let before = cluster.until(|seen| owner(seen).is_some()).await?;
    cluster.done(Ask::Pause).await?;
    let paused = cluster.tree.snapshot().await?;
    let report = paused.owner(&"0".into()).map(|(member, report)| (member.id.clone(), report.state));
    anyhow::ensure!(report == owner(&before).map(|id| (id, ShardState::Paused)), "paused: {report:?}");
    let position = |seen: &maxwell_protocol::snapshot::ClusterSnapshot| {
        seen.positions.get(&"0".into()).map(|mirror| mirror.sequence)
    };
    let at = position(&paused);
    tokio::time::sleep(Duration::from_millis(500)).await;
    anyhow::ensure!(position(&cluster.tree.snapshot().await?) == at, "something was read while paused");
    cluster.done(Ask::Resume).await?;
    let after = cluster.until(|seen| owner(seen).is_some()).await?;
    anyhow::ensure!(owner(&after) == owner(&before), "the pause moved the shard");
    Ok(())
}

/// The owner is parked, stays so over a restart, and is fit again when unparked.
async fn park_and_restart(cluster: &Cluster) -> anyhow::Result<()> {
    let before = cluster.until(|seen| able(seen) && owner(seen).is_some()).await?;
    let Some(active) = owner(&before) else { anyhow::bail!("nobody streams") };
    cluster.done(Ask::Park { member: active.clone() }).await?;
    cluster.done(Ask::Restart { member: active.clone() }).await?;
    let after = cluster.until(|seen| seen.members.len() == 3 && able(seen) && owner(seen).is_some()).await?;
    anyhow::ensure!(after.members[&active].incarnation != before.members[&active].incarnation, "no restart");
    anyhow::ensure!(owner(&after) != Some(active.clone()), "a parked member owns the shard");
    let to = Ask::Switchover { from: None, to: Some(active.clone()) };
    cluster.refused(to.clone(), Progress::Refused, "is parked").await?;
    cluster.done(Ask::Unpark { member: active.clone() }).await?;
    cluster
        .until(|seen| seen.members[&active].state == maxwell_protocol::member::MemberState::Running)
        .await?;
    cluster.done(to).await?;
    let owner = owner(&cluster.tree.snapshot().await?);
    anyhow::ensure!(owner == Some(active.clone()), "{owner:?} streams");
    // The owner restarts: the shard and the lead leave it first.
    cluster.done(Ask::Restart { member: active }).await
}

/// The longest silence between two heartbeats that lies, in part, between that moment and the end of `within`.
fn gap(seen: &Seen, asked: Instant, within: Duration) -> u64 {
    let until = asked + within;
    let silences = seen.beats.windows(2).filter(|pair| pair[1].0 > asked && pair[0].0 < until);
    silences.map(|pair| (pair[1].0 - pair[0].0).as_millis() as u64).max().unwrap_or(0)
}
