//! Whether MySQL, Kafka and ZooKeeper answer. Pure.

use maxwell_crds::v1alpha1::ConditionType;
use maxwell_protocol::member::{Connection, MemberRecord};

use crate::cluster::conditions::Verdict;
use crate::cluster::observe::Observation;
use crate::cluster::status::Facts;

/// How one system is called and found.
struct System {
    kind: ConditionType,
    name: String,
    /// What to look at when its error says nothing.
    hint: &'static str,
    connection: fn(&MemberRecord) -> &Connection,
}

fn mysql(facts: &Facts<'_>) -> System {
    let spec = &facts.input.cluster.spec.mysql;
    System {
        kind: ConditionType::SourceReachable,
        name: format!("MySQL at {}:{}", spec.host, spec.port),
        hint: "check spec.mysql and the Secret of credentialsSecretRef",
        connection: |member| &member.mysql,
    }
}

fn kafka(facts: &Facts<'_>) -> System {
    System {
        kind: ConditionType::SinkReachable,
        name: format!("Kafka at {}", facts.input.cluster.spec.kafka.brokers.join(",")),
        hint: "check spec.kafka.brokers and that the pods may reach them",
        connection: |member| &member.kafka,
    }
}

pub(super) fn source(facts: &Facts<'_>) -> Verdict {
    judge(facts, &mysql(facts))
}

pub(super) fn sink(facts: &Facts<'_>) -> Verdict {
    judge(facts, &kafka(facts))
}

/// Members that cannot reach a system which others reach: a take-over by them would fail.
pub(super) fn cut_off(facts: &Facts<'_>) -> Vec<String> {
    let Some(snapshot) = facts.snapshot else { return Vec::new() };
    [mysql(facts), kafka(facts)]
        .iter()
        .flat_map(|system| {
            snapshot.members.values().filter_map(|member| {
                let connection = (system.connection)(member);
                (connection.reachable == Some(false)).then(|| complaint(system, member))
            })
        })
        .collect()
}

/// The owners' word counts, since the stream passes through them; without owners anybody's.
fn judge(facts: &Facts<'_>, system: &System) -> Verdict {
    let unknown = |message: &str| Verdict::new(system.kind, None, "NotReported", message);
    let Some(snapshot) = facts.snapshot else {
        return unknown("the ZooKeeper tree has not been read yet");
    };
    if matches!(facts.input.observation, Observation::Unreachable { .. }) {
        return unknown("the workers' word is not heard while ZooKeeper does not answer the operator");
    }
    let reached = |member: &&MemberRecord| (system.connection)(member).reachable == Some(true);
    let missed = |member: &&MemberRecord| (system.connection)(member).reachable == Some(false);
    let owners = || snapshot.members.values().filter(|member| !member.shards.is_empty());
    let members = || snapshot.members.values();
    let reachable = |who: &MemberRecord| {
        Verdict::new(system.kind, Some(true), "Reachable", format!("{} reaches {}", who.id, system.name))
    };
    let unreachable =
        |who: &MemberRecord| Verdict::new(system.kind, Some(false), "Unreachable", complaint(system, who));
    if let Some(owner) = owners().find(missed) {
        unreachable(owner)
    } else if let Some(member) = owners().find(reached).or_else(|| members().find(reached)) {
        reachable(member)
    } else if let Some(member) = members().find(missed) {
        unreachable(member)
    } else {
        unknown("no worker has tried it yet")
    }
}

fn complaint(system: &System, member: &MemberRecord) -> String {
    let error = match (system.connection)(member).error.as_str() {
        "" => system.hint,
        error => error,
    };
    format!("{} cannot reach {}: {error}", member.id, system.name)
}

pub(super) fn coordination(facts: &Facts<'_>) -> Verdict {
    let say = |holds, reason, message: String| {
        Verdict::new(ConditionType::CoordinationReachable, holds, reason, message)
    };
    match facts.input.observation {
        Observation::Pending => say(None, "NotObserved", "the ZooKeeper tree has not been read yet".into()),
        Observation::Known { .. } => {
            let hosts = facts.input.cluster.spec.zookeeper.hosts.join(",");
            say(Some(true), "Reachable", format!("ZooKeeper at {hosts} answers the operator"))
        }
        Observation::Unreachable { error, .. } => say(
            Some(false),
            "Unreachable",
            format!("{error}. Leader, members and shards are shown as last known"),
        ),
    }
}
