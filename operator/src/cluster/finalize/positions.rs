//! Deletes the position topic of a cluster that asked for it, by a Job.

use k8s_openapi::api::batch::v1::{Job, JobStatus};
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use maxwell_crds::names::MANAGER;
use maxwell_crds::v1alpha1::{DeletionPolicy, MaxwellCluster};
use thiserror::Error;

use crate::cluster::context::Context;
use crate::cluster::fetch::Fetched;
use crate::cluster::plan::forget_job;
use crate::cluster::status::Problem;
use crate::cluster::validate;

/// Why the Job could not be made or seen.
#[derive(Debug, Error)]
#[error("cannot {action} Job {namespace}/{name}")]
pub struct JobError {
    action: &'static str,
    namespace: String,
    name: String,
    #[source]
    source: kube::Error,
}

impl JobError {
    /// The API server's answer.
    pub(in crate::cluster) fn answer(&self) -> &kube::Error {
        &self.source
    }
}

/// How far the deletion is.
pub(super) enum Deletion {
    /// The topic is gone, or stays as asked for.
    Done,
    /// The Job works.
    UnderWay,
    /// It cannot be done, and why.
    Blocked(String),
}

/// One step. A cluster of which no identity is known has no positions.
pub(super) async fn delete(
    context: &Context,
    cluster: &MaxwellCluster,
    fetched: &Fetched,
) -> Result<Deletion, JobError> {
    let id = cluster.status.as_ref().and_then(|status| status.cluster_id.as_deref());
    let (DeletionPolicy::Delete, Some(id)) = (cluster.spec.deletion_policy, id) else {
        return Ok(Deletion::Done);
    };
    let verdict = validate::validate(cluster, &fetched.secrets, &context.worker_image);
    let Some(validated) = verdict.validated.filter(|_| verdict.problems.is_empty()) else {
        return Ok(Deletion::Blocked(told(&verdict.problems)));
    };
    let job = forget_job(&validated, id);
    let (namespace, name) = (validated.namespace, job.name_any());
    let api: Api<Job> = Api::namespaced(context.client.clone(), &namespace);
    let fail = |action| {
        let (namespace, name) = (namespace.clone(), name.clone());
        move |source| JobError { action, namespace, name, source }
    };
    let Some(found) = api.get_opt(&name).await.map_err(fail("read"))? else {
        let parameters = PatchParams::apply(MANAGER).force();
        api.patch(&name, &parameters, &Patch::Apply(&job)).await.map_err(fail("make"))?;
        return Ok(Deletion::UnderWay);
    };
    Ok(judge(found.status.as_ref(), &namespace, &name))
}

fn judge(status: Option<&JobStatus>, namespace: &str, name: &str) -> Deletion {
    let holds = |kind: &str| {
        let conditions = status.and_then(|status| status.conditions.as_ref()).into_iter().flatten();
        conditions.into_iter().any(|condition| condition.type_ == kind && condition.status == "True")
    };
    if holds("Complete") {
        Deletion::Done
    } else if holds("Failed") {
        Deletion::Blocked(format!(
            "Job {name} has failed: kubectl -n {namespace} logs job/{name} says why; delete the Job to have it tried again"
        ))
    } else {
        Deletion::UnderWay
    }
}

fn told(problems: &[Problem]) -> String {
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    messages.join("; ")
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::batch::v1::JobCondition;

    use super::*;

    #[test]
    fn a_job_is_done_when_it_says_so() {
        let said = |kind: &str| {
            let condition =
                JobCondition { type_: kind.into(), status: "True".into(), ..JobCondition::default() };
            judge(Some(&JobStatus { conditions: Some(vec![condition]), ..JobStatus::default() }), "cdc", "j")
        };
        assert!(matches!(said("Complete"), Deletion::Done));
        assert!(matches!(said("Suspended"), Deletion::UnderWay));
        assert!(matches!(judge(None, "cdc", "j"), Deletion::UnderWay));
        let Deletion::Blocked(why) = said("Failed") else { panic!("it has failed") };
        assert!(why.contains("kubectl -n cdc logs job/j"), "{why}");
    }
}
