//! The resource itself.

use k8s_openapi::api::core::v1::ResourceRequirements;
use kube::{CustomResource, KubeSchema};
use maxwell_protocol::settings::{Failover, Logging, Mode, Rebalancing, Sharding};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults;
use super::{
    BootstrapSpec, DeletionPolicy, ImagePullPolicy, KafkaSpec, MaxwellClusterStatus, MonitoringSpec,
    MySqlSpec, OutputSpec, PodDisruptionBudgetSpec, PodTemplate, SecretRef, UpdateSpec, ZooKeeperSpec,
};

/// What is wished of a replica set of Maxwell's daemon.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "maxwell-cdc.io",
    version = "v1alpha1",
    kind = "MaxwellCluster",
    plural = "maxwellclusters",
    shortname = "mxc",
    category = "all",
    namespaced,
    cel,
    derive = "PartialEq",
    doc = "A replica set that turns the row changes of a MySQL or MariaDB server into JSON on Kafka",
    status = "MaxwellClusterStatus",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Mode",
        type_ = "string",
        json_path = ".spec.mode",
        description = "How the members share the work"
    ),
    printcolumn(
        name = "Leader",
        type_ = "string",
        json_path = ".status.leader",
        description = "The leading member"
    ),
    printcolumn(
        name = "Shards",
        type_ = "string",
        json_path = ".status.owned",
        description = "Shards with a live owner, of all shards"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.ready",
        description = "Ready pods, of those wished for"
    ),
    printcolumn(
        name = "Lag",
        type_ = "integer",
        json_path = ".status.lagSeconds",
        description = "Seconds that the worst shard is behind its source"
    ),
    printcolumn(
        name = "Phase",
        type_ = "string",
        json_path = ".status.phase",
        description = "What the cluster is doing"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 40").message(
        "metadata.name may have 40 characters at most: names of pods and Services are made from it"
    )
)]
#[x_kube(
    validation = Rule::new("self.replicas >= 2 || self.unsafe.singleReplica").message(
        "replicas: one replica has nobody to take over; ask for 2 or more, or set unsafe.singleReplica"
    ).field_path(".replicas"),
    validation = Rule::new("(self.mode == 'ActiveStandby') != has(self.sharding)").message(
        "sharding: mode Sharded and Hybrid need it, for example {shards: 4}; ActiveStandby has one shard and takes none"
    ),
    validation = Rule::new("self.mode != 'Hybrid' || self.standbys < self.replicas").message(
        "standbys: as many as replicas leave no member to stream; ask for fewer, or for more replicas"
    ).field_path(".standbys"),
    validation = Rule::new("has(self.sharding) == has(oldSelf.sharding)").message(
        "sharding is immutable in that it is there: a cluster in mode ActiveStandby keeps its one shard, one in another \
         mode can have others; make a new MaxwellCluster with another topic instead"
    ),
    validation = Rule::new(
        "!has(self.sharding) || (self.sharding.strategy == 'Time') == has(self.sharding.timeWindowSeconds)"
    ).message(
        "sharding.timeWindowSeconds: strategy Time needs it, for example 3600, and no other strategy takes it"
    ),
    validation = Rule::new(
        "!has(self.sharding) || !has(oldSelf.sharding) || \
         (self.sharding.strategy != 'Time' && oldSelf.sharding.strategy != 'Time') || \
         (self.sharding.strategy == oldSelf.sharding.strategy && self.sharding.shards == oldSelf.sharding.shards && \
         self.sharding.timeWindowSeconds == oldSelf.sharding.timeWindowSeconds)"
    ).message(
        "sharding: rows are not divided anew into or out of strategy Time, nor is its window changed: make a new \
         MaxwellCluster with another topic instead"
    ),
    validation = Rule::new(
        "!self.output.ddl || has(self.kafka.ddlTopic) || !self.kafka.topic.contains('%{')"
    ).message(
        "output.ddl needs kafka.ddlTopic while kafka.topic holds placeholders: a schema change has no topic of its own"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct MaxwellClusterSpec {
    /// Whether the cluster runs, waits with its shards in hand, or is scaled to no pods with its position kept.
    #[serde(default)]
    pub state: State,
    /// How the members share the work.
    #[serde(default)]
    pub mode: Mode,
    /// Hybrid only: members that are kept free of shards, warm, to take over.
    #[serde(default = "defaults::standbys")]
    #[schemars(range(min = 1, max = 31))]
    pub standbys: u32,
    /// How rows are divided into shards, and these among members; not with ActiveStandby. Every shard makes the source
    /// send its whole binlog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = bound_sharding)]
    pub sharding: Option<Sharding>,
    /// How shards are kept even among members.
    #[serde(default)]
    #[schemars(transform = bound_rebalancing)]
    pub rebalancing: Rebalancing,
    /// How many members there are.
    #[serde(default = "defaults::replicas")]
    #[schemars(range(min = 1, max = 32))]
    pub replicas: i32,
    /// The workers' image. Default: the one that belongs to the operator's own version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,
    /// When the image is pulled.
    #[serde(default)]
    pub image_pull_policy: ImagePullPolicy,
    /// Secrets of the image's registry.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub image_pull_secrets: Vec<SecretRef>,
    /// The source.
    pub mysql: MySqlSpec,
    /// The sink.
    #[x_kube(
        validation = Rule::new("self.partitionBy != 'Columns' || self.partitionColumns.size() > 0")
            .message("partitionBy: Columns needs at least one of partitionColumns"),
        validation = Rule::new("self.partitionBy != 'Columns' || self.partitionByFallback != 'Columns'")
            .message("partitionByFallback: Columns is what it stands in for; choose another"),
        validation = Rule::new(
            "self.transactionTimeoutSeconds * 1000 >= self.commit.intervalMilliseconds * 5"
        )
        .message("transactionTimeoutSeconds must be at least five times commit.intervalMilliseconds")
    )]
    pub kafka: KafkaSpec,
    /// Where the members meet.
    #[x_kube(
        validation = Rule::new(
            "has(self.root) == has(oldSelf.root) && (!has(self.root) || self.root == oldSelf.root)"
        )
        .message(
            "zookeeper.root is immutable: the cluster's identity lives there; make a new MaxwellCluster instead"
        )
    )]
    pub zookeeper: ZooKeeperSpec,
    /// Failover between members.
    #[serde(default)]
    #[schemars(transform = bound_failover)]
    #[x_kube(
        validation = Rule::new(
            "self.sessionTimeoutMilliseconds >= self.heartbeatIntervalMilliseconds * 2"
        )
        .message(
            "sessionTimeoutMilliseconds must be at least two heartbeatIntervalMilliseconds, or one late heartbeat ends the session"
        )
    )]
    pub failover: Failover,
    /// Which rows pass, in Maxwell's filter language; empty means all. Changes without a restart.
    #[serde(default)]
    #[schemars(length(max = 65536))]
    pub filter: String,
    /// What a message contains: Maxwell's output_* options with the same defaults.
    #[serde(default)]
    #[x_kube(
        validation = Rule::new("self.encryption.mode == 'None' || has(self.encryption.keySecretRef)")
            .message("encryption.mode needs encryption.keySecretRef: a Secret with the key named key")
    )]
    pub output: OutputSpec,
    /// Tables that are copied beside the stream.
    #[serde(default)]
    pub bootstrap: BootstrapSpec,
    /// Compute resources of a worker.
    #[serde(default = "defaults::resources")]
    pub resources: ResourceRequirements,
    /// A PodTemplateSpec that is merged over the generated one; the worker's container is named maxwell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// Protection against drains that would take several members at once.
    #[serde(default)]
    pub pod_disruption_budget: PodDisruptionBudgetSpec,
    /// Metrics and probes.
    #[serde(default)]
    #[x_kube(
        validation = Rule::new("self.port != 9091")
            .message("monitoring.port: 9091 is where members watch each other; choose another")
    )]
    pub monitoring: MonitoringSpec,
    /// How the workers log.
    #[serde(default)]
    pub logging: Logging,
    /// Leave to do what validation refuses otherwise.
    #[serde(default, rename = "unsafe")]
    pub unsafe_: UnsafeSpec,
    /// How pods are replaced that are no longer as planned.
    #[serde(default)]
    pub update: UpdateSpec,
    /// The identity of a cluster that is gone, as its status.clusterId said, to go on from the positions that it left.
    /// Default: a new one
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"), length(max = 36))]
    pub cluster_id: Option<String>,
    /// What becomes of the stored position when the resource is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// Whether a cluster runs.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Changes flow.
    #[default]
    Running,
    /// Owners keep their shards and read nothing, so that it goes on at once later. The source purges its binlogs all
    /// the same.
    Paused,
    /// No pods; the position stays, and the stream goes on from it later.
    Stopped,
}

/// Leave to do what validation refuses otherwise.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct UnsafeSpec {
    /// Allows one replica: when it dies, changes wait until Kubernetes has started it again.
    #[serde(default)]
    pub single_replica: bool,
}

/// The protocol's own schema sets no bounds, and no default on what it leaves out when empty.
fn bound_failover(schema: &mut schemars::Schema) {
    if let Some(priorities) = schema.pointer_mut("/properties/priorities") {
        priorities["maxProperties"] = 64.into();
        priorities["default"] = serde_json::json!({});
    }
    for (name, least) in [
        ("heartbeatIntervalMilliseconds", 100),
        ("sessionTimeoutMilliseconds", 1000),
        ("electionTimeoutMilliseconds", 1000),
        ("retryIntervalMilliseconds", 100),
        ("maxLagSeconds", 1),
    ] {
        bound(schema, name, least);
    }
}

/// What the protocol's own schema sets no bounds on.
fn bound_sharding(schema: &mut schemars::Schema) {
    if let Some(shards) = schema.pointer_mut("/properties/shards") {
        shards["maximum"] = 256.into();
    }
    bound(schema, "timeWindowSeconds", 1);
    for list in ["/properties/databases", "/properties/pins"] {
        bound_list(schema, list);
    }
    for list in ["databases", "tables"] {
        bound_list(schema, &format!("/properties/pins/items/properties/{list}"));
    }
}

fn bound_rebalancing(schema: &mut schemars::Schema) {
    bound(schema, "imbalancePercent", 5);
    if let Some(percent) = schema.pointer_mut("/properties/imbalancePercent") {
        percent["maximum"] = 100.into();
    }
    bound(schema, "minIntervalSeconds", 1);
    bound(schema, "maxConcurrentMoves", 1);
}

fn bound_list(schema: &mut schemars::Schema, at: &str) {
    if let Some(list) = schema.pointer_mut(at) {
        list["maxItems"] = 256.into();
        list["default"] = serde_json::json!([]);
    }
}

/// Raises the least value of a field that the protocol's own schema leaves at 0.
pub(super) fn bound(schema: &mut schemars::Schema, field: &str, least: u32) {
    if let Some(field) = schema.pointer_mut(&format!("/properties/{field}")) {
        field["minimum"] = least.into();
    }
}
