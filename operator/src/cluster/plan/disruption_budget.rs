//! Protection against drains that would take several members at once.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::labels;
use crate::cluster::validate::Validated;

/// None for a single pod: it could never be drained. A pod that is not ready protects nothing and may be evicted.
pub(super) fn disruption_budget(cluster: &Validated) -> Option<PodDisruptionBudget> {
    (cluster.disruption_budget && cluster.replicas > 1).then(|| PodDisruptionBudget {
        metadata: labels::metadata(cluster, cluster.name.clone()),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(labels::label_selector(&cluster.name)),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    })
}
