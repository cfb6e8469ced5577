//! How the workers run in Kubernetes.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::defaults;

/// When a pod's image is pulled.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImagePullPolicy {
    /// At every start.
    Always,
    /// When the node does not have it.
    #[default]
    IfNotPresent,
    /// Never: the node has it, or the pod does not start.
    Never,
}

impl ImagePullPolicy {
    /// The name that Kubernetes uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// A pod template as the user wrote it. Its schema is open: Kubernetes' own would make the definition too large
/// for `kubectl apply`; the operator checks what is in it.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
#[serde(transparent)]
pub struct PodTemplate(pub serde_json::Map<String, Value>);

impl JsonSchema for PodTemplate {
    fn schema_name() -> Cow<'static, str> {
        "PodTemplate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Protection against drains.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PodDisruptionBudgetSpec {
    /// Whether a PodDisruptionBudget keeps drains to one member at a time; a single replica has none.
    #[serde(default = "defaults::yes")]
    pub enabled: bool,
}

impl Default for PodDisruptionBudgetSpec {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// Metrics and probes.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MonitoringSpec {
    /// Port of /metrics, /livez and /readyz.
    #[serde(default = "defaults::monitoring_port")]
    #[schemars(range(min = 1024, max = 65535))]
    pub port: u16,
}

impl Default for MonitoringSpec {
    fn default() -> Self {
        Self { port: defaults::monitoring_port() }
    }
}

/// How pods are replaced.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct UpdateSpec {
    /// Who replaces them, in which order.
    #[serde(default)]
    pub strategy: UpdateStrategy,
}

/// Who replaces pods that are no longer as planned, in which order.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpdateStrategy {
    /// The operator: members that stand by first, one at a time, the leader last.
    #[default]
    StandbyFirst,
    /// Whoever deletes a pod: the next one is as planned.
    OnDelete,
}

/// What becomes of the stored position when the resource is deleted. The ZooKeeper tree goes in any case, and the topics
/// of the changes stay: they are their consumers'.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeletionPolicy {
    /// The position topic stays in Kafka. A cluster made later goes on from it with clusterId, and refuses it otherwise.
    #[default]
    Retain,
    /// The position topic is deleted, if no other cluster has positions on it.
    Delete,
}
