//! Judges the facts: one verdict per condition, with a message that says what to do. Pure.

mod connections;
mod degraded;
mod pace;

use maxwell_crds::v1alpha1::{ConditionType, MemberState, ShardState, ShardStatus, State};
use maxwell_protocol::request::{Ask, Progress};
use maxwell_protocol::snapshot::ClusterSnapshot;

use super::Facts;
use crate::cluster::ask::other_division;
use crate::cluster::conditions::Verdict;
use crate::cluster::observe::Observation;

pub(super) use degraded::is_degraded;

/// Every condition, in the order in which they are shown.
pub(super) fn judge(facts: &Facts<'_>) -> Vec<Verdict> {
    use ConditionType::{
        ConfigValid, CoordinationReachable, Degraded, LagHealthy, Paused, PositionSafe, Progressing, Ready,
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
        (Paused, paused(facts)),
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
        Observation::Known { .. } if facts.is_paused() => say(
            Some(false),
            "Paused",
            "nothing is read, and every shard goes on from where it is when told to".into(),
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
    match (facts.input.cluster.spec.state, facts.is_paused()) {
        (State::Paused, false) => return say(true, "Pausing", "the owners are told to read nothing".into()),
        (State::Running, true) => return say(true, "Resuming", "the owners are told to read again".into()),
        _ => {}
    }
    if let Some(message) = facts.snapshot.filter(|_| desired > 0).and_then(|seen| dividing(facts, seen)) {
        return say(true, "Dividing", message);
    }
    match facts.status.shards.iter().find(moving).filter(|_| desired > 0) {
        Some(shard) => say(true, "TakingOver", format!("shard {} has no owner that streams yet", shard.name)),
        None => say(false, "AsWished", "nothing is under way".into()),
    }
}

/// What is to be said of a division that the spec asks for and that is not in force.
fn dividing(facts: &Facts<'_>, seen: &ClusterSnapshot) -> Option<String> {
    let sharding = other_division(&facts.input.cluster.spec, seen)?;
    let asked = seen.requests.values().filter(|request| matches!(request.ask, Ask::Divide { .. }));
    let last = asked.max_by_key(|request| request.at).and_then(|request| request.outcome.as_ref());
    let said = match last.filter(|outcome| !outcome.detail.is_empty()) {
        Some(outcome) if outcome.state == Progress::Refused => {
            format!("; refused at last: {}", outcome.detail)
        }
        Some(outcome) if outcome.state == Progress::Undone => format!("; undone at last: {}", outcome.detail),
        _ => String::new(),
    };
    let (now, then) = (seen.layout.shards, sharding.count());
    Some(format!(
        "rows are divided into {now} shards, and are to be into {then} by {:?}{said}",
        sharding.strategy
    ))
}

fn config(facts: &Facts<'_>) -> Verdict {
    let (wanted, found) = (&facts.input.cluster.spec.cluster_id, &facts.status.cluster_id);
    let settled = facts.snapshot.is_some_and(|snapshot| !snapshot.positions.is_empty());
    if let (Some(wanted), Some(found), true) = (wanted, found, settled)
        && wanted != found
    {
        let message = format!(
            "spec.clusterId: '{wanted}' is not the identity of this cluster, which has positions as {found}: take it out, \
             or make a new MaxwellCluster with another zookeeper.root"
        );
        return Verdict::new(ConditionType::ConfigValid, Some(false), "OtherIdentity", message);
    }
    let generation = facts.input.cluster.metadata.generation.unwrap_or_default();
    let message = format!("generation {generation} of the spec is valid");
    Verdict::new(ConditionType::ConfigValid, Some(true), "Valid", message)
}

fn paused(facts: &Facts<'_>) -> Verdict {
    let say =
        |holds, reason, message: &str| Verdict::new(ConditionType::Paused, Some(holds), reason, message);
    if facts.is_paused() {
        let message =
            "every owner keeps its shards and reads nothing; the source purges its binlogs all the same";
        return say(true, "AsAskedFor", message);
    }
    match facts.input.cluster.spec.state {
        State::Paused => say(false, "Pausing", "spec.state is Paused, and the owners are not all there yet"),
        State::Running | State::Stopped => say(false, "NotAskedFor", "spec.state does not ask for it"),
    }
}
