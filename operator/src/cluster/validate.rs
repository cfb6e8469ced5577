//! From what was asked for and what was found to something that can be planned, or to what is wrong with it. Pure.

mod pod_template;

use k8s_openapi::api::core::v1::{PodTemplateSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};
use maxwell_crds::v1alpha1::{ConditionType, MaxwellCluster, State};
use uuid::Uuid;

use super::credentials::{Credentials, credentials};
use super::fetch::Secrets;
use super::mounts::{Mount, mounts};
use super::observe::Target;
use super::settings;
use super::status::Problem;

/// A cluster that can be planned.
pub struct Validated {
    /// The resource's name: the StatefulSet's too.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// What makes an object its child.
    pub owner: OwnerReference,
    /// The worker's settings as YAML.
    pub settings: String,
    /// What the pods are started with, settings and credentials, in a few characters; without the settings that change
    /// without a restart. `None` while a Secret is missing: then
    /// pods that are there stay, and none is made.
    pub digest: Option<Uuid>,
    /// The workers' image.
    pub image: String,
    /// When it is pulled.
    pub image_pull_policy: &'static str,
    /// Secrets of its registry.
    pub image_pull_secrets: Vec<String>,
    /// How many pods there shall be.
    pub replicas: i32,
    /// After this long the broker aborts a Kafka transaction of a worker that is silent.
    pub transaction_timeout_seconds: u32,
    /// Compute resources of a worker.
    pub resources: ResourceRequirements,
    /// What the user wants merged over the pods.
    pub pod_template: Option<PodTemplateSpec>,
    /// Whether drains are kept to one member at a time.
    pub disruption_budget: bool,
    /// Port of metrics and probes.
    pub port: u16,
    /// The Secrets that the pods mount.
    pub mounts: Vec<Mount>,
}

/// What validation says.
pub struct Verdict {
    /// What can be planned; `None` if the settings themselves are wrong.
    pub validated: Option<Validated>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Where the cluster's tree is; what is wrong while its credentials are missing. `known` are those that served until
/// then: with a namespace its Secrets go first, and the tree is to be removed all the same.
pub fn target(cluster: &MaxwellCluster, secrets: &Secrets, known: Option<String>) -> Result<Target, Problem> {
    let namespace = cluster.namespace().unwrap_or_default();
    let digest = match (zookeeper_credentials(cluster, secrets), known) {
        (Ok(found), _) => found.map(|found| format!("{}:{}", found.username, found.password)),
        (Err(_), Some(known)) => Some(known),
        (Err(problem), None) => return Err(problem),
    };
    Ok(Target {
        hosts: cluster.spec.zookeeper.hosts.join(","),
        root: settings::root(&namespace, &cluster.name_any(), &cluster.spec),
        digest,
    })
}

/// Checks everything and reports all that is wrong at once.
pub fn validate(cluster: &MaxwellCluster, secrets: &Secrets, default_image: &str) -> Verdict {
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    let settings = settings::settings(&namespace, &name, &cluster.spec);
    let mut problems: Vec<Problem> = settings
        .validate()
        .iter()
        .map(|invalid| invalid_config("InvalidSettings", format!("spec.{invalid}")))
        .collect();
    problems.extend(clear_credentials(cluster));
    problems.extend(unknown_members(cluster));
    let documents = serde_yaml::to_string(&settings)
        .and_then(|whole| Ok((whole, serde_yaml::to_string(&settings::fixed(settings))?)))
        .map_err(|error| problems.push(invalid_config("InvalidSettings", format!("spec: {error}"))));
    let pod_template = pod_template::parse(cluster.spec.pod_template.as_ref()).map_err(|wrong| {
        problems.extend(wrong.into_iter().map(|message| invalid_config("InvalidPodTemplate", message)));
    });
    let owner = cluster.controller_owner_ref(&());
    let (Ok((document, fixed)), Ok(pod_template), Some(owner), true) =
        (documents, pod_template, owner, problems.is_empty())
    else {
        return Verdict { validated: None, problems };
    };
    let digest = digest(cluster, secrets, &fixed).map_err(|found| problems.extend(found)).ok();
    let validated = assemble(cluster, document, digest, pod_template, owner, default_image);
    Verdict { validated: Some(validated), problems }
}

/// Properties of librdkafka, and one of Kafka's Java client, that hold a secret.
const SECRET_PROPERTIES: [&str; 8] = [
    "sasl.jaas.config",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.oauthbearer.client.secret",
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
];

/// Secrets that would stand in the clear in the resource and in the ConfigMap, where more people may read them than
/// Secrets. Their values are not repeated.
fn clear_credentials(cluster: &MaxwellCluster) -> impl Iterator<Item = Problem> {
    let named = cluster.spec.kafka.properties.keys();
    named.filter(|name| SECRET_PROPERTIES.contains(&name.as_str())).map(|name| {
        let message = format!(
            "spec.kafka.properties: '{name}' holds a credential, and credentials in the clear are refused; take it \
             out: kafka.sasl and kafka.tls name the Secrets that hold it"
        );
        invalid_config("CredentialsInClear", message)
    })
}

/// Pins to members that no pod will ever be. More pods may be asked for later, but not fewer names.
fn unknown_members(cluster: &MaxwellCluster) -> impl Iterator<Item = Problem> {
    let (name, last) = (cluster.name_any(), cluster.spec.replicas - 1);
    let is_member = {
        let name = name.clone();
        move |member: &str| (0..=last).any(|at| member == format!("{name}-{at}"))
    };
    let pins = cluster.spec.sharding.iter().flat_map(|sharding| &sharding.pins);
    let unknown = pins.filter_map(|pin| pin.member.as_deref()).filter(move |member| !is_member(member));
    unknown.map(move |member| {
        let message = format!(
            "spec.sharding.pins.member: '{member}' is no member; name one of {name}-0 to {name}-{last}, or leave it out"
        );
        invalid_config("InvalidSettings", message)
    })
}

fn invalid_config(reason: &'static str, message: String) -> Problem {
    Problem { condition: ConditionType::ConfigValid, reason, message }
}

fn assemble(
    cluster: &MaxwellCluster,
    settings: String,
    digest: Option<Uuid>,
    pod_template: Option<PodTemplateSpec>,
    owner: OwnerReference,
    default_image: &str,
) -> Validated {
    let spec = &cluster.spec;
    Validated {
        name: cluster.name_any(),
        namespace: cluster.namespace().unwrap_or_default(),
        owner,
        settings,
        digest,
        image: spec.image.clone().unwrap_or_else(|| default_image.to_owned()),
        image_pull_policy: spec.image_pull_policy.as_str(),
        image_pull_secrets: spec.image_pull_secrets.iter().map(|reference| reference.name.clone()).collect(),
        replicas: match spec.state {
            State::Running | State::Paused => spec.replicas,
            State::Stopped => 0,
        },
        transaction_timeout_seconds: spec.kafka.transaction_timeout_seconds,
        resources: spec.resources.clone(),
        pod_template,
        disruption_budget: spec.pod_disruption_budget.enabled,
        port: spec.monitoring.port,
        mounts: mounts(spec),
    }
}

fn zookeeper_credentials(
    cluster: &MaxwellCluster,
    secrets: &Secrets,
) -> Result<Option<Credentials>, Problem> {
    let namespace = cluster.namespace().unwrap_or_default();
    let reference = cluster.spec.zookeeper.credentials_secret_ref.as_ref();
    reference
        .map(|reference| {
            credentials(secrets, &namespace, &reference.name, "zookeeper.credentialsSecretRef.name")
        })
        .transpose()
}

/// The digest of fixed settings and credentials, salted with the resource's UID. It stands in an annotation that more
/// people may read than the Secrets: a weak password could be guessed from it, but not looked up in a table.
fn digest(cluster: &MaxwellCluster, secrets: &Secrets, document: &str) -> Result<Uuid, Vec<Problem>> {
    let namespace = cluster.namespace().unwrap_or_default();
    let (mut parts, mut problems) = (Vec::new(), Vec::new());
    for mount in mounts(&cluster.spec) {
        match mount.contents(secrets, &namespace) {
            Ok(contents) => parts.extend(contents),
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    parts.push(document.to_owned());
    let mut digested = Vec::new();
    for part in parts {
        digested.extend_from_slice(&part.len().to_be_bytes());
        digested.extend_from_slice(part.as_bytes());
    }
    let salt = cluster.uid().and_then(|uid| uid.parse().ok()).unwrap_or(Uuid::NAMESPACE_OID);
    Ok(Uuid::new_v5(&salt, &digested))
}

#[cfg(test)]
mod tests;
