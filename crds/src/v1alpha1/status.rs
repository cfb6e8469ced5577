//! What the operator says of a cluster: `status` of a `MaxwellCluster`. Written by the operator alone.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BootstrapStatus;

/// What a cluster is and does, as last observed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MaxwellClusterStatus {
    /// The generation of the spec that this status tells about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The state of the cluster in one word. For people: tools read the conditions.
    #[serde(default)]
    pub phase: Phase,
    /// Pods that exist.
    #[serde(default)]
    pub replicas: i32,
    /// Pods that are ready.
    #[serde(default)]
    pub ready_replicas: i32,
    /// The label selector of the pods, for the scale subresource.
    #[serde(default)]
    pub selector: String,
    /// The cluster's identity. A cluster made later goes on from its positions with it as spec.clusterId.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// The member that leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// The leader's epoch. It grows with every leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
    /// Ready pods of those wished for.
    #[serde(default)]
    pub ready: String,
    /// Shards that exactly one live member streams, of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned: Option<String>,
    /// Seconds that the worst shard is behind the source, in coarse steps; the exact value is a metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<i64>,
    /// How many failovers there were since the cluster was made.
    #[serde(default)]
    pub failovers: i64,
    /// The last failover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failover: Option<LastFailover>,
    /// What was last asked of the leader, and what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_request: Option<LastRequest>,
    /// The members: those that are connected, and those that are expected and absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub members: Vec<MemberStatus>,
    /// The shards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub shards: Vec<ShardStatus>,
    /// Copies of tables: what is copied, what waits, and which of the spec's tables are done; of many the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub bootstrap: Vec<BootstrapStatus>,
    /// The conditions; their types are those of `ConditionType`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

impl MaxwellClusterStatus {
    /// The condition of this type, if it is known.
    pub fn condition(&self, kind: ConditionType) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.type_ == kind.as_str())
    }
}

/// The state of a cluster in one word.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
pub enum Phase {
    /// Nothing has streamed yet.
    #[default]
    Pending,
    /// Every shard streams and every member is there.
    Running,
    /// Something is missing or away; the conditions say what.
    Degraded,
    /// An owner was lost and its successor does not stream yet.
    FailingOver,
    /// An owner left in good order and its successor does not stream yet.
    Switchover,
    /// Pods are being replaced.
    Updating,
    /// Owners keep their shards and read nothing, as asked for.
    Paused,
    /// No pods are wished for.
    Stopped,
    /// The stream stands and does not go on by itself.
    Failed,
    /// The resource is being deleted.
    Deleting,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Running,
        Self::Degraded,
        Self::FailingOver,
        Self::Switchover,
        Self::Updating,
        Self::Paused,
        Self::Stopped,
        Self::Failed,
        Self::Deleting,
    ];
}

/// What happened at the last failover.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastFailover {
    /// When the new owner streamed.
    pub time: Time,
    /// The owner before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The owner after.
    pub to: String,
    /// What set it off: `ConnectionReset`, `SessionExpired` or `Unreachable`.
    pub reason: String,
    /// Milliseconds between the old owner's last change and the new owner's first; absent until one came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_milliseconds: Option<i64>,
    /// How long each phase took.
    #[serde(default)]
    pub phases: FailoverPhases,
}

/// What was asked of the leader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastRequest {
    /// When.
    pub time: Time,
    /// What, in words.
    pub ask: String,
    /// Who asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// How far it is.
    pub state: RequestState,
    /// Why, or what was done; empty when there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RequestState {
    /// Nobody has looked at it.
    Waiting,
    /// It is being carried out.
    Accepted,
    /// It was carried out.
    Done,
    /// It was not begun.
    Refused,
    /// It was begun, and taken back.
    Undone,
}

/// The durations of a failover's phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailoverPhases {
    /// From the old owner's last sign of life to the verdict.
    #[serde(default)]
    pub detection_milliseconds: i64,
    /// From the verdict to the shard's lock.
    #[serde(default)]
    pub election_milliseconds: i64,
    /// From the lock to the position.
    #[serde(default)]
    pub sync_milliseconds: i64,
    /// From the position to the open binlog dump.
    #[serde(default)]
    pub resume_milliseconds: i64,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// Its name: the pod's.
    pub name: String,
    /// Its part in the cluster.
    pub role: MemberRole,
    /// What it is doing.
    pub state: MemberState,
    /// The shards that it owns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<String>,
    /// CPU use in percent of the request, else of one core, in steps of 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<i32>,
    /// Resident memory in bytes, in steps of 16 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<i64>,
    /// The worker's version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
}

/// A member's part in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MemberRole {
    /// Leads: assigns the shards.
    Leader,
    /// Owns shards.
    Follower,
    /// Owns nothing and takes over.
    Standby,
}

/// What a member is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MemberState {
    /// Not yet able to own shards.
    Starting,
    /// Able to own shards.
    Running,
    /// Gives its shards away before it ends.
    Draining,
    /// Runs, owns nothing, is no candidate.
    Parked,
    /// Expected and absent.
    Offline,
}

/// A shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShardStatus {
    /// Its name.
    pub name: String,
    /// The member that owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What it is doing.
    pub state: ShardState,
    /// The owner's epoch. It grows with every owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
    /// Seconds behind the source, in coarse steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<i64>,
    /// How far it is; refreshed every 15 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<ShardPosition>,
    /// Seconds until the source may purge what follows the position, rounded down; absent while that is not known, and
    /// where the source never purges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binlog_retention_seconds: Option<i64>,
    /// What keeps it from streaming, and what mends that; empty when nothing does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_error: String,
}

/// What a shard is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ShardState {
    /// Nobody streams it.
    Unowned,
    /// The owner fences its predecessor and reads the position.
    TakingOver,
    /// Changes flow.
    Streaming,
    /// The owner keeps the shard and reads nothing, as it was told.
    Paused,
    /// The owner waits for a system that is away, and tries again.
    Retrying,
    /// The owner stopped at something that it cannot heal by itself.
    Halted,
    /// The owner has committed everything up to an agreed place, and waits there: for another layout, or for its turn.
    Sealed,
}

/// A place in the binlog.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShardPosition {
    /// Binlog file.
    pub file: String,
    /// Offset in it.
    pub offset: i64,
    /// Executed GTIDs; empty when the server has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub gtid_set: String,
}

/// The types of the conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// Every shard streams.
    Ready,
    /// Something is on its way to what was asked for.
    Progressing,
    /// The cluster works with less than it should have.
    Degraded,
    /// MySQL answers.
    SourceReachable,
    /// Kafka answers.
    SinkReachable,
    /// ZooKeeper answers the operator.
    CoordinationReachable,
    /// The stream keeps up with the source.
    LagHealthy,
    /// The source keeps what follows the position for long enough.
    PositionSafe,
    /// What was asked for can be done.
    ConfigValid,
    /// Nothing is read, as asked for.
    Paused,
}

impl ConditionType {
    /// The type as it stands in the resource.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Progressing => "Progressing",
            Self::Degraded => "Degraded",
            Self::SourceReachable => "SourceReachable",
            Self::SinkReachable => "SinkReachable",
            Self::CoordinationReachable => "CoordinationReachable",
            Self::LagHealthy => "LagHealthy",
            Self::PositionSafe => "PositionSafe",
            Self::ConfigValid => "ConfigValid",
            Self::Paused => "Paused",
        }
    }

    /// The status that calls for somebody's attention: `True` for `Degraded`, `False` for all others but
    /// `Progressing` and `Paused`, which call for none.
    pub fn bad(self) -> Option<&'static str> {
        match self {
            Self::Progressing | Self::Paused => None,
            Self::Degraded => Some("True"),
            _ => Some("False"),
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
