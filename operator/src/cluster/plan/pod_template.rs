//! The workers' pods: restricted, without a token, credentials as files.

use k8s_openapi::DeepMerge;
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapProjection, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource,
    HTTPGetAction, KeyToPath, LocalObjectReference, ObjectFieldSelector, PodSecurityContext, PodSpec,
    PodTemplateSpec, Probe, ProjectedVolumeSource, SeccompProfile, SecretProjection, SecurityContext,
    TopologySpreadConstraint, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use maxwell_crds::names::{CONFIG_DIGEST_ANNOTATION, CONTAINER};
use uuid::Uuid;

use super::{labels, names};
use crate::cluster::mounts::Mount;
use crate::cluster::settings::{DIRECTORY, FILE};
use crate::cluster::validate::Validated;

/// The name of the port of metrics and probes.
pub(super) const HTTP: &str = "http";
/// The name of the port where members watch each other.
pub(super) const PROBE: &str = "probe";
/// That port.
pub(super) const PROBE_PORT: i32 = 9091;

/// A worker's user and group, as in its image.
const USER: i64 = 65532;

/// The least time that a worker gets to end.
const LEAST_GRACE_SECONDS: i64 = 45;

/// What a worker that is told to end needs beyond its Kafka transaction, which it finishes within the transaction's
/// time limit: for 5 s it streams on for those that come next, then it writes its mirror and gives its locks back.
const FAREWELL_SECONDS: i64 = 15;

/// Only the pod's own user and group read what is mounted.
const READABLE: i32 = 0o440;

/// The template: what is generated, with the user's own merged over it.
pub(super) fn pod_template(cluster: &Validated, digest: Uuid) -> PodTemplateSpec {
    let metadata = ObjectMeta {
        labels: Some(labels::labels(&cluster.name)),
        annotations: Some([(CONFIG_DIGEST_ANNOTATION.to_owned(), digest.simple().to_string())].into()),
        ..ObjectMeta::default()
    };
    let generated = PodTemplateSpec { metadata: Some(metadata.clone()), spec: Some(pod(cluster)) };
    let mut template = generated;
    if let Some(users) = &cluster.pod_template {
        template.merge_from(users.clone());
        // Without its own annotation the operator would not see a change.
        template.metadata.merge_from(Some(metadata));
    }
    template
}

fn pod(cluster: &Validated) -> PodSpec {
    PodSpec {
        service_account_name: Some(cluster.name.clone()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(grace_seconds(cluster.transaction_timeout_seconds)),
        image_pull_secrets: image_pull_secrets(cluster),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }),
        topology_spread_constraints: Some(vec![
            spread(cluster, "kubernetes.io/hostname"),
            spread(cluster, "topology.kubernetes.io/zone"),
        ]),
        containers: vec![container(cluster)],
        volumes: Some(vec![configuration(cluster), temporary()]),
        ..PodSpec::default()
    }
}

fn grace_seconds(transaction_timeout_seconds: u32) -> i64 {
    LEAST_GRACE_SECONDS.max(i64::from(transaction_timeout_seconds) + FAREWELL_SECONDS)
}

fn image_pull_secrets(cluster: &Validated) -> Option<Vec<LocalObjectReference>> {
    let references: Vec<_> =
        cluster.image_pull_secrets.iter().map(|name| LocalObjectReference { name: name.clone() }).collect();
    (!references.is_empty()).then_some(references)
}

/// Members keep apart where they can; a cluster of one node still gets them all.
fn spread(cluster: &Validated, topology: &str) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: topology.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(labels::label_selector(&cluster.name)),
        ..TopologySpreadConstraint::default()
    }
}

fn container(cluster: &Validated) -> Container {
    Container {
        name: CONTAINER.to_owned(),
        image: Some(cluster.image.clone()),
        image_pull_policy: Some(cluster.image_pull_policy.to_owned()),
        args: Some(vec![format!("--settings={DIRECTORY}/{FILE}")]),
        env: Some(vec![
            field("MAXWELL_MEMBER_ID", "metadata.name"),
            field("MAXWELL_ADVERTISE_HOST", "status.podIP"),
        ]),
        ports: Some(vec![port(HTTP, cluster.port.into()), port(PROBE, PROBE_PORT)]),
        liveness_probe: Some(Probe { failure_threshold: Some(6), ..probe("/livez", 10) }),
        readiness_probe: Some(Probe { failure_threshold: Some(3), ..probe("/readyz", 2) }),
        resources: Some(cluster.resources.clone()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(vec![
            VolumeMount { read_only: Some(true), ..mount("configuration", DIRECTORY) },
            mount("tmp", "/tmp"),
        ]),
        ..Container::default()
    }
}

fn field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: Some("v1".to_owned()),
                field_path: path.to_owned(),
            }),
            ..EnvVarSource::default()
        }),
        value: None,
    }
}

fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn probe(path: &str, period_seconds: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(HTTP.to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.to_owned(), mount_path: path.to_owned(), ..VolumeMount::default() }
}

/// Settings and credentials in one volume: Kubernetes cannot mount one read-only volume inside another, and a
/// rotated password reaches the file without a restart.
fn configuration(cluster: &Validated) -> Volume {
    let settings = VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name: names::config_map(&cluster.name),
            items: Some(vec![item(FILE, FILE.to_owned())]),
            optional: None,
        }),
        ..VolumeProjection::default()
    };
    let sources = std::iter::once(settings).chain(cluster.mounts.iter().map(secret));
    Volume {
        name: "configuration".to_owned(),
        projected: Some(ProjectedVolumeSource {
            default_mode: Some(READABLE),
            sources: Some(sources.collect()),
        }),
        ..Volume::default()
    }
}

fn secret(mount: &Mount) -> VolumeProjection {
    let items = mount.keys().iter().map(|key| item(key, format!("{}/{key}", mount.directory)));
    VolumeProjection {
        secret: Some(SecretProjection {
            name: mount.name.clone(),
            items: Some(items.collect()),
            optional: None,
        }),
        ..VolumeProjection::default()
    }
}

fn item(key: &str, path: String) -> KeyToPath {
    KeyToPath { key: key.to_owned(), path, mode: None }
}

fn temporary() -> Volume {
    Volume {
        name: "tmp".to_owned(),
        empty_dir: Some(EmptyDirVolumeSource { size_limit: Some(Quantity("64Mi".to_owned())), medium: None }),
        ..Volume::default()
    }
}
