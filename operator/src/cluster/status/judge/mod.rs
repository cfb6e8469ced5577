//! Judges the facts: one verdict per condition, with a message that says what to do. Pure.

mod connections;
mod degraded;
mod pace;

use maxwell_crds::v1alpha1::{ConditionType, MemberState, ShardState, ShardStatus};

use super::Facts;
use crate::cluster::conditions::Verdict;
use crate::cluster::observe::Observation;

pub(super) use degraded::is_degraded;

/// Every condition, in the order in which they are shown.
pub(super) fn judge(facts: &Facts<'_>) -> Vec<Verdict> {
    use ConditionType::{
        ConfigValid, CoordinationReachable, Degraded, LagHealthy, PositionSafe, Progressing, Ready,
        SinkReachable, SourceReachable,
    };
    [
        (Ready, ready(facts)),
        (Progressing, progressing(facts)),
        (Degraded, degraded::degraded(facts)),
        (SourceReachable, connections::source(facts)),
        (SinkReachable, connections::sink(facts)),
        (CoordinationReachable, connections::coordination(facts)),
        (LagHealthy, pace::lag(facts)),
        (PositionSafe, pace::position(facts)),
        (ConfigValid, config(facts)),
    ]
    .into_iter()
    .map(|(kind, verdict)| problems(facts, kind).unwrap_or_else(|| until_observed(facts, verdict)))
    .collect()
}

/// Before the first look at the tree, as after a start of the operator, what depends on it stays as it was: nothing
/// has changed but that nobody has looked. A tree that cannot be read becomes unreachable soon.
fn until_observed(facts: &Facts<'_>, verdict: Verdict) -> Verdict {
    let looked = !matches!(facts.input.observation, Observation::Pending);
    let told = facts.deleting() || facts.desired == 0;
    let needs_a_look = verdict.holds.is_none() || (verdict.kind == ConditionType::Degraded && !told);
    if looked || !needs_a_look { verdict } else { verdict.provisional() }
}

/// What the steps before found counts more than what is judged here.
fn problems(facts: &Facts<'_>, kind: ConditionType) -> Option<Verdict> {
    let found: Vec<_> = facts.input.problems.iter().filter(|problem| problem.condition == kind).collect();
    let reason = found.first()?.reason;
    let messages: Vec<&str> = found.iter().map(|problem| problem.message.as_str()).collect();
    let holds = matches!(kind, ConditionType::Degraded | ConditionType::Progressing);
    Some(Verdict::new(kind, Some(holds), reason, messages.join("; ")))
}

fn ready(facts: &Facts<'_>) -> Verdict {
    let say = |holds, reason, message: String| Verdict::new(ConditionType::Ready, holds, reason, message);
    if facts.deleting() {
        return say(Some(false), "Deleting", "the resource is being deleted".into());
    }
    if facts.desired == 0 {
        let message =
            "spec.state is Stopped: no worker runs; set it to Running to go on from the stored position";
        return say(Some(false), "Stopped", message.into());
    }
    match facts.input.observation {
        Observation::Pending => say(None, "NotObserved", "the ZooKeeper tree has not been read yet".into()),
        Observation::Unreachable { .. } => say(
            None,
            "CoordinationUnreachable",
            "ZooKeeper does not answer the operator, so whether changes flow cannot be told; \
             an owner streams on for as long as its Kafka transactions commit"
                .into(),
        ),
        Observation::Known { .. } if facts.streams() => say(Some(true), "Streaming", streaming(facts)),
        Observation::Known { .. } => {
            let (reason, message) = not_streaming(facts);
            say(Some(false), reason, message)
        }
    }
}

fn streaming(facts: &Facts<'_>) -> String {
    match &facts.status.shards[..] {
        [ShardStatus { owner: Some(owner), .. }] => format!("changes flow through {owner}"),
        shards => format!("changes flow through all {} shards", shards.len()),
    }
}

/// Why a shard does not stream: the gravest reason of all.
fn not_streaming(facts: &Facts<'_>) -> (&'static str, String) {
    let status = &facts.status;
    let connected = connected(facts);
    let in_state = |state| status.shards.iter().find(|shard| shard.state == state);
    if connected == 0 {
        return ("NoMembers", nobody(facts));
    }
    if let Some(shard) = in_state(ShardState::Halted) {
        return ("ShardHalted", stuck(shard));
    }
    if let Some(shard) = in_state(ShardState::Retrying) {
        return ("ShardRetrying", stuck(shard));
    }
    let Some(leader) = &status.leader else {
        return ("NoLeader", format!("no member leads; {connected} are connected and elect one"));
    };
    match in_state(ShardState::TakingOver) {
        Some(shard) => {
            let owner = shard.owner.as_deref().unwrap_or(leader);
            ("TakingOver", format!("{owner} takes shard {} over", shard.name))
        }
        None => ("ShardsUnowned", format!("{leader} leads and has not taken every shard yet")),
    }
}

/// How many members have a session.
fn connected(facts: &Facts<'_>) -> usize {
    facts.status.members.iter().filter(|member| member.state != MemberState::Offline).count()
}

fn nobody(facts: &Facts<'_>) -> String {
    let selector = &facts.status.selector;
    format!("no worker is connected to ZooKeeper: see kubectl describe pods -l {selector} and their logs")
}

/// What a shard that does not stream says.
fn stuck(shard: &ShardStatus) -> String {
    let owner = shard.owner.as_deref().unwrap_or("its owner");
    let error = match shard.last_error.as_str() {
        "" => "no error was given, see the worker's log",
        error => error,
    };
    format!("shard {} at {owner}: {error}", shard.name)
}

fn progressing(facts: &Facts<'_>) -> Verdict {
    let say = |holds, reason, message: String| {
        Verdict::new(ConditionType::Progressing, Some(holds), reason, message)
    };
    let workload = &facts.input.workload;
    let desired = facts.desired;
    let moving = |shard: &&ShardStatus| matches!(shard.state, ShardState::TakingOver | ShardState::Unowned);
    if facts.deleting() {
        return say(true, "Deleting", "the resource is being deleted".into());
    }
    if workload.replicas != desired || workload.updated < desired {
        let message = format!("{} of {desired} pods run what is wished for", workload.updated);
        return say(true, "RollingOut", message);
    }
    if workload.ready < desired {
        let message = format!("{} of {desired} pods are ready", workload.ready);
        return say(true, "WaitingForPods", message);
    }
    match facts.status.shards.iter().find(moving).filter(|_| desired > 0) {
        Some(shard) => say(true, "TakingOver", format!("shard {} has no owner that streams yet", shard.name)),
        None => say(false, "AsWished", "nothing is under way".into()),
    }
}

fn config(facts: &Facts<'_>) -> Verdict {
    let generation = facts.input.cluster.metadata.generation.unwrap_or_default();
    let message = format!("generation {generation} of the spec is valid");
    Verdict::new(ConditionType::ConfigValid, Some(true), "Valid", message)
}
