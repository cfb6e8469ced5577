//! Worker processes of the tests.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::clock::Clock;
use crate::lab::{Host, SCRIPT, Server, ZOOKEEPER, brokers};

/// How a worker is started.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name in logs.
    pub name: String,
    /// Options.
    pub arguments: Vec<String>,
    /// Its HTTP port.
    pub port: u16,
    /// The test host that it runs on; this machine itself without one.
    pub host: Option<Host>,
    /// The wall clock that it goes by on such a host; the system's without one.
    pub clock: Option<Clock>,
}

impl Spec {
    /// A worker that streams `server` to `topic`; `cluster` names its positions.
    pub fn kafka(server: Server, cluster: &str, topic: &str, name: &str, port: u16) -> Self {
        let arguments = [
            "--producer=kafka".to_owned(),
            format!("--kafka.bootstrap.servers={}", brokers()),
            format!("--kafka_topic={topic}"),
            "--producer_partition_by=primary_key".to_owned(),
            format!("--cluster={cluster}"),
            format!("--host={}", server.address),
            "--user=maxwell".to_owned(),
            format!("--http_port={port}"),
            format!("--member_id={name}"),
        ];
        Self { name: name.into(), arguments: arguments.to_vec(), port, host: None, clock: None }
    }

    /// As a member of the cluster whose tree is at `/tests/<tree>`.
    pub(crate) fn together(mut self, tree: &str) -> anyhow::Result<Self> {
        self.arguments.extend([
            "--ha".to_owned(),
            format!("--zookeeper_hosts={ZOOKEEPER}"),
            format!("--zookeeper_root=/tests/{tree}"),
            format!("--probe_port={}", free_port()?),
            "--advertise_host=127.0.0.1".to_owned(),
        ]);
        Ok(self)
    }

    /// Where it is reached.
    pub fn address(&self) -> &'static str {
        self.host.map_or("127.0.0.1", |host| host.address)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}:{}/{path}", self.address(), self.port)
    }

    fn command(&self) -> anyhow::Result<Command> {
        let Some(host) = self.host else { return Ok(Command::new(binary()?)) };
        let mut command = Command::new(SCRIPT);
        // Replaces itself with the worker: the process stays the same.
        command.args(["run", host.name]);
        if let Some(clock) = &self.clock {
            command.arg("env").args(clock.environment());
        }
        command.arg(binary()?);
        Ok(command)
    }
}

/// A running worker; killed when dropped.
pub struct Worker {
    child: Child,
    /// What it was started with.
    pub spec: Spec,
}

/// The binary: `MAXWELL_BIN`, which the Makefile sets.
pub(crate) fn binary() -> anyhow::Result<PathBuf> {
    std::env::var_os("MAXWELL_BIN").map(PathBuf::from).context("MAXWELL_BIN names the maxwell binary to test")
}

/// A port that nobody listens on at the moment.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// One for all questions: making a client costs more than asking.
fn client() -> &'static reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build();
        client.expect("a client without files or certificates of its own can be made")
    })
}

impl Worker {
    /// Starts one. Its log goes to a file in the folder for temporary files.
    pub fn start(spec: &Spec) -> anyhow::Result<Self> {
        let log = std::env::temp_dir().join(format!("maxwell-tests-{}.log", spec.name));
        let log = std::fs::File::options().create(true).append(true).open(log)?;
        let child = spec
            .command()?
            .args(&spec.arguments)
            .env("MAXWELL_PASSWORD", "maxwell")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        Ok(Self { child, spec: spec.clone() })
    }

    /// Sends a signal by its name, for example `KILL`.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status()?;
        anyhow::ensure!(sent.success(), "{} is gone already", self.spec.name);
        Ok(())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> anyhow::Result<()> {
        self.child.wait()?;
        Ok(())
    }

    /// Waits until it has ended by itself.
    pub async fn ends(&mut self, within: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        while !self.has_ended() {
            anyhow::ensure!(Instant::now() < deadline, "{} does not end within {within:?}", self.spec.name);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Arms a failpoint: the process ends `after` milliseconds after it next comes by it.
    pub async fn arm(&self, name: &str, after: u64) -> anyhow::Result<()> {
        let url = self.spec.url(&format!("failpoint?name={name}&after={after}"));
        let answer = client().put(url).send().await?;
        anyhow::ensure!(
            answer.status().is_success(),
            "the worker has no failpoints ({}): build it with --features maxwell-worker/failpoints",
            answer.status()
        );
        Ok(())
    }

    /// Takes that back; a worker that is gone needs no disarming.
    pub async fn disarm(&self, name: &str) -> anyhow::Result<()> {
        let url = self.spec.url(&format!("failpoint?name={name}"));
        match client().delete(url).send().await {
            Err(error) if !error.is_connect() && !error.is_request() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Replaces its filter; it must have been started with `--http_config=true`.
    pub async fn set_filter(&self, filter: &str) -> anyhow::Result<()> {
        let url = format!("http://127.0.0.1:{}/config", self.spec.port);
        let body = serde_json::json!({ "filter": filter }).to_string();
        let answer = client().put(url).body(body).send().await?;
        anyhow::ensure!(answer.status().is_success(), "the filter is refused: {}", answer.text().await?);
        Ok(())
    }

    /// A metric's value; `None` while the worker does not answer.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let asked = client().get(self.spec.url("metrics")).timeout(Duration::from_secs(1));
        let answer = asked.send().await.ok()?;
        let text = answer.text().await.ok()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// Waits until `/readyz` says so.
    pub async fn ready(&self, patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            let answer = client().get(self.spec.url("readyz")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "{} is not ready after {patience:?}", self.spec.name);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Already ended is fine; a worker must not outlive the test.
        if self.child.kill().is_ok() {
            let _status = self.child.wait();
        }
    }
}
