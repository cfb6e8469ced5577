//! Clusters for tests.

use std::collections::BTreeMap;

use maxwell_protocol::history::{History, Phases, Transition, Trigger};
use maxwell_protocol::id::{Epoch, Incarnation};
use maxwell_protocol::live::InForce;
use maxwell_protocol::member::{
    Connection, LeaderRecord, MemberRecord, MemberState, Retention, RosterRecord, ShardReport, ShardState,
};
use maxwell_protocol::position::PositionMirror;
use maxwell_protocol::snapshot::ClusterSnapshot;

/// A member that owns nothing and reaches everything.
pub(in crate::cluster) fn standby_member(id: &str) -> MemberRecord {
    let reached = || Connection { reachable: Some(true), error: String::new() };
    MemberRecord {
        id: id.into(),
        incarnation: Incarnation::random(),
        address: String::new(),
        probe_address: String::new(),
        version: "1.0.0".into(),
        priority: 0,
        started_at: 0,
        state: MemberState::Running,
        cpu_percent: 40.0,
        memory_bytes: 48 << 20,
        memory_limit_bytes: 0,
        rows_per_second: 0.0,
        bytes_per_second: 0.0,
        unsent_bytes: 0,
        shards: BTreeMap::new(),
        settings: InForce::default(),
        mysql: reached(),
        kafka: reached(),
    }
}

/// A member that streams shard 0.
pub(in crate::cluster) fn streaming_member(id: &str) -> MemberRecord {
    let report = ShardReport {
        state: ShardState::Streaming,
        epoch: Epoch(3),
        lag_milliseconds: 200,
        rows_per_second: 0.0,
        retention: Retention::Seconds(259_200),
        started_over: false,
        last_error: String::new(),
        ..ShardReport::default()
    };
    MemberRecord { shards: BTreeMap::from([("0".into(), report)]), ..standby_member(id) }
}

/// A tree with these members, all on the roster; the owner leads. The first start is in its history.
pub(in crate::cluster) fn snapshot<const N: usize>(members: [MemberRecord; N]) -> ClusterSnapshot {
    let leader = members.iter().find(|member| !member.shards.is_empty()).map(|owner| LeaderRecord {
        id: owner.id.clone(),
        incarnation: owner.incarnation,
        address: String::new(),
        epoch: Epoch(12),
        since: 0,
    });
    let mirror = PositionMirror {
        binlog_file: "binlog.000123".into(),
        binlog_position: 4_567,
        gtid_set: String::new(),
        server_id: "server".into(),
        timestamp: 1,
        epoch: Epoch(3),
        sequence: 1,
        generation: 1,
        copies: Vec::new(),
    };
    let mut history = History::default();
    history.record(transition(Trigger::FirstStart, None, "orders-0"));
    ClusterSnapshot {
        leader,
        roster: members.iter().map(|member| (member.id.clone(), RosterRecord::default())).collect(),
        members: members.into_iter().map(|member| (member.id.clone(), member)).collect(),
        positions: BTreeMap::from([("0".into(), mirror)]),
        history,
        ..ClusterSnapshot::default()
    }
}

/// A change of shard 0's owner at 7.5 s after the epoch.
pub(in crate::cluster) fn transition(trigger: Trigger, from: Option<&str>, to: &str) -> Transition {
    Transition {
        time: 7_500,
        shard: "0".into(),
        from: from.map(Into::into),
        to: to.into(),
        trigger,
        by: String::new(),
        gap_milliseconds: Some(410),
        phases: Phases {
            detection_milliseconds: 40,
            election_milliseconds: 60,
            sync_milliseconds: 250,
            resume_milliseconds: 60,
        },
    }
}
