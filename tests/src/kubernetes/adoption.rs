//! A cluster that was deleted; another of its name that is let in by Kafka with TLS, a certificate and a password, goes on
//! from the positions when it is told whose, and takes them along when it goes. The history check spans both.

use std::fs::read_to_string;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use super::kubectl::{apply, get, patch, status, until};
use super::{PATIENCE, report, setup};
use crate::consumer::{self, Isolation, Running};
use crate::history::check;
use crate::lab::{SECURED_BROKER, Server, unique, variable};
use crate::topic;
use crate::writer::Writer;

const NAME: &str = "heir";
/// Transactions, each of up to so many rows.
const TRANSACTIONS: usize = 20;

/// One cluster after the other on one topic.
pub(super) async fn adoption(namespace: &str, server: Server) -> anyhow::Result<()> {
    let topic = unique(server.name);
    let mut writer = Writer::new(server, &topic, 1).await?;
    apply(&setup::manifest(namespace, NAME, server, &topic, &json!({})))?;
    setup::until_condition(namespace, NAME, ("Ready", true, ""), PATIENCE).await?;
    let id = status(namespace, NAME)?["clusterId"].take();
    write(&mut writer).await?;
    let consumer = consumer::start(&topic, Isolation::Committed)?;
    arrive(&consumer, &writer).await?;
    setup::delete(namespace, NAME)?;
    anyhow::ensure!(topic::exists(&positions(&topic)).await?, "the positions are gone, and were to be kept");
    write(&mut writer).await?;
    secrets(namespace)?;
    apply(&setup::manifest(namespace, NAME, server, &topic, &secured()))?;
    setup::until_condition(namespace, NAME, ("SinkReachable", false, "kafka.sasl"), PATIENCE).await?;
    password(namespace, "maxwell")?;
    let said = setup::until_condition(namespace, NAME, ("Ready", false, "clusterId: "), PATIENCE).await?;
    anyhow::ensure!(id.as_str().is_some_and(|id| said.contains(id)), "{id} is not named in: {said}");
    patch(namespace, NAME, &json!({"clusterId": id}))?;
    setup::until_condition(namespace, NAME, ("Ready", true, ""), PATIENCE).await?;
    anyhow::ensure!(status(namespace, NAME)?["clusterId"] == id, "it has another identity");
    write(&mut writer).await?;
    stop_and_go_on(namespace, &mut writer).await?;
    arrive(&consumer, &writer).await?;
    let seen = tokio::task::spawn_blocking(move || consumer.finish()).await??;
    let verdict = check(&writer.expected, &seen.messages);
    report(&json!({
        "changes": writer.expected.rows, "lost": verdict.lost, "repeated": verdict.repeated,
        "out_of_order": verdict.out_of_order, "torn": verdict.torn,
    }));
    anyhow::ensure!(verdict.is_clean(), "the history is not clean: {:?}", verdict.examples);
    goes(namespace, &topic).await
}

/// Its deletion takes the positions along, and nothing that consumers read.
async fn goes(namespace: &str, topic: &str) -> anyhow::Result<()> {
    setup::delete(namespace, NAME)?;
    anyhow::ensure!(!topic::exists(&positions(topic)).await?, "the position topic is still there");
    anyhow::ensure!(topic::exists(topic).await?, "the changes are gone");
    until("the Job is gone", PATIENCE, || {
        Ok(get(namespace, "job", &format!("{NAME}-forget"))?.is_null().then_some(()))
    })
    .await?;
    topic::delete(&[topic]).await
}

/// No pods while it is stopped, and nothing is missing behind that.
async fn stop_and_go_on(namespace: &str, writer: &mut Writer) -> anyhow::Result<()> {
    patch(namespace, NAME, &json!({"state": "Stopped"}))?;
    until("the phase Stopped", PATIENCE, || {
        let status = status(namespace, NAME)?;
        Ok((status["phase"] == "Stopped" && status["replicas"] == 0).then_some(()))
    })
    .await?;
    write(writer).await?;
    patch(namespace, NAME, &json!({"state": "Running"}))?;
    setup::until_condition(namespace, NAME, ("Ready", true, ""), PATIENCE).await.map(drop)
}

fn positions(topic: &str) -> String {
    format!("{topic}.positions")
}

async fn write(writer: &mut Writer) -> anyhow::Result<()> {
    for rows in 1..=TRANSACTIONS {
        writer.transaction(rows).await?;
    }
    Ok(())
}

/// Waits until as many changes have come as were written.
async fn arrive(consumer: &Running, writer: &Writer) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while consumer.count() < writer.expected.rows {
        anyhow::ensure!(Instant::now() < deadline, "{} of {}", consumer.count(), writer.expected.rows);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// What is added to a spec so that it is let in, and that its positions go with it.
fn secured() -> Value {
    json!({
        "deletionPolicy": "Delete",
        "kafka": {
            "brokers": [SECURED_BROKER],
            "tls": {
                "enabled": true,
                "caSecretRef": {"name": "kafka-ca"},
                "clientCertificateSecretRef": {"name": "kafka-client"},
            },
            "sasl": {"mechanism": "ScramSha512", "credentialsSecretRef": {"name": "kafka-user"}},
        },
    })
}

/// Makes the Secrets that the broker's listener asks for, with a password that is wrong.
fn secrets(namespace: &str) -> anyhow::Result<()> {
    let pki = variable("KAFKA_PKI")?;
    let file = |name: &str| read_to_string(format!("{pki}/{name}")).with_context(|| format!("{pki}/{name}"));
    setup::make_secret(namespace, "kafka-ca", &json!({"ca.crt": file("ca.crt")?}))?;
    let pair = json!({"tls.crt": file("client.crt")?, "tls.key": file("client.key")?});
    setup::make_secret(namespace, "kafka-client", &pair)?;
    password(namespace, "not-the-password")
}

fn password(namespace: &str, password: &str) -> anyhow::Result<()> {
    setup::make_secret(namespace, "kafka-user", &json!({"username": "maxwell", "password": password}))
}
