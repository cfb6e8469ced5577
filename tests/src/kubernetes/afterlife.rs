//! What is left of a deleted MaxwellCluster: another one of its name goes on from that when it is told to, and takes it
//! along when it goes. Over the broker that insists on TLS, certificates and passwords.

use std::fs::read_to_string;

use anyhow::Context;
use mysql_async::prelude::Queryable;
use serde_json::json;

use super::kubectl::{apply, get, kubectl, until};
use super::{NAME, PATIENCE, setup};
use crate::lab::{SECURED_BROKER, Server, admin, variable};
use crate::topic;

/// `topic` is the one that was streamed to, and the database.
pub(super) async fn afterlife(namespace: &str, server: Server, topic: &str) -> anyhow::Result<()> {
    secrets(namespace)?;
    let more = format!(
        "  deletionPolicy: Delete\n  kafka:\n    brokers: [\"{SECURED_BROKER}\"]\n    topic: {topic}\n    \
         positionTopic: {topic}.positions\n    partitionBy: PrimaryKey\n    tls: {{enabled: true, \
         caSecretRef: {{name: kafka-ca}}, clientCertificateSecretRef: {{name: kafka-client}}}}\n    \
         sasl: {{mechanism: ScramSha512, credentialsSecretRef: {{name: kafka-user}}}}\n"
    );
    let manifest = setup::manifest(namespace, NAME, server, topic, "mysql", &more);
    // One `kafka` is enough.
    let manifest: String = manifest
        .lines()
        .filter(|line| !line.starts_with("  kafka: {"))
        .map(|line| format!("{line}\n"))
        .collect();
    apply(&manifest)?;
    let refused = ("Ready", false, "clusterId: ");
    setup::until_condition(namespace, NAME, refused, PATIENCE).await?;
    let id = adopted(namespace)?;
    let patch = json!({"spec": {"clusterId": id}}).to_string();
    kubectl(&["-n", namespace, "patch", "maxwellcluster", NAME, "--type=merge", "-p", &patch])?;
    setup::until_condition(namespace, NAME, ("Ready", true, ""), PATIENCE).await?;
    anyhow::ensure!(get(namespace, "maxwellcluster", NAME)?["status"]["clusterId"] == id.as_str());
    goes_on(namespace, server, topic).await?;
    setup::delete(namespace, NAME)?;
    let left = topic::exists(&format!("{topic}.positions")).await?;
    anyhow::ensure!(!left, "the position topic is still there");
    anyhow::ensure!(topic::exists(topic).await?, "the changes are gone");
    Ok(())
}

/// Makes the Secrets that the broker's listener asks for.
fn secrets(namespace: &str) -> anyhow::Result<()> {
    let pki = variable("KAFKA_PKI")?;
    let file = |name: &str| read_to_string(format!("{pki}/{name}")).with_context(|| format!("{pki}/{name}"));
    let secrets = [
        ("kafka-ca", json!({"ca.crt": file("ca.crt")?})),
        ("kafka-client", json!({"tls.crt": file("client.crt")?, "tls.key": file("client.key")?})),
        ("kafka-user", json!({"username": "maxwell", "password": "maxwell"})),
    ];
    for (name, data) in secrets {
        let metadata = json!({"name": name, "namespace": namespace});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data});
        apply(&secret.to_string())?;
    }
    Ok(())
}

/// The identity that the condition names.
fn adopted(namespace: &str) -> anyhow::Result<String> {
    let cluster = get(namespace, "maxwellcluster", NAME)?;
    let (_, message) = super::kubectl::condition(&cluster, "Ready").context("no condition")?;
    let (_, rest) = message.split_once("clusterId: ").context("no identity")?;
    Ok(rest.split(' ').next().unwrap_or_default().to_owned())
}

/// A pause is shown, and ends; the position moves on behind it.
async fn goes_on(namespace: &str, server: Server, topic: &str) -> anyhow::Result<()> {
    let state = |state: &str| {
        let patch = json!({"spec": {"state": state}}).to_string();
        kubectl(&["-n", namespace, "patch", "maxwellcluster", NAME, "--type=merge", "-p", &patch])
    };
    let sequence =
        || anyhow::Ok(get(namespace, "maxwellcluster", NAME)?["status"]["shards"][0]["position"].take());
    state("Paused")?;
    setup::until_condition(namespace, NAME, ("Paused", true, ""), PATIENCE).await?;
    anyhow::ensure!(get(namespace, "maxwellcluster", NAME)?["status"]["phase"] == "Paused");
    let before = sequence()?;
    let mut conn = admin(server).await?;
    conn.query_drop(format!("CREATE TABLE {topic}.later (id INT PRIMARY KEY)")).await?;
    conn.query_drop(format!("INSERT INTO {topic}.later VALUES (1)")).await?;
    state("Running")?;
    setup::until_condition(namespace, NAME, ("Ready", true, ""), PATIENCE).await?;
    until("the position moves on", PATIENCE, || Ok((sequence()? != before).then_some(()))).await
}
