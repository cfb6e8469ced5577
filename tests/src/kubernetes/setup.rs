//! What the end-to-end test installs, and how it is taken away again.

use std::time::Duration;

use serde_json::{Value, json};

use super::kubectl::{apply, command, condition, get, kubectl, status, until};
use crate::lab::{BROKER, Server, ZOOKEEPER};

/// Where the operator runs.
pub(super) const OPERATOR: &str = "maxwell-system";

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

/// A namespace that takes restricted pods only, with the credentials of the lab's worker account, and wrong ones.
pub(super) fn make_namespace(namespace: &str) -> anyhow::Result<()> {
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    apply(&json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels},
    }))?;
    make_secret(namespace, "mysql", &json!({"username": "maxwell", "password": "maxwell"}))?;
    make_secret(namespace, "wrong", &json!({"username": "maxwell", "password": "not-the-password"}))
}

/// Makes a Secret, or changes it.
pub(super) fn make_secret(namespace: &str, name: &str, data: &Value) -> anyhow::Result<()> {
    apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace},
        "stringData": data,
    }))
    .map(drop)
}

/// A MaxwellCluster that streams the database `topic` to that topic, with `more` merged over its spec.
pub(super) fn manifest(namespace: &str, name: &str, server: Server, topic: &str, more: &Value) -> Value {
    let hosts: Vec<&str> = ZOOKEEPER.split(',').collect();
    let mut cluster = json!({
        "apiVersion": "maxwell-cdc.io/v1alpha1",
        "kind": "MaxwellCluster",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "mysql": {"host": server.address, "credentialsSecretRef": {"name": "mysql"}},
            "kafka": {
                "brokers": [BROKER],
                "topic": topic,
                "positionTopic": format!("{topic}.positions"),
                "partitionBy": "PrimaryKey",
            },
            "zookeeper": {"hosts": hosts, "root": root(topic)},
            "filter": format!("exclude: *.*, include: {topic}.*"),
        },
    });
    merge(&mut cluster["spec"], more);
    cluster
}

/// Where the cluster that streams to `topic` has its tree.
pub(super) fn root(topic: &str) -> String {
    format!("/tests/{topic}")
}

fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (field, value) in more {
                merge(into.entry(field).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}

/// Waits until a condition holds, or not, with a message that contains `words`; that message.
pub(super) async fn until_condition(
    namespace: &str,
    name: &str,
    (kind, wanted, words): (&str, bool, &str),
    patience: Duration,
) -> anyhow::Result<String> {
    let mut last = None;
    let what = format!("{name}: {kind}={wanted} '{words}'");
    let found = until(&what, patience, || {
        last = condition(&status(namespace, name)?, kind);
        Ok(last.clone().filter(|(holds, message)| *holds == wanted && message.contains(words)))
    })
    .await;
    found.map(|(_, message)| message).map_err(|error| error.context(format!("the condition was {last:?}")))
}

/// The leader, once so many pods are ready, as many members there, and every one of so many shards has its owner.
pub(super) fn all_ready(
    namespace: &str,
    name: &str,
    (replicas, shards): (u32, u32),
) -> anyhow::Result<Option<String>> {
    let status = status(namespace, name)?;
    let pods = get(namespace, "statefulset", name)?["status"]["readyReplicas"].take();
    let members = status["members"].as_array().map_or(&[][..], Vec::as_slice);
    let running = members.iter().filter(|member| member["state"] == "Running").count();
    let ready = status["ready"] == format!("{replicas}/{replicas}")
        && status["owned"] == format!("{shards}/{shards}")
        && pods == replicas
        && running == replicas as usize;
    Ok(status["leader"].as_str().filter(|leader| ready && !leader.is_empty()).map(ToOwned::to_owned))
}

/// Deletes a MaxwellCluster and waits until it is gone.
pub(super) fn delete(namespace: &str, name: &str) -> anyhow::Result<()> {
    kubectl(&["-n", namespace, "delete", "maxwellcluster", name, "--wait", "--timeout=120s"]).map(drop)
}
