//! A worker of a group and the records that it gives.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::compare::Record;
use super::decrypt::decrypted;
use super::kafka::Topics;
use super::plan::Group;
use crate::lab::{BROKER, Server};
use crate::worker::{binary, free_port};

/// A running worker; killed when dropped.
pub(super) struct Feed {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// What its records are encrypted with, if they are.
    secret: Option<String>,
    /// Its state and its log.
    folder: TempDir,
}

impl Feed {
    /// Starts a worker at the server's head.
    pub(super) fn start(server: Server, group: &Group<'_>, restart: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let log = std::fs::File::create(folder.path().join("log"))?;
        let mut child = Command::new(binary()?)
            .args(arguments(server, group, &folder, restart)?)
            .current_dir(folder.path())
            .env("MAXWELL_PASSWORD", "maxwell")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let out = child.stdout.take().context("no standard output")?;
        let secret = group.options.iter().find_map(|option| option.strip_prefix("secret_key="));
        Ok(Self { child, lines: BufReader::new(out).lines(), secret: secret.map(str::to_owned), folder })
    }

    /// The next record, within `patience`.
    pub(super) async fn next(
        &mut self,
        topics: Option<&Topics>,
        patience: Duration,
    ) -> anyhow::Result<Record> {
        let next = async {
            match topics {
                None => match self.lines.next_line().await? {
                    Some(value) => Ok(Record { value, ..Record::default() }),
                    None => bail!("the worker ended"),
                },
                Some(topics) => tokio::select! {
                    record = topics.next() => record,
                    _ = self.child.wait() => bail!("the worker ended"),
                },
            }
        };
        let outcome = timeout(patience, next).await.unwrap_or_else(|_| bail!("nothing came in {patience:?}"));
        let mut record: Record = outcome.with_context(|| self.complaint())?;
        if let Some(secret) = &self.secret {
            record.value = decrypted(&record.value, secret).with_context(|| record.value.clone())?;
        }
        Ok(record)
    }

    /// The last that the worker said about what is wrong.
    fn complaint(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let wrong = |line: &&str| ["ERROR", "WARN", "panicked"].iter().any(|word| line.contains(word));
        log.lines().rev().find(wrong).or(log.lines().last()).unwrap_or("it says nothing").to_owned()
    }

    /// Whether the worker has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends the worker.
    pub(super) async fn end(&mut self) -> anyhow::Result<()> {
        if !self.has_ended() {
            self.child.kill().await?;
        }
        Ok(())
    }
}

/// The cluster of a group's worker after so many restarts: each begins without a position.
pub(super) fn cluster(group: &Group<'_>, restart: usize) -> String {
    format!("{}_{restart}", group.name)
}

fn arguments(
    server: Server,
    group: &Group<'_>,
    folder: &TempDir,
    restart: usize,
) -> anyhow::Result<Vec<String>> {
    let mut arguments = vec![
        format!("--host={}", server.address),
        "--user=maxwell".into(),
        format!("--http_port={}", free_port()?),
        format!("--state_file={}", folder.path().join("position").display()),
        format!("--cluster={}", cluster(group, restart)),
        format!("--filter={}", group.filter()),
    ];
    if group.partitions.is_some() {
        arguments.extend(["--producer=kafka".into(), format!("--kafka.bootstrap.servers={BROKER}")]);
        if !group.options.iter().any(|option| option.starts_with("kafka_topic=")) {
            arguments.push(format!("--kafka_topic={}", group.name));
        }
    }
    arguments
        .extend(group.options.iter().map(|option| format!("--{}", option.replace("$topic", &group.name))));
    Ok(arguments)
}
