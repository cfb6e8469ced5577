//! A broker that lets nobody in without TLS, a certificate and a password, each given by file as the operator does.

use std::fs::{create_dir, write};
use std::path::Path;

use anyhow::Context;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rdkafka::Message;
use serde_json::json;

use super::{Process, case, check, show};
use crate::consumer;
use crate::lab::{SECURED_BROKER, Server, variable};

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
    let arrives = move || {
        consumer::until(&topic, |message| {
            Ok(String::from_utf8_lossy(message.payload().unwrap_or_default()).contains(&word))
        })
    };
    tokio::task::spawn_blocking(arrives).await??;
    anyhow::ensure!(!worker.said()?.contains("password=maxwell"), "the password is in the log");
    Ok(())
}
