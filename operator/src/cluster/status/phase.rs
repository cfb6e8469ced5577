//! The state of the cluster in one word. Pure.

use maxwell_crds::v1alpha1::{ConditionType, MemberState, Phase, ShardState};
use maxwell_protocol::history::Trigger;

use super::Facts;
use super::judge;
use crate::cluster::observe::Observation;

/// The first of these that holds.
pub(super) fn phase(facts: &Facts<'_>) -> Phase {
    let halted = facts.status.shards.iter().any(|shard| shard.state == ShardState::Halted);
    let refused = facts.input.problems.iter().any(|problem| problem.condition == ConditionType::ConfigValid);
    if facts.deleting() {
        Phase::Deleting
    } else if facts.desired == 0 && facts.input.workload.replicas == 0 {
        Phase::Stopped
    } else if halted || (refused && !facts.streams()) {
        Phase::Failed
    } else if matches!(facts.input.observation, Observation::Pending) {
        facts.status.phase
    } else if matches!(facts.input.observation, Observation::Unreachable { .. }) {
        if facts.status.owned.is_some() { Phase::Degraded } else { Phase::Pending }
    } else if facts.is_paused() {
        Phase::Paused
    } else if facts.streams() {
        streaming(facts)
    } else if facts.has_streamed() {
        interrupted(facts)
    } else {
        Phase::Pending
    }
}

fn streaming(facts: &Facts<'_>) -> Phase {
    if facts.input.workload.updated < facts.desired || facts.input.workload.replicas != facts.desired {
        Phase::Updating
    } else if !facts.input.problems.is_empty() || judge::is_degraded(facts) {
        Phase::Degraded
    } else {
        Phase::Running
    }
}

/// It has streamed and does not now: a successor takes over, unless there is none or the owner itself is stuck.
fn interrupted(facts: &Facts<'_>) -> Phase {
    let stuck = facts.status.shards.iter().any(|shard| shard.state == ShardState::Retrying);
    let nobody = facts.status.members.iter().all(|member| member.state == MemberState::Offline);
    if stuck || nobody {
        return Phase::Degraded;
    }
    let departure = facts.snapshot.and_then(|snapshot| snapshot.history.departure.as_ref());
    match departure.map(|departure| departure.trigger) {
        Some(Trigger::Shutdown | Trigger::Requested | Trigger::Rebalanced) => Phase::Switchover,
        _ => Phase::FailingOver,
    }
}
