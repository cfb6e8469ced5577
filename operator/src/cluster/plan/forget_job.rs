//! The Job that deletes the position topic: a worker's pod that is told to do that instead of streaming. So the topic is
//! reached with the workers' own credentials and network, and the operator needs neither.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use uuid::Uuid;

use super::{labels, names, pod_template};
use crate::cluster::settings::{DIRECTORY, FILE};
use crate::cluster::validate::Validated;

/// After this long it has failed.
const LIMIT_SECONDS: i64 = 180;
/// An open Kafka transaction of a worker that was killed hides the topic's end for a while.
const RETRIES: i32 = 5;

/// Deletes the position topic of the cluster whose identity is `id`.
pub(in crate::cluster) fn forget_job(cluster: &Validated, id: &str) -> Job {
    let mut metadata = labels::metadata(cluster, names::forget_job(&cluster.name));
    // Nothing that selects workers shall find its pod.
    metadata.labels = Some(labels::of_component(&cluster.name, "forget"));
    let template = pod_template::pod_template(cluster, Uuid::nil());
    let mut pod_metadata = template.metadata.unwrap_or_default();
    pod_metadata.labels.clone_from(&metadata.labels);
    Job {
        metadata,
        spec: Some(JobSpec {
            active_deadline_seconds: Some(LIMIT_SECONDS),
            backoff_limit: Some(RETRIES),
            template: PodTemplateSpec {
                metadata: Some(pod_metadata),
                spec: template.spec.map(|pod| told(pod, id)),
            },
            ..JobSpec::default()
        }),
        status: None,
    }
}

fn told(mut pod: PodSpec, id: &str) -> PodSpec {
    pod.restart_policy = Some("Never".to_owned());
    pod.topology_spread_constraints = None;
    if let Some(container) = pod.containers.first_mut() {
        container.args = Some(vec![format!("--settings={DIRECTORY}/{FILE}"), format!("--forget={id}")]);
        (container.liveness_probe, container.readiness_probe, container.ports) = (None, None, None);
    }
    pod
}
