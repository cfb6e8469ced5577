//! Draws leader, members, shards and failovers as the ZooKeeper tree shows them. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use maxwell_crds::v1alpha1::{
    FailoverPhases, LastFailover, LastRequest, MaxwellCluster, MaxwellClusterStatus, MemberRole, MemberState,
    MemberStatus, RequestState, ShardPosition, ShardState, ShardStatus,
};
use maxwell_protocol::history::{Phases, Transition, Trigger};
use maxwell_protocol::id::{MemberId, ShardId};
use maxwell_protocol::member;
use maxwell_protocol::position::PositionMirror;
use maxwell_protocol::request::{Ask, Progress};
use maxwell_protocol::snapshot::ClusterSnapshot;

use super::copies;
use super::{cpu_percent, lag_seconds, memory_bytes, seconds_left};

/// The part of the status that the tree tells.
pub(super) fn draw(
    snapshot: &ClusterSnapshot,
    cluster: &MaxwellCluster,
    desired: i32,
    before: Option<&MaxwellClusterStatus>,
) -> MaxwellClusterStatus {
    let shards: Vec<ShardStatus> = snapshot
        .shards()
        .map(|shard| {
            let known = before.and_then(|before| before.shards.iter().find(|one| one.name == shard.0));
            draw_shard(snapshot, &shard, known)
        })
        .collect();
    let streamed = snapshot.shards().filter(|shard| streamers(snapshot, shard) == 1).count();
    MaxwellClusterStatus {
        cluster_id: snapshot.cluster.map(|id| id.to_string()),
        leader: snapshot.leader.as_ref().map(|leader| leader.id.0.clone()),
        epoch: snapshot.leader.as_ref().map(|leader| signed(leader.epoch.0)),
        owned: Some(format!("{streamed}/{}", shards.len())),
        lag_seconds: shards.iter().filter_map(|shard| shard.lag_seconds).max(),
        last_request: last_request(snapshot),
        failovers: signed(snapshot.history.failovers),
        last_failover: last_failover(snapshot, before),
        members: expected(snapshot, cluster, desired)
            .into_iter()
            .map(|id| {
                let known = before.and_then(|before| before.members.iter().find(|one| one.name == id.0));
                draw_member(snapshot, id, known)
            })
            .collect(),
        shards,
        bootstrap: copies::draw(snapshot, before),
        ..MaxwellClusterStatus::default()
    }
}

/// The members with a session, and those of the roster that have a pod to come back with.
fn expected<'a>(
    snapshot: &'a ClusterSnapshot,
    cluster: &MaxwellCluster,
    desired: i32,
) -> BTreeSet<&'a MemberId> {
    let prefix = format!("{}-", cluster.name_any());
    let has_pod = |id: &&MemberId| {
        let ordinal = id.as_str().strip_prefix(&prefix).and_then(|ordinal| ordinal.parse::<i32>().ok());
        ordinal.is_some_and(|ordinal| ordinal < desired)
    };
    snapshot.members.keys().chain(snapshot.offline().filter(has_pod)).collect()
}

fn draw_member(snapshot: &ClusterSnapshot, id: &MemberId, before: Option<&MemberStatus>) -> MemberStatus {
    let Some(record) = snapshot.members.get(id) else {
        return MemberStatus {
            name: id.0.clone(),
            role: MemberRole::Standby,
            state: MemberState::Offline,
            shards: Vec::new(),
            cpu_percent: None,
            memory_bytes: None,
            version: before.map(|before| before.version.clone()).unwrap_or_default(),
        };
    };
    let leads = snapshot.leader.as_ref().is_some_and(|leader| leader.incarnation == record.incarnation);
    let parked = snapshot.roster.get(id).is_some_and(|entry| entry.parked);
    MemberStatus {
        name: id.0.clone(),
        role: match (leads, record.shards.is_empty()) {
            (true, _) => MemberRole::Leader,
            (false, false) => MemberRole::Follower,
            (false, true) => MemberRole::Standby,
        },
        state: match record.state {
            member::MemberState::Draining => MemberState::Draining,
            _ if parked => MemberState::Parked,
            member::MemberState::Parked => MemberState::Parked,
            member::MemberState::Starting => MemberState::Starting,
            member::MemberState::Running => MemberState::Running,
        },
        shards: record.shards.keys().map(|shard| shard.0.clone()).collect(),
        cpu_percent: Some(cpu_percent(record.cpu_percent, before.and_then(|before| before.cpu_percent))),
        memory_bytes: Some(memory_bytes(record.memory_bytes, before.and_then(|before| before.memory_bytes))),
        version: record.version.clone(),
    }
}

fn draw_shard(snapshot: &ClusterSnapshot, shard: &ShardId, before: Option<&ShardStatus>) -> ShardStatus {
    let position = snapshot.positions.get(shard);
    let epoch = position.map(|mirror| signed(mirror.epoch.0));
    let drawn = ShardStatus {
        name: shard.0.clone(),
        owner: None,
        state: ShardState::Unowned,
        epoch,
        lag_seconds: None,
        position: position.map(place),
        binlog_retention_seconds: None,
        last_error: String::new(),
    };
    let Some((owner, report)) = snapshot.owner(shard) else { return drawn };
    let streams = report.state == member::ShardState::Streaming;
    // An owner that does not stream measures no lag.
    let lag =
        streams.then(|| lag_seconds(report.lag_milliseconds, before.and_then(|before| before.lag_seconds)));
    ShardStatus {
        owner: Some(owner.id.0.clone()),
        state: match report.state {
            member::ShardState::Unowned => ShardState::Unowned,
            member::ShardState::TakingOver => ShardState::TakingOver,
            member::ShardState::Streaming => ShardState::Streaming,
            member::ShardState::Paused => ShardState::Paused,
            member::ShardState::Retrying => ShardState::Retrying,
            member::ShardState::Halted => ShardState::Halted,
            member::ShardState::Sealed => ShardState::Sealed,
        },
        // Until the epoch is taken the predecessor's stands.
        epoch: if report.epoch.0 > 0 { Some(signed(report.epoch.0)) } else { epoch },
        lag_seconds: lag,
        binlog_retention_seconds: match report.retention {
            member::Retention::Unknown | member::Retention::Forever => None,
            member::Retention::Seconds(seconds) => Some(seconds_left(seconds)),
        },
        last_error: report.last_error.clone(),
        ..drawn
    }
}

/// How many live members say that they stream the shard, or would if they were not paused or it were its turn.
fn streamers(snapshot: &ClusterSnapshot, shard: &ShardId) -> usize {
    let reports = snapshot.members.values().filter_map(|member| member.shards.get(shard));
    reports.filter(|report| report.gets_on() || report.state == member::ShardState::Paused).count()
}

fn place(mirror: &PositionMirror) -> ShardPosition {
    ShardPosition {
        file: mirror.binlog_file.clone(),
        offset: signed(mirror.binlog_position),
        gtid_set: mirror.gtid_set.clone(),
    }
}

/// The history is bounded: a failover that many switchovers have pushed out of it is remembered here.
fn last_failover(snapshot: &ClusterSnapshot, before: Option<&MaxwellClusterStatus>) -> Option<LastFailover> {
    let last = snapshot.history.entries.iter().rev().find(|entry| entry.trigger.is_failover());
    match last {
        Some(entry) => Some(draw_failover(entry)),
        None if snapshot.history.failovers > 0 => before?.last_failover.clone(),
        None => None,
    }
}

/// Copies of tables are no commands.
fn last_request(snapshot: &ClusterSnapshot) -> Option<LastRequest> {
    let commands = snapshot.requests.values().filter(|request| !matches!(request.ask, Ask::Bootstrap(_)));
    let request = commands.max_by_key(|request| request.at)?;
    Some(LastRequest {
        time: whole_seconds(request.at),
        ask: request.ask.to_string(),
        by: request.by.clone(),
        state: match request.outcome.as_ref().map(|outcome| outcome.state) {
            None => RequestState::Waiting,
            Some(Progress::Accepted) => RequestState::Accepted,
            Some(Progress::Done) => RequestState::Done,
            Some(Progress::Refused) => RequestState::Refused,
            Some(Progress::Undone) => RequestState::Undone,
        },
        detail: request.outcome.as_ref().map(|outcome| outcome.detail.clone()).unwrap_or_default(),
    })
}

/// What the API server gives back compares equal.
fn whole_seconds(milliseconds: i64) -> Time {
    Time(Timestamp::from_second(milliseconds.div_euclid(1_000)).unwrap_or(Timestamp::UNIX_EPOCH))
}

fn draw_failover(entry: &Transition) -> LastFailover {
    LastFailover {
        time: whole_seconds(entry.time),
        from: entry.from.as_ref().map(|member| member.0.clone()),
        to: entry.to.0.clone(),
        reason: trigger_name(entry.trigger).to_owned(),
        gap_milliseconds: entry.gap_milliseconds.map(signed),
        phases: draw_phases(&entry.phases),
    }
}

fn draw_phases(phases: &Phases) -> FailoverPhases {
    FailoverPhases {
        detection_milliseconds: signed(phases.detection_milliseconds),
        election_milliseconds: signed(phases.election_milliseconds),
        sync_milliseconds: signed(phases.sync_milliseconds),
        resume_milliseconds: signed(phases.resume_milliseconds),
    }
}

fn trigger_name(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::FirstStart => "FirstStart",
        Trigger::ConnectionReset => "ConnectionReset",
        Trigger::SessionExpired => "SessionExpired",
        Trigger::Shutdown => "Shutdown",
        Trigger::Requested => "Requested",
        Trigger::Rebalanced => "Rebalanced",
        Trigger::Unreachable => "Unreachable",
        Trigger::Stalled => "Stalled",
        Trigger::Rewound => "Rewound",
        Trigger::Divided => "Divided",
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
