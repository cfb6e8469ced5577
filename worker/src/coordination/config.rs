//! What the coordinator is told at its start.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use maxwell_protocol::id::{ClusterId, MemberId};
use maxwell_protocol::layout::Layout;
use maxwell_protocol::member::Connection;
use maxwell_protocol::settings::{Delivery, Failover, Settings, ZooKeeper};

use super::assign::Policy;
use super::error::CoordinationError;
use crate::credentials::{Unreadable, read};

/// Where peers hold a connection to notice this process's end at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The host or IP under which peers reach this process; the port is the one that it listens on.
    pub advertise: String,
}

/// What the coordinator runs with.
#[derive(Debug, Clone)]
pub struct CoordinatorConfig {
    /// This member.
    pub member: MemberId,
    /// `host:port` of its HTTP endpoint, as others reach it.
    pub address: String,
    /// Its election priority, higher first.
    pub priority: i32,
    /// The cluster's identity, if it shall be a certain one.
    pub identity: Option<ClusterId>,
    /// Where the members meet.
    pub zookeeper: ZooKeeper,
    /// Intervals and limits.
    pub failover: Failover,
    /// What decides which member a shard belongs to.
    pub policy: Policy,
    /// The layout that a cluster without one is given.
    pub layout: Layout,
    /// Nothing fences the rows of `delivery: AtLeastOnce`: its owners stop before their session can end, and peers do
    /// not take over early.
    pub delivery: Delivery,
    /// The listener for peers.
    pub probe: ProbeConfig,
}

impl CoordinatorConfig {
    /// The configuration that `settings` give `member`; `None` when they name no ZooKeeper.
    pub fn from_settings(
        settings: &Settings,
        member: MemberId,
        address: String,
        probe: ProbeConfig,
    ) -> Option<Self> {
        Some(Self {
            priority: settings.failover.priorities.get(member.as_str()).copied().unwrap_or(0),
            member,
            address,
            identity: settings.cluster_id,
            zookeeper: settings.zookeeper.clone()?,
            failover: settings.failover.clone(),
            policy: Policy::from(settings),
            layout: Layout::wanted(settings),
            delivery: settings.kafka.as_ref().map(|kafka| kafka.delivery).unwrap_or_default(),
            probe,
        })
    }

    /// Refuses a name that cannot be a node's.
    pub(super) fn check(&self) -> Result<(), CoordinationError> {
        let name = self.member.as_str();
        if name.is_empty() || name == "." || name == ".." || name.contains('/') {
            return Err(CoordinationError::MemberId { id: self.member.clone() });
        }
        Ok(())
    }

    /// Whether this member takes over from a process that is gone without waiting for its session to end.
    pub(super) fn takes_over_early(&self) -> bool {
        self.failover.enabled && self.failover.peer_probe && self.delivery == Delivery::ExactlyOnce
    }
}

/// `user:password` for the digest scheme, if credentials are given. A file wins over the setting, and is read at
/// every new session, so that a rotation needs no restart.
pub(super) fn digest(zookeeper: &ZooKeeper) -> Result<Option<String>, CoordinationError> {
    let (user, password) = match &zookeeper.credentials_directory {
        Some(directory) => read(directory)
            .map_err(|Unreadable { path, source }| CoordinationError::Credentials { path, source })?,
        None => (zookeeper.user.clone(), zookeeper.password.0.clone()),
    };
    Ok((!user.is_empty()).then(|| format!("{user}:{password}")))
}

/// How this member is, as the rest of the process knows it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Vitals {
    /// Whether MySQL answers.
    pub mysql: Connection,
    /// Whether Kafka answers.
    pub kafka: Connection,
    /// CPU use in percent of the request, else of one core.
    pub cpu_percent: f64,
    /// Resident memory in bytes.
    pub memory_bytes: u64,
    /// What it may use of memory, in bytes; 0 where nothing limits it.
    pub memory_limit_bytes: u64,
    /// Rows per second sent in the last interval.
    pub rows_per_second: f64,
    /// Bytes of keys and values per second sent in the last interval.
    pub bytes_per_second: f64,
    /// Bytes of keys and values that are encoded and not committed yet.
    pub unsent_bytes: u64,
    /// How long one of MySQL and Kafka has not answered.
    pub silent: Duration,
}

impl Vitals {
    /// Whether MySQL and Kafka are both known to answer: what a member must be able to say of itself before it takes
    /// a shard from another.
    pub fn healthy(&self) -> bool {
        self.mysql.reachable == Some(true) && self.kafka.reachable == Some(true)
    }
}

/// Tells how this member is. Asked about once a second, so the answer must be at hand.
#[async_trait]
pub trait Health: Send + Sync + 'static {
    /// The latest measurements.
    fn vitals(&self) -> Vitals;

    /// Completes when MySQL or Kafka came or went: it is worth asking at once. Cancel safe.
    async fn changed(&self) {
        std::future::pending::<()>().await;
    }

    /// Puts a question of its own to MySQL and to Kafka, now; whether both answer. Cancel safe.
    async fn ask_anew(&self) -> bool;

    /// Completes while MySQL or Kafka leaves a question unanswered, which is too early to say that it is not reached.
    /// Cancel safe.
    async fn doubted(&self);

    /// Completes while both have answered what they were last asked. Cancel safe.
    async fn trusted(&self);
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::settings::Secret;

    use super::*;

    fn zookeeper(user: &str, directory: Option<String>) -> ZooKeeper {
        ZooKeeper {
            hosts: vec!["zk:2181".into()],
            root: "/m".into(),
            user: user.into(),
            password: Secret("typed".into()),
            credentials_directory: directory,
        }
    }

    #[test]
    fn credentials_come_from_the_files_first() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("username"), "kafka-team\n").unwrap();
        std::fs::write(directory.path().join("password"), "s3cret\n").unwrap();
        let path = directory.path().display().to_string();
        assert_eq!(digest(&zookeeper("typed", Some(path))).unwrap().unwrap(), "kafka-team:s3cret");
        assert_eq!(digest(&zookeeper("me", None)).unwrap().unwrap(), "me:typed");
        assert_eq!(digest(&zookeeper("", None)).unwrap(), None);
    }

    #[test]
    fn a_missing_credentials_file_is_named() {
        let error = digest(&zookeeper("", Some("/nowhere".into()))).unwrap_err();
        assert!(error.to_string().contains("/nowhere/username"), "{error}");
    }
}
