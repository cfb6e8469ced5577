use std::sync::Arc;

use maxwell_crds::v1alpha1::{MemberRole, MemberState, Phase, ShardState};
use maxwell_protocol::history::{Departure, Trigger};
use maxwell_protocol::member;
use serde_json::json;

use super::testing::{snapshot, standby_member, streaming_member, transition};
use super::*;

fn cluster() -> MaxwellCluster {
    serde_json::from_value(json!({
        "apiVersion": "maxwell-cdc.io/v1alpha1",
        "kind": "MaxwellCluster",
        "metadata": {"name": "orders", "namespace": "cdc", "generation": 7},
        "spec": {
            "mysql": {"host": "mysql.db.svc", "credentialsSecretRef": {"name": "orders-mysql"}},
            "kafka": {"brokers": ["kafka:9092"], "topic": "orders"},
            "zookeeper": {"hosts": ["zk-0:2181", "zk-1:2181"]},
        },
    }))
    .unwrap()
}

/// What a status is computed from, for tests to change.
struct Case {
    cluster: MaxwellCluster,
    problems: Vec<Problem>,
    workload: Workload,
    observation: Observation,
}

impl Case {
    fn new(snapshot: ClusterSnapshot) -> Self {
        let selector = "app.kubernetes.io/instance=orders".to_owned();
        Self {
            cluster: cluster(),
            problems: Vec::new(),
            workload: Workload { replicas: 2, ready: 2, updated: 2, selector },
            observation: known(snapshot),
        }
    }

    fn healthy() -> Self {
        Self::new(snapshot([streaming_member("orders-0"), standby_member("orders-1")]))
    }

    fn at(&self, second: i64) -> MaxwellClusterStatus {
        compute(&Input {
            cluster: &self.cluster,
            before: self.cluster.status.as_ref(),
            problems: &self.problems,
            workload: self.workload.clone(),
            observation: &self.observation,
            now: Timestamp::from_second(second).unwrap(),
        })
    }

    /// As it is after `status` was published.
    fn after(mut self, status: MaxwellClusterStatus) -> Self {
        self.cluster.status = Some(status);
        self
    }
}

fn known(snapshot: ClusterSnapshot) -> Observation {
    Observation::Known { snapshot: Arc::new(snapshot) }
}

fn away(last: Option<ClusterSnapshot>) -> Observation {
    Observation::Unreachable { error: "cannot connect to ZooKeeper".into(), last: last.map(Arc::new) }
}

/// `Type=Status/Reason` of one condition; empty without it.
fn said(status: &MaxwellClusterStatus, kind: ConditionType) -> String {
    status.condition(kind).map(|one| format!("{}/{}", one.status, one.reason)).unwrap_or_default()
}

fn message(status: &MaxwellClusterStatus, kind: ConditionType) -> &str {
    &status.condition(kind).unwrap().message
}

#[test]
fn a_healthy_cluster() {
    let status = Case::healthy().at(1_000);
    assert_eq!(status.phase, Phase::Running);
    assert_eq!((status.leader.as_deref(), status.epoch), (Some("orders-0"), Some(12)));
    assert_eq!((status.ready.as_str(), status.owned.as_deref()), ("2/2", Some("1/1")));
    assert_eq!((status.observed_generation, status.lag_seconds, status.failovers), (Some(7), Some(0), 0));
    assert_eq!(status.last_failover, None);
    let members: Vec<_> = status.members.iter().map(|one| (one.name.as_str(), one.role, one.state)).collect();
    assert_eq!(
        members,
        [
            ("orders-0", MemberRole::Leader, MemberState::Running),
            ("orders-1", MemberRole::Standby, MemberState::Running),
        ]
    );
    let shard = &status.shards[0];
    assert_eq!(
        (shard.state, shard.owner.as_deref(), shard.epoch),
        (ShardState::Streaming, Some("orders-0"), Some(3))
    );
    assert_eq!(shard.position.as_ref().unwrap().offset, 4_567);
    assert_eq!(shard.binlog_retention_seconds, Some(259_200));
    for (kind, expected) in [
        (ConditionType::Ready, "True/Streaming"),
        (ConditionType::Progressing, "False/AsWished"),
        (ConditionType::Degraded, "False/AsWished"),
        (ConditionType::SourceReachable, "True/Reachable"),
        (ConditionType::SinkReachable, "True/Reachable"),
        (ConditionType::CoordinationReachable, "True/Reachable"),
        (ConditionType::LagHealthy, "True/KeepsUp"),
        (ConditionType::PositionSafe, "True/Kept"),
        (ConditionType::ConfigValid, "True/Valid"),
    ] {
        assert_eq!(said(&status, kind), expected, "{kind}");
    }
}

#[test]
fn the_same_facts_give_the_same_status() {
    let case = Case::healthy();
    let first = case.at(1_000);
    let kept: MaxwellClusterStatus = serde_json::from_value(serde_json::to_value(&first).unwrap()).unwrap();
    assert_eq!(case.after(kept).at(2_000), first);
}

#[test]
fn a_cluster_that_has_not_started_is_pending_and_misses_nothing() {
    let mut case = Case::new(ClusterSnapshot::default());
    case.workload.ready = 0;
    let status = case.at(1_000);
    assert_eq!(status.phase, Phase::Pending);
    assert_eq!(status.owned.as_deref(), Some("0/1"));
    assert_eq!(said(&status, ConditionType::Ready), "False/NoMembers");
    assert!(
        message(&status, ConditionType::Ready)
            .contains("kubectl describe pods -l app.kubernetes.io/instance")
    );
    assert_eq!(said(&status, ConditionType::Progressing), "True/WaitingForPods");
    assert_eq!(said(&status, ConditionType::Degraded), "False/AsWished");
    assert_eq!(said(&status, ConditionType::SourceReachable), "", "what was never known is left out");
}

#[test]
fn without_a_leader_a_successor_is_on_its_way() {
    let case = Case::new(snapshot([standby_member("orders-1")]));
    let status = case.at(1_000);
    assert_eq!((status.leader.clone(), status.owned.as_deref()), (None, Some("0/1")));
    assert_eq!(status.phase, Phase::FailingOver);
    assert_eq!(said(&status, ConditionType::Ready), "False/NoLeader");
    assert_eq!(said(&status, ConditionType::Progressing), "True/TakingOver");
    assert_eq!(status.shards[0].state, ShardState::Unowned);
}

#[test]
fn without_anybody_there_is_no_successor() {
    let mut tree = snapshot([streaming_member("orders-0")]);
    (tree.leader, tree.members) = Default::default();
    let status = Case::new(tree).at(1_000);
    assert_eq!(status.phase, Phase::Degraded);
    assert_eq!(said(&status, ConditionType::Ready), "False/NoMembers");
    assert_eq!(said(&status, ConditionType::Degraded), "True/NoMembers");
}

#[test]
fn an_owner_that_left_in_good_order_makes_a_switchover() {
    let mut tree = snapshot([standby_member("orders-1")]);
    tree.history.departure = Some(Departure {
        member: "orders-0".into(),
        incarnation: maxwell_protocol::id::Incarnation::random(),
        trigger: Trigger::Shutdown,
        time: 0,
        detection_milliseconds: 0,
    });
    assert_eq!(Case::new(tree).at(1_000).phase, Phase::Switchover);
}

#[test]
fn a_failover_is_kept_with_its_gap() {
    let mut tree = snapshot([streaming_member("orders-1")]);
    tree.history.record(transition(Trigger::ConnectionReset, Some("orders-0"), "orders-1"));
    tree.history.record(transition(Trigger::Shutdown, Some("orders-1"), "orders-0"));
    let status = Case::new(tree.clone()).at(1_000);
    let failover = status.last_failover.clone().unwrap();
    assert_eq!((status.failovers, failover.reason.as_str()), (1, "ConnectionReset"));
    assert_eq!((failover.from.as_deref(), failover.to.as_str()), (Some("orders-0"), "orders-1"));
    assert_eq!((failover.gap_milliseconds, failover.phases.sync_milliseconds), (Some(410), 250));
    assert_eq!(failover.time.0, Timestamp::from_second(7).unwrap());

    tree.history.entries.retain(|entry| !entry.trigger.is_failover());
    let later = Case::new(tree).after(status).at(2_000);
    assert_eq!(later.last_failover, Some(failover), "pushed out of the bounded history");
}

#[test]
fn an_expected_member_that_is_absent_is_offline() {
    let mut tree = snapshot([streaming_member("orders-0")]);
    for id in ["orders-1", "orders-5", "elsewhere"] {
        tree.roster.insert(id.into(), Default::default());
    }
    let status = Case::new(tree).at(1_000);
    let members: Vec<_> = status.members.iter().map(|one| (one.name.as_str(), one.state)).collect();
    assert_eq!(members, [("orders-0", MemberState::Running), ("orders-1", MemberState::Offline)]);
    assert_eq!(status.phase, Phase::Degraded);
    assert_eq!(said(&status, ConditionType::Ready), "True/Streaming");
    assert_eq!(said(&status, ConditionType::Degraded), "True/MemberOffline");
    assert!(message(&status, ConditionType::Degraded).contains("kubectl describe pod orders-1"));
}

#[test]
fn a_standby_that_never_comes_is_missed_after_a_while() {
    let alone = || Case::new(snapshot([streaming_member("orders-0")]));
    let first = alone().at(1_000);
    assert_eq!(first.phase, Phase::Running);
    assert_eq!(alone().after(first.clone()).at(1_030).phase, Phase::Running);
    let later = alone().after(first).at(1_061);
    assert_eq!(said(&later, ConditionType::Degraded), "True/NoStandby");
}

#[test]
fn zookeeper_away_leaves_the_rest_as_last_known() {
    let healthy = Case::healthy().at(1_000);
    let tree = snapshot([streaming_member("orders-0"), standby_member("orders-1")]);
    for last in [Some(tree), None] {
        let mut case = Case::healthy().after(healthy.clone());
        case.observation = away(last);
        let status = case.at(2_000);
        assert_eq!(status.phase, Phase::Degraded);
        assert_eq!(said(&status, ConditionType::CoordinationReachable), "False/Unreachable");
        assert!(message(&status, ConditionType::CoordinationReachable).contains("as last known"));
        assert_eq!(said(&status, ConditionType::Ready), "Unknown/CoordinationUnreachable");
        assert_eq!(said(&status, ConditionType::Degraded), "True/CoordinationUnreachable");
        assert_eq!(said(&status, ConditionType::SourceReachable), "Unknown/NotReported");
        assert_eq!(
            (&status.leader, &status.members, &status.shards),
            (&healthy.leader, &healthy.members, &healthy.shards)
        );
    }
}

#[test]
fn an_operator_that_has_just_started_keeps_what_was_published() {
    let healthy = Case::healthy().at(1_000);
    let mut case = Case::healthy().after(healthy.clone());
    case.observation = Observation::Pending;
    let status = case.at(2_000);
    assert_eq!(status, healthy);
}

#[test]
fn before_the_first_look_only_what_needs_none_is_said_anew() {
    let mut case = Case::healthy().after(Case::healthy().at(1_000));
    case.observation = Observation::Pending;
    (case.cluster.spec.state, case.cluster.metadata.generation) = (State::Stopped, Some(8));
    let status = case.at(2_000);
    assert_eq!(said(&status, ConditionType::Ready), "False/Stopped");
    assert_eq!(said(&status, ConditionType::SourceReachable), "True/Reachable");
    let generation = |kind| status.condition(kind).and_then(|condition| condition.observed_generation);
    assert_eq!(generation(ConditionType::ConfigValid), Some(8));
    assert_eq!(generation(ConditionType::SourceReachable), Some(7), "nobody has looked since");

    let mut fresh = Case::healthy();
    fresh.observation = Observation::Pending;
    assert_eq!(said(&fresh.at(1_000), ConditionType::Ready), "Unknown/NotObserved");
}

#[test]
fn a_spec_that_is_refused() {
    let refuse = |mut case: Case| {
        let message = "Secret orders-mysql has no key password: add it".into();
        let condition = ConditionType::ConfigValid;
        case.problems.push(Problem { condition, reason: "SecretIncomplete", message });
        case.at(1_000)
    };
    let fresh = refuse(Case::new(ClusterSnapshot::default()));
    assert_eq!(fresh.phase, Phase::Failed);
    assert_eq!(said(&fresh, ConditionType::ConfigValid), "False/SecretIncomplete");
    assert!(message(&fresh, ConditionType::ConfigValid).contains("add it"));
    let running = refuse(Case::healthy());
    assert_eq!(running.phase, Phase::Degraded, "what runs goes on with the settings before");
    assert_eq!(said(&running, ConditionType::Ready), "True/Streaming");
}

#[test]
fn a_halted_shard_says_what_mends_it() {
    let mut owner = streaming_member("orders-0");
    let report = owner.shards.get_mut(&"0".into()).unwrap();
    report.state = member::ShardState::Halted;
    report.last_error = "the position was purged: set mysql.onPositionLost".into();
    let status = Case::new(snapshot([owner, standby_member("orders-1")])).at(1_000);
    assert_eq!((status.phase, status.owned.as_deref()), (Phase::Failed, Some("0/1")));
    assert_eq!(said(&status, ConditionType::Ready), "False/ShardHalted");
    assert_eq!(
        message(&status, ConditionType::Ready),
        "shard 0 at orders-0: the position was purged: set mysql.onPositionLost"
    );
    assert_eq!(said(&status, ConditionType::Degraded), "True/ShardHalted");
    assert_eq!((status.lag_seconds, status.shards[0].lag_seconds), (None, None));
}

#[test]
fn a_source_that_is_away() {
    let mut owner = streaming_member("orders-0");
    owner.shards.get_mut(&"0".into()).unwrap().state = member::ShardState::Retrying;
    owner.mysql.reachable = Some(false);
    owner.mysql.error = "access denied: GRANT REPLICATION SLAVE".into();
    let status = Case::new(snapshot([owner, standby_member("orders-1")])).at(1_000);
    assert_eq!(status.phase, Phase::Degraded);
    assert_eq!(said(&status, ConditionType::SourceReachable), "False/Unreachable");
    let said_of_source = message(&status, ConditionType::SourceReachable);
    assert!(said_of_source.contains("orders-0 cannot reach MySQL at mysql.db.svc:3306: access denied"));
    assert_eq!(said(&status, ConditionType::SinkReachable), "True/Reachable");
}

#[test]
fn a_stream_that_falls_behind() {
    let mut owner = streaming_member("orders-0");
    owner.shards.get_mut(&"0".into()).unwrap().lag_milliseconds = 700_000;
    let status = Case::new(snapshot([owner, standby_member("orders-1")])).at(1_000);
    assert_eq!(status.lag_seconds, Some(600));
    assert_eq!(said(&status, ConditionType::LagHealthy), "False/Behind");
}

#[test]
fn the_spec_says_what_lag_is_healthy() {
    let behind = |milliseconds| {
        let mut owner = streaming_member("orders-0");
        owner.shards.get_mut(&"0".into()).unwrap().lag_milliseconds = milliseconds;
        let mut case = Case::new(snapshot([owner, standby_member("orders-1")]));
        case.cluster.spec.failover.max_lag_seconds = 45;
        case
    };
    let said_at = |case: Case| said(&case.at(1_000), ConditionType::LagHealthy);
    assert_eq!(said_at(behind(44_000)), "True/KeepsUp");
    let late = behind(46_000).at(1_000);
    assert_eq!(said(&late, ConditionType::LagHealthy), "False/Behind");
    assert_eq!(said_at(behind(40_000).after(late.clone())), "False/Behind", "it wavers");
    assert_eq!(said_at(behind(35_000).after(late)), "True/KeepsUp");
}

#[test]
fn a_position_that_is_purged_soon_is_at_risk() {
    let with = |retention, state, lag| {
        let mut owner = streaming_member("orders-0");
        let report = owner.shards.get_mut(&"0".into()).unwrap();
        (report.retention, report.state, report.lag_milliseconds) = (retention, state, lag);
        let status = Case::new(snapshot([owner, standby_member("orders-1")])).at(1_000);
        said(&status, ConditionType::PositionSafe)
    };
    use member::Retention::{Forever, Seconds, Unknown};
    use member::ShardState::{Halted, Retrying, Streaming};
    assert_eq!(with(Forever, Streaming, 0), "True/Kept");
    assert_eq!(with(Unknown, Streaming, 0), "", "never known");
    assert_eq!(
        with(Seconds(600), Streaming, 1_000),
        "True/Kept",
        "the source keeps little, the stream is at its head"
    );
    assert_eq!(with(Seconds(600), Streaming, 400_000), "False/PurgedSoon");
    assert_eq!(with(Seconds(600), Retrying, 0), "False/PurgedSoon");
    assert_eq!(with(Seconds(90_000), Retrying, 0), "True/Kept");
    assert_eq!(with(Seconds(0), Halted, 0), "False/Purged");
}

#[test]
fn two_that_stream_one_shard_own_it_not() {
    let status = Case::new(snapshot([streaming_member("orders-0"), streaming_member("orders-1")])).at(1_000);
    assert_eq!(status.owned.as_deref(), Some("0/1"));
    assert_eq!(status.members[1].role, MemberRole::Follower);
}

#[test]
fn pods_that_are_replaced_stopped_or_deleted() {
    let mut case = Case::healthy();
    case.workload.updated = 1;
    assert_eq!(case.at(1_000).phase, Phase::Updating);
    assert_eq!(said(&case.at(1_000), ConditionType::Progressing), "True/RollingOut");

    let mut case = Case::new(ClusterSnapshot::default());
    case.cluster.spec.state = State::Stopped;
    case.workload = Workload::default();
    assert_eq!(case.at(1_000).phase, Phase::Stopped);
    assert_eq!(said(&case.at(1_000), ConditionType::Ready), "False/Stopped");

    let mut case = Case::healthy();
    case.cluster.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH));
    assert_eq!(case.at(1_000).phase, Phase::Deleting);
}
