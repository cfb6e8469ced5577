//! What the end-to-end test installs, and how it is taken away again.

use std::time::Duration;

use super::kubectl::{apply, command, condition, get, kubectl, until};
use crate::lab::{BROKER, Server, ZOOKEEPER};

/// Where the operator runs.
const OPERATOR: &str = "maxwell-system";

/// Installs the operator by its chart, with the images that the Makefile has built.
pub(super) fn install_operator() -> anyhow::Result<()> {
    command(
        "helm",
        &[
            "upgrade",
            "--install",
            "maxwell-operator",
            "charts/maxwell-operator",
            "--namespace",
            OPERATOR,
            "--create-namespace",
            "--wait",
            "--timeout=3m",
            "--set=image.repository=localhost/maxwell-operator,image.tag=dev",
            "--set=workerImage.repository=localhost/maxwell,workerImage.tag=dev",
        ],
        None,
    )
    .map(drop)
}

/// Takes it away.
pub(super) fn uninstall_operator() -> anyhow::Result<()> {
    command("helm", &["uninstall", "maxwell-operator", "--namespace", OPERATOR, "--wait"], None).map(drop)
}

/// A namespace that takes restricted pods only, with the credentials of the lab's worker account.
pub(super) fn make_namespace(namespace: &str) -> anyhow::Result<()> {
    apply(&format!(
        "apiVersion: v1\nkind: Namespace\n\
         metadata: {{name: {namespace}, labels: {{pod-security.kubernetes.io/enforce: restricted}}}}\n\
         ---\napiVersion: v1\nkind: Secret\nmetadata: {{name: mysql, namespace: {namespace}}}\n\
         stringData: {{username: maxwell, password: maxwell}}\n\
         ---\napiVersion: v1\nkind: Secret\nmetadata: {{name: wrong, namespace: {namespace}}}\n\
         stringData: {{username: maxwell, password: not-the-password}}\n"
    ))
    .map(drop)
}

/// A MaxwellCluster that streams the database `topic` to that topic. `more` is added to its spec, indented by two.
pub(super) fn manifest(
    namespace: &str,
    name: &str,
    server: Server,
    topic: &str,
    secret: &str,
    more: &str,
) -> String {
    let hosts = ZOOKEEPER.replace(',', "\", \"");
    format!(
        "apiVersion: maxwell-cdc.io/v1alpha1\nkind: MaxwellCluster\n\
         metadata: {{name: {name}, namespace: {namespace}}}\nspec:\n\
         \x20 mysql: {{host: {}, credentialsSecretRef: {{name: {secret}}}}}\n\
         \x20 kafka: {{brokers: [\"{BROKER}\"], topic: {topic}, positionTopic: {topic}.positions, partitionBy: PrimaryKey}}\n\
         \x20 zookeeper: {{hosts: [\"{hosts}\"], root: /tests/{topic}}}\n\
         \x20 filter: \"exclude: *.*, include: {topic}.*\"\n{more}",
        server.address
    )
}

/// Waits until a condition holds, or not, with a message that contains `words`.
pub(super) async fn until_condition(
    namespace: &str,
    name: &str,
    (kind, wanted, words): (&str, bool, &str),
    patience: Duration,
) -> anyhow::Result<()> {
    let mut last = None;
    let what = format!("{name}: {kind}={wanted} '{words}'");
    let found = until(&what, patience, || {
        last = condition(&get(namespace, "maxwellcluster", name)?, kind);
        Ok(last.as_ref().filter(|(holds, message)| *holds == wanted && message.contains(words)).map(drop))
    })
    .await;
    found.map_err(|error| error.context(format!("the condition was {last:?}")))
}

/// Deletes a MaxwellCluster and waits until it is gone.
pub(super) fn delete(namespace: &str, name: &str) -> anyhow::Result<()> {
    kubectl(&["-n", namespace, "delete", "maxwellcluster", name, "--wait", "--timeout=120s"]).map(drop)
}
