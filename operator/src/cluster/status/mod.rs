//! From what Kubernetes and ZooKeeper say to the resource's status. [`compute`] is pure; [`publish`] writes.

mod coarse;
mod judge;
mod memory;
mod phase;
mod picture;
mod publish;

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use maxwell_crds::v1alpha1::{ConditionType, MaxwellCluster, MaxwellClusterStatus, State};
use maxwell_protocol::snapshot::ClusterSnapshot;

pub(super) use coarse::{cpu_percent, lag_seconds, memory_bytes, seconds_left};
pub use memory::Memory;
pub use publish::{StatusError, publish};

use super::conditions;
use super::observe::Observation;

/// What a status is computed from.
#[derive(Debug)]
pub struct Input<'a> {
    /// The resource.
    pub cluster: &'a MaxwellCluster,
    /// The status that was published last, which the resource need not show yet.
    pub before: Option<&'a MaxwellClusterStatus>,
    /// What the steps before found.
    pub problems: &'a [Problem],
    /// The pods.
    pub workload: Workload,
    /// The ZooKeeper tree.
    pub observation: &'a Observation,
    /// The time of conditions that change now.
    pub now: Timestamp,
}

/// Something that keeps the operator from doing what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The condition that it shows as.
    pub condition: ConditionType,
    /// The condition's reason, in CamelCase.
    pub reason: &'static str,
    /// What is wrong, and what mends it.
    pub message: String,
}

/// The pods, as their StatefulSet counts them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Workload {
    /// Pods that exist.
    pub replicas: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// Pods of the revision that is wished for.
    pub updated: i32,
    /// Their label selector.
    pub selector: String,
}

/// What the judgements are made from: the input, and the status drawn so far.
struct Facts<'a> {
    input: &'a Input<'a>,
    /// How many pods are wished for.
    desired: i32,
    /// The tree, if it was ever read: the latest, or the last before ZooKeeper was away.
    snapshot: Option<&'a ClusterSnapshot>,
    /// Members, shards, leader: as the tree shows them, else as last published.
    status: MaxwellClusterStatus,
}

/// The status that `input` amounts to. Times and coarse values of the status before are kept where they still hold, so
/// that the same facts give the same status.
pub fn compute(input: &Input<'_>) -> MaxwellClusterStatus {
    let before = input.before;
    let desired = desired_replicas(input.cluster);
    let snapshot = match input.observation {
        Observation::Pending => None,
        Observation::Known { snapshot } => Some(&**snapshot),
        Observation::Unreachable { last, .. } => last.as_deref(),
    };
    let mut status = match snapshot {
        Some(snapshot) => picture::draw(snapshot, input.cluster, desired, before),
        None => before.cloned().unwrap_or_default(),
    };
    status.observed_generation = input.cluster.metadata.generation;
    status.replicas = input.workload.replicas;
    status.ready_replicas = input.workload.ready;
    status.selector.clone_from(&input.workload.selector);
    status.ready = format!("{}/{desired}", input.workload.ready);

    let facts = Facts { input, desired, snapshot, status };
    let verdicts = judge::judge(&facts);
    let phase = phase::phase(&facts);
    let known = before.map(|before| before.conditions.as_slice()).unwrap_or_default();
    let conditions = conditions::merge(known, verdicts, input.cluster.metadata.generation, input.now);
    MaxwellClusterStatus { phase, conditions, ..facts.status }
}

fn desired_replicas(cluster: &MaxwellCluster) -> i32 {
    match cluster.spec.state {
        State::Running => cluster.spec.replicas,
        State::Stopped => 0,
    }
}

impl Facts<'_> {
    fn deleting(&self) -> bool {
        self.input.cluster.metadata.deletion_timestamp.is_some()
    }

    /// Shards that exactly one live member streams, and all; `None` as long as the tree was never read.
    fn owned(&self) -> Option<(usize, usize)> {
        let (streamed, all) = self.status.owned.as_deref()?.split_once('/')?;
        Some((streamed.parse().ok()?, all.parse().ok()?))
    }

    /// Whether every shard streams.
    fn streams(&self) -> bool {
        self.owned().is_some_and(|(streamed, all)| streamed == all)
    }

    /// Whether the cluster has ever streamed: what is missing before that is not lost but yet to come.
    fn has_streamed(&self) -> bool {
        match self.snapshot {
            Some(snapshot) => !snapshot.history.entries.is_empty(),
            None => self.streams(),
        }
    }
}
