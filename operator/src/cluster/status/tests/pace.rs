//! Lag, positions that are purged, and pauses.

use super::*;

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
fn who_waits_for_its_turn_is_well() {
    let mut owner = streaming_member("orders-0");
    let report = owner.shards.get_mut(&"0".into()).unwrap();
    (report.state, report.retention) = (member::ShardState::Sealed, member::Retention::Forever);
    let case = Case::new(snapshot([owner, standby_member("orders-1")]));
    let status = case.at(1_000);
    assert_eq!((status.phase, status.owned.as_deref()), (Phase::Running, Some("1/1")));
    assert_eq!(said(&status, ConditionType::Ready), "True/Streaming");
    assert_eq!(said(&status, ConditionType::Degraded), "False/AsWished");
    assert_eq!(said(&status, ConditionType::PositionSafe), "True/Kept");
}

#[test]
fn a_pause_that_was_asked_for() {
    let mut owner = streaming_member("orders-0");
    let mut case = Case::new(snapshot([owner.clone(), standby_member("orders-1")]));
    case.cluster.spec.state = State::Paused;
    let asked = case.at(1_000);
    assert_eq!((asked.phase, said(&asked, ConditionType::Paused)), (Phase::Running, "False/Pausing".into()));
    assert_eq!(said(&asked, ConditionType::Progressing), "True/Pausing");

    let report = owner.shards.get_mut(&"0".into()).unwrap();
    (report.state, report.retention) = (member::ShardState::Paused, member::Retention::Seconds(7_200));
    let mut tree = snapshot([owner, standby_member("orders-1")]);
    tree.live.paused = true;
    case.observation = known(tree);
    let status = case.at(1_000);
    assert_eq!((status.phase, status.owned.as_deref()), (Phase::Paused, Some("1/1")));
    assert_eq!(said(&status, ConditionType::Ready), "False/Paused");
    assert_eq!(said(&status, ConditionType::Paused), "True/AsAskedFor");
    assert_eq!(said(&status, ConditionType::Degraded), "False/AsWished");
    assert_eq!(said(&status, ConditionType::PositionSafe), "True/Kept");

    let mut case = case.after(status);
    let later = case.at(1_000 + 4_000);
    assert_eq!(said(&later, ConditionType::PositionSafe), "False/PurgedSoon", "the source goes on purging");
    case.cluster.spec.state = State::Running;
    assert_eq!(said(&case.at(2_000), ConditionType::Progressing), "True/Resuming");
}
