//! The pods: what the decisions need to know of them, and the two things that are done to them. The leader's pod
//! gets a label, and a pod that is no longer as planned is deleted, which its worker answers with a switchover.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Client, ResourceExt};
use maxwell_crds::names::{MANAGER, ROLE_LABEL, ROLE_LEADER};
use serde_json::json;
use thiserror::Error;

use super::roll::PodState;

/// Why a pod could not be changed.
#[derive(Debug, Error)]
pub enum PodError {
    /// The label could not be moved.
    #[error("cannot label pod {namespace}/{name}")]
    Label {
        /// The namespace.
        namespace: String,
        /// The pod.
        name: String,
        /// Why not.
        #[source]
        source: kube::Error,
    },
    /// The pod could not be deleted.
    #[error("cannot replace pod {namespace}/{name}")]
    Replace {
        /// The namespace.
        namespace: String,
        /// The pod.
        name: String,
        /// Why not.
        #[source]
        source: kube::Error,
    },
}

/// What Kubernetes calls the revision of a pod.
const REVISION: &str = "controller-revision-hash";

/// The pods as the roll sees them; `None` while the StatefulSet's controller has not caught up with its spec.
/// Without a `leader` that is known now, the pod that is labelled counts.
pub(super) fn states(
    stateful_set: &StatefulSet,
    pods: &[Pod],
    leader: Option<&str>,
) -> Option<Vec<PodState>> {
    let status = stateful_set.status.as_ref()?;
    if status.observed_generation < stateful_set.metadata.generation {
        return None;
    }
    let revision = status.update_revision.as_deref()?;
    let state = |pod: &Pod| PodState {
        name: pod.name_any(),
        updated: pod.labels().get(REVISION).is_some_and(|of| of == revision),
        ready: is_ready(pod),
        terminating: pod.metadata.deletion_timestamp.is_some(),
        leader: leader.map_or_else(|| is_labelled(pod), |leader| pod.name_any() == leader),
    };
    Some(pods.iter().map(state).collect())
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn is_labelled(pod: &Pod) -> bool {
    pod.labels().get(ROLE_LABEL).is_some_and(|role| role == ROLE_LEADER)
}

/// What the label is to become, by pod; only what differs.
fn moves<'a>(
    pods: &'a [Pod],
    leader: Option<&'a str>,
) -> impl Iterator<Item = (&'a Pod, Option<&'static str>)> {
    pods.iter().filter_map(move |pod| {
        let leads = leader.is_some_and(|leader| pod.name_any() == leader);
        (leads != is_labelled(pod)).then_some((pod, leads.then_some(ROLE_LEADER)))
    })
}

/// Moves the leader's label to the pod of `leader`; with none, takes it from every pod.
pub(super) async fn label_leader(
    client: &Client,
    namespace: &str,
    pods: &[Pod],
    leader: Option<&str>,
) -> Result<(), PodError> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    for (pod, role) in moves(pods, leader) {
        let name = pod.name_any();
        // The UID keeps the label from a successor of the same name.
        let patch = json!({"metadata": {"uid": pod.metadata.uid, "labels": {(ROLE_LABEL): role}}});
        match api.patch_metadata(&name, &parameters, &Patch::Merge(&patch)).await {
            Ok(_) => {}
            Err(kube::Error::Api(answer)) if answer.is_not_found() || answer.is_conflict() => {}
            Err(source) => return Err(PodError::Label { namespace: namespace.to_owned(), name, source }),
        }
    }
    Ok(())
}

/// Deletes `pod`, unless it is another one by now.
pub(super) async fn replace(client: &Client, namespace: &str, pod: &Pod) -> Result<(), PodError> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let name = pod.name_any();
    let same = Preconditions { uid: pod.uid(), resource_version: None };
    match api.delete(&name, &DeleteParams::default().preconditions(same)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(answer)) if answer.is_not_found() || answer.is_conflict() => Ok(()),
        Err(source) => Err(PodError::Replace { namespace: namespace.to_owned(), name, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, revision: &str, labelled: bool, ready: bool) -> Pod {
        let role = if labelled { json!(ROLE_LEADER) } else { json!("none") };
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {REVISION: revision, ROLE_LABEL: role}},
            "status": {"conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}
        }))
        .expect("a pod")
    }

    fn stateful_set(generation: i64, observed: i64) -> StatefulSet {
        serde_json::from_value(json!({
            "metadata": {"name": "orders", "generation": generation},
            "status": {"observedGeneration": observed, "updateRevision": "b", "replicas": 2}
        }))
        .expect("a StatefulSet")
    }

    #[test]
    fn the_label_moves_with_the_leader() {
        let pods = [pod("orders-0", "a", true, true), pod("orders-1", "a", false, true)];
        let moved = |leader| -> Vec<_> {
            moves(&pods, leader).map(|(pod, role)| (pod.name_any(), role.is_some())).collect()
        };
        assert_eq!(moved(Some("orders-0")), []);
        assert_eq!(moved(Some("orders-1")), [("orders-0".to_owned(), false), ("orders-1".to_owned(), true)]);
        assert_eq!(moved(None), [("orders-0".to_owned(), false)]);
    }

    #[test]
    fn a_status_that_is_behind_is_not_believed() {
        let pods = [pod("orders-0", "a", true, true), pod("orders-1", "b", false, false)];
        assert_eq!(states(&stateful_set(2, 1), &pods, None), None);
        let states = states(&stateful_set(2, 2), &pods, None).expect("believed");
        assert!(!states[0].updated && states[0].ready && states[0].leader);
        assert!(states[1].updated && !states[1].ready && !states[1].leader);
    }

    #[test]
    fn the_observed_leader_counts_more_than_the_label() {
        let pods = [pod("orders-0", "a", true, true), pod("orders-1", "a", false, true)];
        let states = states(&stateful_set(1, 1), &pods, Some("orders-1")).expect("believed");
        assert!(!states[0].leader && states[1].leader);
    }
}
