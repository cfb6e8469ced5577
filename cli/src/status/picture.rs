//! A cluster as `status` shows it. Pure.

use maxwell_protocol::id::{Epoch, MemberId, ShardId};
use maxwell_protocol::layout::Phase;
use maxwell_protocol::live::InForce;
use maxwell_protocol::member::{Connection, MemberState, ShardState};
use maxwell_protocol::position::PositionMirror;
use maxwell_protocol::snapshot::ClusterSnapshot;
use serde::Serialize;

/// The whole.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Picture {
    pub(super) root: String,
    pub(super) leader: Option<MemberId>,
    pub(super) leader_epoch: Option<Epoch>,
    pub(super) paused: bool,
    pub(super) streaming: usize,
    pub(super) lag_milliseconds: Option<u64>,
    pub(super) failovers: u64,
    pub(super) settings_version: u64,
    /// The generation of the layout that is in force.
    pub(super) layout: u64,
    /// How far a change of it is.
    pub(super) dividing: Option<Phase>,
    pub(super) members: Vec<Member>,
    pub(super) shards: Vec<Shard>,
}

/// A member that is expected or there.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Member {
    pub(super) name: MemberId,
    pub(super) role: &'static str,
    pub(super) state: &'static str,
    pub(super) shards: Vec<ShardId>,
    pub(super) cpu_percent: f64,
    pub(super) memory_bytes: u64,
    pub(super) rows_per_second: f64,
    pub(super) mysql: Connection,
    pub(super) kafka: Connection,
    pub(super) address: String,
    pub(super) settings: InForce,
    pub(super) version: String,
}

/// A shard of the layout.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shard {
    pub(super) name: ShardId,
    pub(super) assigned_to: Option<MemberId>,
    pub(super) owner: Option<MemberId>,
    pub(super) state: ShardState,
    pub(super) epoch: Epoch,
    pub(super) lag_milliseconds: Option<u64>,
    pub(super) position: Option<PositionMirror>,
    pub(super) last_error: String,
}

impl Picture {
    pub(super) fn draw(root: &str, snapshot: &ClusterSnapshot) -> Self {
        let mut names: Vec<&MemberId> = snapshot.roster.keys().chain(snapshot.members.keys()).collect();
        names.sort();
        names.dedup();
        Self {
            root: root.to_owned(),
            leader: snapshot.leader.as_ref().map(|leader| leader.id.clone()),
            leader_epoch: snapshot.leader.as_ref().map(|leader| leader.epoch),
            paused: snapshot.live.paused,
            streaming: snapshot.streaming(),
            lag_milliseconds: snapshot.lag_milliseconds(),
            failovers: snapshot.history.failovers,
            settings_version: snapshot.live.version,
            layout: snapshot.layout.generation,
            dividing: snapshot.layout.change.as_ref().map(|change| change.phase),
            members: names.into_iter().map(|name| member(snapshot, name)).collect(),
            shards: snapshot.shards().map(|name| shard(snapshot, name)).collect(),
        }
    }
}

fn member(snapshot: &ClusterSnapshot, name: &MemberId) -> Member {
    let record = snapshot.members.get(name);
    let parked = snapshot.roster.get(name).is_some_and(|entry| entry.parked);
    let leads = snapshot.leader.as_ref().is_some_and(|leader| leader.id == *name);
    let role = match record {
        _ if leads => "Leader",
        Some(record) if !record.shards.is_empty() => "Follower",
        _ => "Standby",
    };
    let state = match record.map(|record| record.state) {
        None if parked => "Offline, parked",
        None => "Offline",
        Some(_) if parked => "Parked",
        Some(MemberState::Starting) => "Starting",
        Some(MemberState::Running) => "Running",
        Some(MemberState::Draining) => "Draining",
        Some(MemberState::Parked) => "Parked",
    };
    Member {
        name: name.clone(),
        role,
        state,
        shards: record.map(|record| record.shards.keys().cloned().collect()).unwrap_or_default(),
        cpu_percent: record.map_or(0.0, |record| record.cpu_percent),
        memory_bytes: record.map_or(0, |record| record.memory_bytes),
        rows_per_second: record.map_or(0.0, |record| record.rows_per_second),
        mysql: record.map(|record| record.mysql.clone()).unwrap_or_default(),
        kafka: record.map(|record| record.kafka.clone()).unwrap_or_default(),
        address: record.map(|record| record.address.clone()).unwrap_or_default(),
        settings: record.map(|record| record.settings.clone()).unwrap_or_default(),
        version: record.map(|record| record.version.clone()).unwrap_or_default(),
    }
}

fn shard(snapshot: &ClusterSnapshot, name: ShardId) -> Shard {
    let owner = snapshot.owner(&name);
    let report = owner.map(|(_, report)| report);
    Shard {
        assigned_to: snapshot.assignments.get(&name).map(|assignment| assignment.member.clone()),
        owner: owner.map(|(member, _)| member.id.clone()),
        state: report.map(|report| report.state).unwrap_or_default(),
        epoch: report.map(|report| report.epoch).unwrap_or_default(),
        lag_milliseconds: report
            .filter(|report| report.state == ShardState::Streaming)
            .map(|report| report.lag_milliseconds),
        position: snapshot.positions.get(&name).cloned(),
        last_error: report.map(|report| report.last_error.clone()).unwrap_or_default(),
        name,
    }
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::member::RosterRecord;

    use super::*;

    #[test]
    fn who_is_expected_and_not_there_is_offline() {
        let mut snapshot = ClusterSnapshot::default();
        snapshot.roster.insert("a".into(), RosterRecord::default());
        snapshot.roster.insert("b".into(), RosterRecord { parked: true });
        let picture = Picture::draw("/m", &snapshot);
        let shown: Vec<_> = picture.members.iter().map(|one| (one.name.as_str(), one.state)).collect();
        assert_eq!(shown, [("a", "Offline"), ("b", "Offline, parked")]);
        assert_eq!((picture.shards.len(), picture.shards[0].state), (1, ShardState::Unowned));
    }
}
