//! Labels and owners.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use maxwell_crds::names::MANAGER;

use crate::cluster::validate::Validated;

const NAME: &str = "app.kubernetes.io/name";
/// The label with the cluster's name.
pub(in crate::cluster) const INSTANCE: &str = "app.kubernetes.io/instance";
const COMPONENT: &str = "app.kubernetes.io/component";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Labels that nobody else may set on the pods.
pub(in crate::cluster) const RESERVED: [&str; 4] = [NAME, INSTANCE, COMPONENT, MANAGED_BY];

/// What all objects of all clusters have in common, as a selector.
pub(crate) fn managed() -> String {
    format!("{MANAGED_BY}={MANAGER}")
}

/// The labels that select the pods of `cluster`. They can never change: a StatefulSet's selector is immutable.
pub(super) fn selector(cluster: &str) -> BTreeMap<String, String> {
    [(NAME, "maxwell"), (INSTANCE, cluster), (COMPONENT, "worker")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// The same as text, for lists and for the scale subresource.
pub(in crate::cluster) fn selector_text(cluster: &str) -> String {
    let pairs: Vec<String> =
        selector(cluster).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

/// The same as a selector of objects.
pub(super) fn label_selector(cluster: &str) -> LabelSelector {
    LabelSelector { match_labels: Some(selector(cluster)), match_expressions: None }
}

/// The labels of every object of `cluster`.
pub(super) fn labels(cluster: &str) -> BTreeMap<String, String> {
    let mut labels = selector(cluster);
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    labels
}

/// The labels of an object of `cluster` that is no worker's.
pub(super) fn of_component(cluster: &str, component: &str) -> BTreeMap<String, String> {
    let mut labels = labels(cluster);
    labels.insert(COMPONENT.to_owned(), component.to_owned());
    labels
}

/// Name, labels and owner of an object of `cluster`.
pub(super) fn metadata(cluster: &Validated, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(cluster.namespace.clone()),
        labels: Some(labels(&cluster.name)),
        owner_references: Some(vec![cluster.owner.clone()]),
        ..ObjectMeta::default()
    }
}
