//! The StatefulSet. Nothing that Kubernetes lets nobody change (selector, Service, pod management) depends on the spec.

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy};
use uuid::Uuid;

use super::{labels, names, pod_template};
use crate::cluster::validate::Validated;

/// Pods start at once, not one after the other; the operator replaces them, since only it knows the leader.
pub(super) fn stateful_set(cluster: &Validated, digest: Uuid) -> StatefulSet {
    StatefulSet {
        metadata: labels::metadata(cluster, cluster.name.clone()),
        spec: Some(StatefulSetSpec {
            replicas: Some(cluster.replicas),
            service_name: Some(names::members_service(&cluster.name)),
            selector: labels::label_selector(&cluster.name),
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                rolling_update: None,
            }),
            revision_history_limit: Some(3),
            template: pod_template::pod_template(cluster, digest),
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}
