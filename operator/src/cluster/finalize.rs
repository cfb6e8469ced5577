//! Deletion: the pods end first, then the position topic goes, if that is asked for, then the ZooKeeper tree; the rest
//! goes with its owner. A deletion that cannot go on says why, and how to let go of the tree.

mod namespace;
mod positions;
mod tree;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use maxwell_crds::names::{FINALIZER, SKIP_CLEANUP_ANNOTATION};
use maxwell_crds::v1alpha1::{ConditionType, DeletionPolicy, MaxwellCluster};
use serde_json::json;
use thiserror::Error;

use positions::{Deletion, JobError};

use super::context::Context;
use super::fetch::Fetched;
use super::scale::{self, ScaleError};
use super::status::Problem;
use super::{reference, validate};

/// Why the clean-up failed.
#[derive(Debug, Error)]
pub enum FinalizeError {
    /// The pods could not be ended.
    #[error(transparent)]
    Scale(#[from] ScaleError),
    /// The Job that deletes the position topic could not be made or seen.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The finalizer of a resource that is not understood could not be taken away.
    #[error("cannot take the finalizer from {namespace}/{name}")]
    Release {
        /// The resource's namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Why not.
        #[source]
        source: kube::Error,
    },
}

/// How far a clean-up is.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is left.
    Done,
    /// Pods are ending.
    Ending,
    /// Something is in the way.
    Blocked(Problem),
}

/// One step of the clean-up. Safe to repeat.
pub async fn clean_up(
    context: &Context,
    cluster: &MaxwellCluster,
    fetched: &Fetched,
) -> Result<Progress, FinalizeError> {
    let namespace = cluster.namespace().unwrap_or_default();
    if is_skipped(&cluster.metadata) {
        tracing::info!(
            namespace,
            name = cluster.name_any(),
            "the ZooKeeper tree is left alone, as asked for"
        );
        return Ok(Progress::Done);
    }
    if let Some(stateful_set) = &fetched.stateful_set {
        scale::to_zero(&context.client, &namespace, stateful_set).await?;
    }
    if !fetched.pods.is_empty() {
        return Ok(Progress::Ending);
    }
    if let Some(heir) = context.neighbours.heir(cluster) {
        tracing::info!(
            namespace,
            name = cluster.name_any(),
            heir,
            "the ZooKeeper tree is left to another MaxwellCluster that names the same root"
        );
        return Ok(Progress::Done);
    }
    if cluster.spec.deletion_policy == DeletionPolicy::Delete
        && namespace::is_terminating(&context.client, &namespace).await
    {
        // Nothing can be run there any more.
        tracing::warn!(
            namespace,
            name = cluster.name_any(),
            "the position topic stays: its namespace is ending"
        );
        return remove_tree(context, cluster, fetched).await;
    }
    match positions::delete(context, cluster, fetched).await? {
        Deletion::Done => remove_tree(context, cluster, fetched).await,
        Deletion::UnderWay => Ok(Progress::Ending),
        Deletion::Blocked(why) => Ok(Progress::Blocked(blocked(cluster, &POSITIONS, &why))),
    }
}

async fn remove_tree(
    context: &Context,
    cluster: &MaxwellCluster,
    fetched: &Fetched,
) -> Result<Progress, FinalizeError> {
    let known = context.observers.digest(&reference(cluster));
    let target = match validate::target(cluster, &fetched.secrets, known) {
        Ok(target) => target,
        Err(problem) => {
            let namespace = cluster.namespace().unwrap_or_default();
            let why = if namespace::is_terminating(&context.client, &namespace).await {
                "its credentials went with the namespace, in which no Secret can be made any more"
            } else {
                problem.message.as_str()
            };
            return Ok(Progress::Blocked(blocked(cluster, &TREE, why)));
        }
    };
    match tree::remove(&target).await {
        Ok(()) => Ok(Progress::Done),
        Err(error) => Ok(Progress::Blocked(blocked(cluster, &TREE, &tree::story(&error)))),
    }
}

fn is_skipped(metadata: &ObjectMeta) -> bool {
    let value =
        metadata.annotations.as_ref().and_then(|annotations| annotations.get(SKIP_CLEANUP_ANNOTATION));
    value.is_some_and(|value| value == "true")
}

/// Whether a resource of which nothing but the metadata is understood is to be let go.
pub(super) fn releases(metadata: &ObjectMeta) -> bool {
    metadata.deletion_timestamp.is_some() && is_skipped(metadata)
}

/// Lets it go: takes the finalizer away, unless somebody changed the resource meanwhile.
pub(super) async fn release(client: &Client, metadata: &ObjectMeta) -> Result<(), FinalizeError> {
    let namespace = metadata.namespace.clone().unwrap_or_default();
    let name = metadata.name.clone().unwrap_or_default();
    let kept: Vec<&String> = metadata.finalizers.iter().flatten().filter(|one| *one != FINALIZER).collect();
    let patch = json!({"metadata": {"resourceVersion": metadata.resource_version, "finalizers": kept}});
    let api: Api<MaxwellCluster> = Api::namespaced(client.clone(), &namespace);
    match api.patch_metadata(&name, &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(answer)) if answer.is_not_found() => Ok(()),
        Err(source) => Err(FinalizeError::Release { namespace, name, source }),
    }
}

/// What a deletion can wait for.
struct Left {
    condition: ConditionType,
    what: &'static str,
}

const TREE: Left = Left { condition: ConditionType::CoordinationReachable, what: "the ZooKeeper tree" };
const POSITIONS: Left =
    Left { condition: ConditionType::SinkReachable, what: "the position topic and the ZooKeeper tree" };

fn blocked(cluster: &MaxwellCluster, left: &Left, why: &str) -> Problem {
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    let what = left.what;
    Problem {
        condition: left.condition,
        reason: "CleanupBlocked",
        message: format!(
            "{what} cannot be removed, so the deletion waits: {why}; it is tried again until it works. \
             To delete the resource and leave what is there: \
             kubectl -n {namespace} annotate maxwellcluster {name} {SKIP_CLEANUP_ANNOTATION}=true"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fixtures;

    #[test]
    fn only_the_word_true_skips() {
        let mut cluster = fixtures::cluster();
        assert!(!is_skipped(&cluster.metadata));
        for (value, skipped) in [("true", true), ("false", false), ("", false)] {
            cluster.annotations_mut().insert(SKIP_CLEANUP_ANNOTATION.to_owned(), value.to_owned());
            assert_eq!(is_skipped(&cluster.metadata), skipped);
            assert!(!releases(&cluster.metadata), "it is not being deleted");
        }
    }

    #[test]
    fn a_deletion_that_waits_says_how_to_let_go() {
        let problem = blocked(&fixtures::cluster(), &TREE, "no answer");
        assert!(problem.message.contains("no answer"));
        assert!(
            problem
                .message
                .contains("kubectl -n cdc annotate maxwellcluster orders maxwell-cdc.io/skip-cleanup=true")
        );
    }
}
