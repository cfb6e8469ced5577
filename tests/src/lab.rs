//! The lab's servers, as `tests/lab/lab up` starts them.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use mysql_async::{Conn, OptsBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A database server of the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// Its name in the lab.
    pub name: &'static str,
    /// Its address.
    pub address: &'static str,
}

/// The four that are supported.
pub const SERVERS: [Server; 4] = [
    Server { name: "mysql57", address: "10.244.0.3" },
    Server { name: "mysql80", address: "10.244.0.2" },
    Server { name: "mysql97", address: "10.244.0.4" },
    Server { name: "mariadb", address: "10.244.0.5" },
];

/// The servers that a check is asked for; all without any.
#[derive(Debug, clap::Args)]
pub struct Servers {
    /// The lab's names of the servers to take.
    #[arg(long, value_delimiter = ',', default_value = "mysql57,mysql80,mysql97,mariadb")]
    servers: Vec<String>,
}

impl Servers {
    /// Fails on a name that the lab does not know.
    pub fn named(&self) -> anyhow::Result<Vec<Server>> {
        named(&self.servers)
    }
}

/// Those among them that have these names.
pub(crate) fn named(names: &[String]) -> anyhow::Result<Vec<Server>> {
    names
        .iter()
        .map(|name| {
            let found = SERVERS.into_iter().find(|server| server.name == *name);
            found.with_context(|| format!("there is no server '{name}' in the lab"))
        })
        .collect()
}

/// A replica of `mysql80`.
pub const REPLICA: Server = Server { name: "replica", address: "10.244.0.6" };

/// The lab's broker, or the first of three.
pub const BROKER: &str = "10.244.0.21:9092";
/// The same broker's listener with TLS and passwords.
pub const SECURED_BROKER: &str = "10.244.0.21:9094";
/// The names of the ensemble's hosts.
pub const ENSEMBLE: [&str; 3] = ["zk1", "zk2", "zk3"];

/// A host that workers run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// Its name in the lab.
    pub name: &'static str,
    /// Its address.
    pub address: &'static str,
}

/// The hosts for workers.
pub const HOSTS: [Host; 4] = [
    Host { name: "worker1", address: "10.244.0.31" },
    Host { name: "worker2", address: "10.244.0.32" },
    Host { name: "worker3", address: "10.244.0.33" },
    Host { name: "worker4", address: "10.244.0.34" },
];

/// How many brokers the lab has: what `LAB_KAFKA_BROKERS` told it.
pub fn broker_count() -> usize {
    std::env::var("LAB_KAFKA_BROKERS").ok().and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// The names of the brokers' hosts.
pub fn broker_names() -> Vec<String> {
    (1..=broker_count()).map(|number| format!("kafka{number}")).collect()
}

/// The addresses of all brokers.
pub fn brokers() -> String {
    let addresses: Vec<String> =
        (1..=broker_count()).map(|number| format!("10.244.0.2{number}:9092")).collect();
    addresses.join(",")
}
/// The lab's ensemble.
pub const ZOOKEEPER: &str = "10.244.0.11:2181,10.244.0.12:2181,10.244.0.13:2181";

/// A session of the administrator.
pub async fn admin(server: Server) -> anyhow::Result<Conn> {
    let options = OptsBuilder::default()
        .ip_or_hostname(server.address)
        .tcp_port(3306)
        .user(Some("root"))
        .prefer_socket(false);
    Ok(Conn::new(options).await?)
}

/// Kills every ZooKeeper server and starts it again, one after the other, so that a quorum is always there.
pub async fn restart_zookeeper() -> anyhow::Result<()> {
    for host in ENSEMBLE {
        lab(&["kill", host]).await?;
        lab(&["up", "zookeeper"]).await?;
        until_quorum().await?;
    }
    Ok(())
}

/// Waits until every ZooKeeper server is part of the quorum.
pub async fn until_quorum() -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    for address in ZOOKEEPER.split(',') {
        while !serves(address).await {
            anyhow::ensure!(
                Instant::now() < deadline,
                "the ZooKeeper server at {address} does not come back"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

/// The script that runs the lab.
pub const SCRIPT: &str = "tests/lab/lab";

/// Does something to the lab: see `lab help`.
pub async fn lab(arguments: &[&str]) -> anyhow::Result<()> {
    let ended = tokio::process::Command::new(SCRIPT).args(arguments).stderr(Stdio::null()).status().await?;
    anyhow::ensure!(ended.success(), "{SCRIPT} {}: {ended}", arguments.join(" "));
    Ok(())
}

/// What the lab says of itself under `name`.
pub fn variable(name: &str) -> anyhow::Result<String> {
    let output = std::process::Command::new(SCRIPT).arg("env").output()?;
    let text = String::from_utf8(output.stdout)?;
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    found.map(str::to_owned).with_context(|| format!("the lab has no {name}"))
}

/// Whether the server is part of the quorum.
async fn serves(address: &str) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"srvr").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    matches!(tokio::time::timeout(Duration::from_secs(1), asked).await, Ok(Ok(answer)) if answer.contains("Mode:"))
}

/// A name that no run before has used.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}_{}", &uuid::Uuid::new_v4().simple().to_string()[..10])
}
