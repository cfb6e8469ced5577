//! What Kubernetes holds of a cluster: the Secrets that its spec refers to, its StatefulSet and its pods. I/O only;
//! what is absent is a value, not an error.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use maxwell_crds::v1alpha1::{MaxwellCluster, MaxwellClusterSpec};
use thiserror::Error;

use super::apply::controlled_by;
use super::mounts::{Mount, mounts};
use super::plan::labels;

/// Why Kubernetes could not be asked.
#[derive(Debug, Error)]
pub enum FetchError {
    /// A read failed.
    #[error("cannot read {what} in namespace {namespace}")]
    Read {
        /// What was to be read.
        what: String,
        /// Where.
        namespace: String,
        /// Why not.
        #[source]
        source: kube::Error,
    },
}

/// The data of a Secret. Without `Debug`, so that it cannot reach a log.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SecretData(pub BTreeMap<String, ByteString>);

/// The Secrets that a spec refers to, by name; `None` for those that do not exist.
pub type Secrets = BTreeMap<String, Option<SecretData>>;

/// What Kubernetes holds of a cluster.
pub struct Fetched {
    /// The Secrets that the spec refers to.
    pub secrets: Secrets,
    /// The cluster's StatefulSet.
    pub stateful_set: Option<StatefulSet>,
    /// The cluster's pods.
    pub pods: Vec<Pod>,
}

/// Reads it all at once. Of what bears the cluster's name or labels, only what belongs to it counts.
pub async fn fetch(client: &Client, cluster: &MaxwellCluster) -> Result<Fetched, FetchError> {
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    let uid = cluster.uid().unwrap_or_default();
    let fail = |what: String| {
        let namespace = namespace.clone();
        move |source| FetchError::Read { what, namespace, source }
    };
    let stateful_sets: Api<StatefulSet> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let selected = ListParams::default().labels(&labels::selector_text(&name));
    let (secrets, stateful_set, pods) = tokio::try_join!(
        secrets(client, &namespace, &cluster.spec),
        async { stateful_sets.get_opt(&name).await.map_err(fail(format!("StatefulSet {name}"))) },
        async { pods.list(&selected).await.map_err(fail("the pods".to_owned())) },
    )?;
    let stateful_set = stateful_set.filter(|found| controlled_by(&found.metadata, &uid));
    let owner = stateful_set.as_ref().and_then(ResourceExt::uid);
    let ours = |pod: &Pod| owner.as_ref().is_some_and(|owner| controlled_by(&pod.metadata, owner));
    Ok(Fetched { secrets, pods: pods.items.into_iter().filter(ours).collect(), stateful_set })
}

async fn secrets(client: &Client, namespace: &str, spec: &MaxwellClusterSpec) -> Result<Secrets, FetchError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let mut found = Secrets::new();
    for Mount { name, .. } in mounts(spec) {
        let secret = api.get_opt(&name).await.map_err(|source| FetchError::Read {
            what: format!("Secret {name}"),
            namespace: namespace.to_owned(),
            source,
        })?;
        found.insert(name, secret.map(|secret| SecretData(secret.data.unwrap_or_default())));
    }
    Ok(found)
}
