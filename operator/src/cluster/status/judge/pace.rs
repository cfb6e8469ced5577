//! Whether the stream keeps up with the source: by time, and by what the source still keeps. Pure.

use maxwell_crds::v1alpha1::ConditionType;
use maxwell_protocol::id::ShardId;
use maxwell_protocol::member::{Retention, ShardReport, ShardState};

use crate::cluster::conditions::Verdict;
use crate::cluster::observe::Observation;
use crate::cluster::status::Facts;

/// A position that the source purges within this time is at risk, unless the stream is well ahead of that.
const SHORT_SECONDS: u64 = 3_600;

/// What the owners say of their shards; `None` while the tree is not read.
fn reports<'a>(facts: &Facts<'a>) -> Option<Vec<(ShardId, &'a ShardReport)>> {
    let snapshot = facts.snapshot?;
    if matches!(facts.input.observation, Observation::Unreachable { .. }) {
        return None;
    }
    Some(snapshot.shards().filter_map(|shard| Some((shard.clone(), snapshot.owner(&shard)?.1))).collect())
}

pub(super) fn lag(facts: &Facts<'_>) -> Verdict {
    let say =
        |holds, reason, message: String| Verdict::new(ConditionType::LagHealthy, holds, reason, message);
    let Some(reports) = reports(facts) else {
        return say(None, "NotObserved", "the lag is not known while ZooKeeper is not read".into());
    };
    let streaming = reports.iter().filter(|(_, report)| report.state == ShardState::Streaming);
    let Some((shard, worst)) = streaming.max_by_key(|(_, report)| report.lag_milliseconds) else {
        return say(None, "NotStreaming", "no shard streams, so no lag is measured".into());
    };
    let limit = u64::from(facts.input.cluster.spec.failover.max_lag_seconds);
    let before = facts.input.before.and_then(|before| before.condition(ConditionType::LagHealthy));
    // A lag that wavers around the limit is told once.
    let was_behind = before.is_some_and(|before| before.status == "False");
    let bound = if was_behind { limit * 800 } else { limit * 1_000 };
    if worst.lag_milliseconds < bound {
        return say(Some(true), "KeepsUp", format!("every shard is less than {limit} s behind"));
    }
    say(
        Some(false),
        "Behind",
        format!(
            "shard {shard} is behind its source by more than spec.failover.maxLagSeconds, {limit} s; \
             status.shards says by how much: give the workers more CPU in spec.resources, narrow spec.filter, or see \
             whether Kafka is slow"
        ),
    )
}

pub(super) fn position(facts: &Facts<'_>) -> Verdict {
    let say =
        |holds, reason, message: String| Verdict::new(ConditionType::PositionSafe, holds, reason, message);
    let Some(reports) = reports(facts) else {
        return say(None, "NotObserved", "no worker is heard while ZooKeeper is not read".into());
    };
    let left = |report: &ShardReport| match report.retention {
        Retention::Seconds(seconds) => Some(seconds),
        Retention::Unknown | Retention::Forever => None,
    };
    let endangered =
        reports.iter().filter(|(_, report)| left(report).is_some_and(|left| at_risk(report, left)));
    if let Some((shard, report)) = endangered.min_by_key(|(_, report)| left(report)) {
        return endangered_position(shard, left(report).unwrap_or_default());
    }
    if reports.is_empty() || reports.iter().any(|(_, report)| report.retention == Retention::Unknown) {
        return say(None, "NotReported", "how long the source keeps its binlogs is not known yet".into());
    }
    let shortest = reports.iter().filter_map(|(_, report)| left(report)).min();
    say(
        Some(true),
        "Kept",
        match shortest {
            Some(seconds) => {
                format!("the source keeps what follows every position for {} more", spelt(seconds))
            }
            None => "the source never purges its binlogs".into(),
        },
    )
}

/// What is purged soon is no danger to a stream that will be past it long before.
fn at_risk(report: &ShardReport, left: u64) -> bool {
    let passes = report.state == ShardState::Streaming && report.lag_milliseconds < left * 500;
    left < SHORT_SECONDS && !passes
}

fn endangered_position(shard: &ShardId, left: u64) -> Verdict {
    let (reason, message) = match left {
        0 => (
            "Purged",
            format!(
                "the source has purged what follows the position of shard {shard}: spec.mysql.onPositionLost says \
                 what happens then"
            ),
        ),
        left => (
            "PurgedSoon",
            format!(
                "the source may purge what follows the position of shard {shard} in less than {}: raise its \
                 binlog_expire_logs_seconds (expire_logs_days before MySQL 8), and see what keeps the shard from \
                 streaming",
                spelt(left)
            ),
        ),
    };
    Verdict::new(ConditionType::PositionSafe, Some(false), reason, message)
}

/// Rounded, so that the condition does not change with every look.
fn spelt(seconds: u64) -> String {
    match seconds {
        0..600 => "10 minutes".into(),
        600..SHORT_SECONDS => "an hour".into(),
        SHORT_SECONDS..172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
