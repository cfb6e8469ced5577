//! Ends the pods of a cluster without planning it: a Stopped cluster whose settings are wrong, or one that is deleted.

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use maxwell_crds::names::MANAGER;
use serde_json::json;
use thiserror::Error;

/// Why the pods could not be ended.
#[derive(Debug, Error)]
#[error("cannot scale StatefulSet {namespace}/{name} to 0")]
pub struct ScaleError {
    namespace: String,
    name: String,
    #[source]
    source: kube::Error,
}

impl ScaleError {
    /// The API server's answer.
    pub(super) fn answer(&self) -> &kube::Error {
        &self.source
    }
}

/// Scales `stateful_set` to 0. One that is gone is no error.
pub(super) async fn to_zero(
    client: &Client,
    namespace: &str,
    stateful_set: &StatefulSet,
) -> Result<(), ScaleError> {
    if stateful_set.spec.as_ref().and_then(|spec| spec.replicas) == Some(0) {
        return Ok(());
    }
    let api: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
    let name = stateful_set.name_any();
    let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let patch = json!({"metadata": {"uid": stateful_set.metadata.uid}, "spec": {"replicas": 0}});
    match api.patch(&name, &parameters, &Patch::Merge(&patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(answer)) if answer.is_not_found() => Ok(()),
        Err(source) => Err(ScaleError { namespace: namespace.to_owned(), name, source }),
    }
}
