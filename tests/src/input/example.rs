//! A file of the shape that Maxwell's package has streams, with nothing changed in it but where things are.

use anyhow::Context;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rdkafka::Message as _;

use super::Process;
use crate::consumer::until;
use crate::lab::{BROKER, Server};
use crate::topic;

const FILE: &str = include_str!("../../../worker/tests/fixtures/config.properties");

/// Starts a worker with the file and looks at its first record of the table `t` of the database `name`.
pub(super) async fn streams(conn: &mut Conn, server: Server, name: &str) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("config.properties");
    std::fs::write(&path, filled(server, name)?)?;
    topic::make(name, 1, "delete").await?;
    let process = Process::start(&[format!("--config={}", path.display())])?;
    process.until(&["streaming"])?;
    // The filter drops this one.
    conn.query_drop(format!("CREATE DATABASE {name}_other")).await?;
    conn.query_drop(format!("CREATE TABLE {name}_other.t (id INT PRIMARY KEY)")).await?;
    conn.query_drop(format!("INSERT INTO {name}_other.t VALUES (10)")).await?;
    conn.query_drop(format!("INSERT INTO {name}.t VALUES (11)")).await?;
    let topic = name.to_owned();
    let first = tokio::task::spawn_blocking(move || first(&topic)).await??;
    let expected = format!(r#"{{"database":"{name}","table":"t","type":"insert","ts":"#);
    anyhow::ensure!(
        first.starts_with(&expected)
            && first.contains(r#","position":""#)
            && first.ends_with(r#""data":{"id":11}}"#),
        "the first record is {first}, see {}",
        process.said()?
    );
    drop(process);
    topic::delete(&[name, &format!("{name}.positions")]).await
}

/// With the lab's addresses and names.
fn filled(server: Server, name: &str) -> anyhow::Result<String> {
    let mut text = FILE.to_owned();
    for (was, is) in [
        ("host=localhost", format!("host={}", server.address)),
        ("kafka.bootstrap.servers=localhost:9092", format!("kafka.bootstrap.servers={BROKER}")),
        ("kafka_topic=maxwell", format!("kafka_topic={name}")),
        ("client_id=maxwell_1", format!("client_id={name}")),
        ("include: foo.*", format!("include: {name}.*")),
    ] {
        anyhow::ensure!(text.contains(was), "the example file has no {was}");
        text = text.replace(was, &is);
    }
    Ok(text)
}

fn first(topic: &str) -> anyhow::Result<String> {
    let mut first = String::new();
    until(topic, 1, |message| {
        let text = message.payload().context("a message without a value")?;
        first = String::from_utf8_lossy(text).into_owned();
        Ok(true)
    })?;
    Ok(first)
}
