//! Whether the cluster works with less than it should have. Pure.

use jiff::SignedDuration;
use maxwell_crds::v1alpha1::{ConditionType, MemberState, ShardState};

use super::{connected, connections, nobody, stuck};
use crate::cluster::conditions::Verdict;
use crate::cluster::observe::Observation;
use crate::cluster::status::Facts;

/// A standby that never joined is missed only after this time: at a cluster's first start it comes a little later.
const STANDBY_GRACE: SignedDuration = SignedDuration::from_secs(60);

pub(super) fn degraded(facts: &Facts<'_>) -> Verdict {
    let complaints = complaints(facts);
    let Some((reason, _)) = complaints.first() else {
        let message = "nothing is missing";
        return Verdict::new(ConditionType::Degraded, Some(false), "AsWished", message);
    };
    let messages: Vec<&str> = complaints.iter().map(|(_, message)| message.as_str()).collect();
    Verdict::new(ConditionType::Degraded, Some(true), reason, messages.join("; "))
}

/// Whether anything is missing.
pub(in crate::cluster::status) fn is_degraded(facts: &Facts<'_>) -> bool {
    !complaints(facts).is_empty()
}

/// What is missing, gravest first. While a cluster starts for the first time or ends, nothing is.
fn complaints(facts: &Facts<'_>) -> Vec<(&'static str, String)> {
    let mut complaints = Vec::new();
    let status = &facts.status;
    if facts.deleting() || facts.desired == 0 {
        return complaints;
    }
    for shard in &status.shards {
        match shard.state {
            ShardState::Halted => complaints.push(("ShardHalted", stuck(shard))),
            ShardState::Retrying => complaints.push(("ShardRetrying", stuck(shard))),
            _ => {}
        }
    }
    if let Observation::Unreachable { error, .. } = facts.input.observation {
        complaints.push(("CoordinationUnreachable", error.clone()));
    }
    complaints.extend(connections::cut_off(facts).into_iter().map(|message| ("MemberCutOff", message)));
    if !facts.has_streamed() {
        return complaints;
    }
    if connected(facts) == 0 {
        complaints.push(("NoMembers", nobody(facts)));
    }
    let offline = status.members.iter().filter(|member| member.state == MemberState::Offline);
    for name in offline.map(|member| &member.name) {
        complaints.push(("MemberOffline", format!("{name} is offline: see kubectl describe pod {name}")));
    }
    if facts.desired > 1 && status.members.len() == 1 && ready_for(facts) >= STANDBY_GRACE {
        let selector = &status.selector;
        let message = format!("nobody stands by: see kubectl describe pods -l {selector}");
        complaints.push(("NoStandby", message));
    }
    complaints
}

/// Since when the cluster is ready, by the status before.
fn ready_for(facts: &Facts<'_>) -> SignedDuration {
    let ready = facts.input.before.and_then(|before| before.condition(ConditionType::Ready));
    match ready.filter(|condition| condition.status == "True") {
        Some(condition) => facts.input.now.duration_since(condition.last_transition_time.0),
        None => SignedDuration::ZERO,
    }
}
