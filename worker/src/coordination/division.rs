//! Another division of rows into shards, in a running cluster: whether it can be, how far it is, what it comes to. Pure.
//!
//! ```text
//! asked ─▶ Stopping ──all have stopped──▶ CatchingUp ──barrier──▶ all are sealed at it ──▶ the new layout is in force
//!             └───────────────────────────────┴── too late, or an owner that halts ──▶ undone: the old one goes on
//! ```
//! The barrier is the source's head, read once every owner has stopped: nobody is behind it, and no transaction that
//! an owner is inside of ends behind it. Every step is one write over the layout's version with the proof of the lead,
//! so that the next leader goes on from wherever the last one ended.

use maxwell_protocol::bootstrap::CopyState;
use maxwell_protocol::id::ShardId;
use maxwell_protocol::layout::{Change, Layout, Origin, Phase};
use maxwell_protocol::member::ShardState;
use maxwell_protocol::position::{PositionMirror, Seal};
use maxwell_protocol::request::{Ask, Request};
use maxwell_protocol::settings::{Mode, Sharding, Strategy};

use super::observed::Observed;

/// A change begins only while no shard is further behind: the stream stands still until the last one has come to the
/// barrier.
const MOST_LAG_MILLISECONDS: u64 = 5_000;
/// What is not done then is undone.
const LIMIT_MILLISECONDS: u64 = 60_000;
/// A dump is not opened at a place behind this one, but by GTID, and then does not tell where it is.
const END_OF_OFFSETS: u64 = 1 << 32;

/// What follows for a change that is being carried out.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// Nothing yet.
    Wait,
    /// Every owner has stopped.
    CatchUp,
    /// Every shard has come to the barrier and is sealed there.
    Flip,
    /// It cannot end well, for this reason.
    Undo(String),
}

/// The layout with the change that is asked for, or why there is none.
pub(super) fn begin(
    observed: &Observed,
    mode: Mode,
    sharding: &Sharding,
    now: i64,
) -> Result<Layout, String> {
    if mode == Mode::ActiveStandby {
        return Err("mode ActiveStandby has one shard: start the members with mode Sharded or Hybrid".into());
    }
    if let Some(problem) = sharding.problems().first() {
        return Err(problem.to_string());
    }
    let Some(layout) = &observed.layout else { return Err("the cluster has no layout yet".into()) };
    if let Some(change) = &layout.change {
        return Err(format!("a change to generation {} is being carried out", change.to.generation));
    }
    let wanted = Layout::of(sharding);
    if [layout.strategy, wanted.strategy].contains(&Strategy::Time) {
        return Err(
            "a division by Time begins with its cluster, and ends with it: make another cluster".into()
        );
    }
    if wanted.divides_like(layout) {
        return Err("rows are divided like that already".into());
    }
    if observed.paused() {
        return Err("the cluster is paused: resume it first".into());
    }
    if let Some((one, other)) = other_versions(observed) {
        return Err(format!("members run versions {one} and {other}: ask again when all run the same"));
    }
    let copies = observed.requests.values().any(|(request, _)| is_open_copy(request));
    if copies || observed.positions.values().any(copies_under_way) {
        return Err("tables are being copied: ask again when that is done".into());
    }
    if observed.plans().any(|(request, _)| matches!(request.ask, Ask::Rewind { .. })) {
        return Err("a shard is being rewound: ask again when that is done".into());
    }
    let server = common_server(observed, layout)?;
    Ok(layout.changing(&wanted, now, server))
}

/// What one of them does not know of, it would not heed.
fn other_versions(observed: &Observed) -> Option<(&str, &str)> {
    let mut versions = observed.members.values().map(|member| member.version.as_str());
    let first = versions.next()?;
    versions.find(|other| *other != first).map(|other| (first, other))
}

fn is_open_copy(request: &Request) -> bool {
    matches!(request.ask, Ask::Bootstrap(_)) && !request.is_settled()
}

fn copies_under_way(mirror: &PositionMirror) -> bool {
    mirror.copies.iter().any(|copy| copy.state != CopyState::Complete)
}

/// The server that every shard reads, if all do and are close to its head.
fn common_server(observed: &Observed, layout: &Layout) -> Result<String, String> {
    let mut server: Option<&str> = None;
    for (shard, _) in layout.shards() {
        let Some((member, report)) = observed.report(&shard) else {
            return Err(format!("nobody streams shard {shard}"));
        };
        if report.state != ShardState::Streaming {
            let why = if report.last_error.is_empty() { "" } else { ": " };
            return Err(format!(
                "shard {shard} does not stream at {member}, it is {:?}{why}{}",
                report.state, report.last_error
            ));
        }
        if report.lag_milliseconds > MOST_LAG_MILLISECONDS {
            return Err(format!(
                "shard {shard} is {} s behind the source, and {} s are the most: ask again when it has caught up",
                report.lag_milliseconds / 1_000,
                MOST_LAG_MILLISECONDS / 1_000
            ));
        }
        let mirror = observed.positions.get(&shard).filter(|it| it.generation == layout.generation);
        let Some(mirror) = mirror.filter(|it| !it.binlog_file.is_empty()) else {
            return Err(format!(
                "shard {shard} has not told its place in the binlog of the server that it reads yet: ask again"
            ));
        };
        if mirror.binlog_position >= END_OF_OFFSETS {
            return Err(format!(
                "shard {shard} is at {}:{}, behind 4 GiB of one file: FLUSH BINARY LOGS at the source, then ask again",
                mirror.binlog_file, mirror.binlog_position
            ));
        }
        let first = *server.get_or_insert(&mirror.server_id);
        if first != mirror.server_id {
            return Err(format!("shard {shard} reads server {}, others read {first}", mirror.server_id));
        }
    }
    server.map(str::to_owned).ok_or_else(|| "the layout has no shards".into())
}

/// What follows for `change` of `layout` at `now`.
pub(super) fn next(observed: &Observed, layout: &Layout, change: &Change, now: i64) -> Next {
    for (shard, _) in layout.shards() {
        if let Some((member, report)) = observed.report(&shard)
            && report.state == ShardState::Halted
        {
            return Next::Undo(format!("shard {shard} halts at {member}: {}", report.last_error));
        }
    }
    if let Some(barrier) = change.barrier.as_ref().filter(|barrier| barrier.server != change.server) {
        return Next::Undo(format!("the source is server {} now, not {}", barrier.server, change.server));
    }
    let late = missing(observed, layout, change);
    match (change.phase, &late) {
        (Phase::Stopping, None) => Next::CatchUp,
        (Phase::CatchingUp, None) if change.to.begins.is_some() => Next::Flip,
        // One that is yet to begin was begun by another clock.
        _ if now.abs_diff(change.at) > LIMIT_MILLISECONDS => {
            let what = late.map_or("where it begins is not written down".into(), |(shard, said)| {
                format!("shard {shard} {said}")
            });
            Next::Undo(format!("after {} s {what}", LIMIT_MILLISECONDS / 1_000))
        }
        _ => Next::Wait,
    }
}

/// The first shard whose owner has not done what the phase asks for, and in words what it says instead.
fn missing(observed: &Observed, layout: &Layout, change: &Change) -> Option<(ShardId, String)> {
    let generation = change.to.generation;
    layout.shards().find_map(|(shard, _)| {
        let Some((member, report)) = observed.report(&shard) else {
            return Some((shard, "has no owner".to_owned()));
        };
        let done = match change.phase {
            Phase::Stopping => report.stopped_for == Some(generation),
            Phase::CatchingUp => report.sealed == Some(Seal::Layout { generation }),
        };
        let why = if report.last_error.is_empty() { "" } else { ": " };
        let said = || format!("is {:?} at {member}{why}{}", report.state, report.last_error);
        (!done).then(|| (shard, said()))
    })
}

/// `layout` once every owner has stopped.
pub(super) fn caught_up_with(layout: &Layout) -> Layout {
    let change = layout.change.clone().map(|change| Change { phase: Phase::CatchingUp, ..change });
    Layout { change, ..layout.clone() }
}

/// The layout that `change` leads to, in force from `now` on, as `request` asked for.
pub(super) fn flipped(change: &Change, request: Option<&Request>, now: i64) -> Layout {
    let origin = Origin {
        by: request.map(|request| request.by.clone()).unwrap_or_default(),
        asked_at: request.map_or(change.at, |request| request.at),
        begun_at: change.at,
        in_force_at: now,
    };
    Layout { origin: Some(origin), ..(*change.to).clone() }
}

/// `layout` without a change.
pub(super) fn undone(layout: &Layout) -> Layout {
    Layout { change: None, ..layout.clone() }
}

/// The request that `generation` is the answer to, with its name and version.
pub(super) fn request(observed: &Observed, generation: u64) -> Option<(&str, &Request, i32)> {
    observed.requests.iter().find_map(|(name, (request, version))| {
        let plan = request.plan().filter(|plan| plan.generation == Some(generation));
        plan.map(|_| (name.as_str(), request, *version))
    })
}

#[cfg(test)]
mod tests;
