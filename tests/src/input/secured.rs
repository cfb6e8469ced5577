//! A broker that lets nobody in without TLS, a certificate and a password, each given by file as the operator does.

use std::fs::{create_dir, write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::json;

use super::{PATIENCE, Process, case, check, show};
use crate::lab::{BROKER, SECURED_BROKER, Server, variable};

/// What is changed in settings that let a worker in.
type Change = fn(&mut serde_json::Value);

/// Tries what is wrong, then what is right, by either mechanism; how many cases there were.
pub(super) async fn secured(conn: &mut Conn, server: Server, name: &str) -> anyhow::Result<usize> {
    let directory = tempfile::tempdir()?;
    for (of, password) in [("right", "maxwell"), ("wrong", "no")] {
        let credentials = directory.path().join(of);
        create_dir(&credentials)?;
        write(credentials.join("username"), "maxwell\n")?;
        write(credentials.join("password"), format!("{password}\n"))?;
    }
    let wrong: [(&str, Change, &[&'static str]); 4] = [
        (
            "a wrong password for Kafka",
            |kafka| kafka["sasl"]["credentialsDirectory"] = beside(kafka, "wrong"),
            &["refuses the credentials", "kafka.sasl"],
        ),
        (
            "credentials for Kafka that are not there",
            |kafka| kafka["sasl"]["credentialsDirectory"] = beside(kafka, "absent"),
            &["/absent/username", "kafka.sasl.credentialsDirectory"],
        ),
        (
            "another authority than the broker's",
            |kafka| kafka["tls"]["caFile"] = json!("/etc/ssl/certs/ca-certificates.crt"),
            &["no TLS connection with Kafka", "kafka.tls"],
        ),
        (
            "no certificate for Kafka",
            |kafka| {
                let tls = kafka["tls"].as_object_mut().expect("an object");
                tls.retain(|field, _| field != "certificateFile" && field != "keyFile");
            },
            &["no TLS connection with Kafka", "kafka.tls"],
        ),
    ];
    let count = wrong.len() + 2;
    for (what, change, words) in wrong {
        show(what);
        let mut kafka = kafka(directory.path(), name, "ScramSha512")?;
        change(&mut kafka);
        let settings = settings(directory.path(), server, name, &kafka)?;
        check(&case(what, &settings, words, false)).context(what)?;
    }
    for mechanism in ["ScramSha512", "Plain"] {
        show(mechanism);
        let kafka = kafka(directory.path(), name, mechanism)?;
        let settings = settings(directory.path(), server, name, &kafka)?;
        streams(conn, name, mechanism, &settings).await.context(mechanism)?;
    }
    Ok(count)
}

/// A folder beside the one with the right credentials.
fn beside(kafka: &serde_json::Value, of: &str) -> serde_json::Value {
    let right = kafka["sasl"]["credentialsDirectory"].as_str().unwrap_or_default();
    json!(Path::new(right).with_file_name(of))
}

fn kafka(directory: &Path, name: &str, mechanism: &str) -> anyhow::Result<serde_json::Value> {
    let pki = variable("KAFKA_PKI")?;
    Ok(json!({
        "brokers": [SECURED_BROKER],
        "topic": name,
        "positionTopic": format!("{name}.{mechanism}"),
        "tls": {
            "enabled": true,
            "caFile": format!("{pki}/ca.crt"),
            "certificateFile": format!("{pki}/client.crt"),
            "keyFile": format!("{pki}/client.key"),
        },
        "sasl": {"mechanism": mechanism, "credentialsDirectory": directory.join("right")},
    }))
}

/// The options of a worker with these settings, which are JSON and so YAML too.
fn settings(
    directory: &Path,
    server: Server,
    name: &str,
    kafka: &serde_json::Value,
) -> anyhow::Result<Vec<String>> {
    let path = directory.join("settings.yaml");
    let mysql = json!({"host": server.address, "user": "maxwell"});
    let filter = format!("exclude: *.*, include: {name}.*");
    write(&path, json!({"cluster": name, "mysql": mysql, "kafka": kafka, "filter": filter}).to_string())?;
    Ok(vec![format!("--settings={}", path.display()), "--password=maxwell".into()])
}

async fn streams(conn: &mut Conn, name: &str, mechanism: &str, settings: &[String]) -> anyhow::Result<()> {
    let worker = Process::start(settings)?;
    worker.until(&["streaming"])?;
    conn.query_drop(format!("CREATE TABLE {name}.of_{mechanism} (id INT PRIMARY KEY)")).await?;
    conn.query_drop(format!("INSERT INTO {name}.of_{mechanism} VALUES (7)")).await?;
    let (topic, word) = (name.to_owned(), format!("of_{mechanism}"));
    tokio::task::spawn_blocking(move || arrives(&topic, &word)).await??;
    anyhow::ensure!(!worker.said()?.contains("password=maxwell"), "the password is in the log");
    Ok(())
}

/// Waits for a record with `word` in it, on the listener that asks for nothing.
fn arrives(topic: &str, word: &str) -> anyhow::Result<()> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", BROKER)
        .set("group.id", "maxwell-tests")
        .set("enable.auto.commit", "false")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let partitions = metadata.topics().first().context("no metadata")?.partitions();
    let mut assignment = TopicPartitionList::new();
    for partition in partitions {
        assignment.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        if String::from_utf8_lossy(message?.payload().unwrap_or_default()).contains(word) {
            return Ok(());
        }
    }
    anyhow::bail!("no record of {word} on {topic}")
}
