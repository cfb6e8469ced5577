//! Coordination and failover between members.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::mysql::Secret;

/// Where the members meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ZooKeeper {
    /// `host:port` of the ensemble.
    pub hosts: Vec<String>,
    /// The cluster's root node.
    #[serde(default = "default_root")]
    pub root: String,
    /// Digest user; a file `username` in `credentials_directory` wins. With credentials the tree is the owner's only.
    #[serde(default)]
    pub user: String,
    /// Digest password; a file `password` in `credentials_directory` wins. Never printed.
    #[serde(default, skip_serializing)]
    pub password: Secret,
    /// Directory with the files `username` and `password`.
    #[serde(default)]
    pub credentials_directory: Option<String>,
}

/// Failover between members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failover {
    /// Whether a member takes over by itself; false: only on request.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// How often a member writes its record.
    #[serde(default = "default_heartbeat")]
    pub heartbeat_interval_milliseconds: u32,
    /// The ZooKeeper session timeout that is asked for.
    #[serde(default = "default_session")]
    pub session_timeout_milliseconds: u32,
    /// When nobody has led for so long, that is reported and the election starts afresh.
    #[serde(default = "default_election")]
    pub election_timeout_milliseconds: u32,
    /// How often an owner tries again, each time a whole interval later, what fails for other reasons than that it does not
    /// reach MySQL or Kafka, before another member shall try.
    #[serde(default = "default_retries")]
    pub max_retries: u32,
    /// The longest time between two attempts.
    #[serde(default = "default_retry_interval")]
    pub retry_interval_milliseconds: u32,
    /// A shard that is this many seconds behind its source does not keep up. Changes without a restart.
    #[serde(default = "default_max_lag")]
    pub max_lag_seconds: u32,
    /// Election priorities by member; higher first, absent means 0.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub priorities: BTreeMap<String, i32>,
    /// Take over when an owner's process is gone instead of waiting for its session to end.
    #[serde(default = "yes")]
    pub peer_probe: bool,
}

impl Default for Failover {
    fn default() -> Self {
        Self {
            enabled: true,
            heartbeat_interval_milliseconds: default_heartbeat(),
            session_timeout_milliseconds: default_session(),
            election_timeout_milliseconds: default_election(),
            max_retries: default_retries(),
            retry_interval_milliseconds: default_retry_interval(),
            max_lag_seconds: default_max_lag(),
            priorities: BTreeMap::new(),
            peer_probe: true,
        }
    }
}

fn yes() -> bool {
    true
}

fn default_root() -> String {
    "/maxwell".into()
}

fn default_heartbeat() -> u32 {
    5_000
}

fn default_session() -> u32 {
    15_000
}

fn default_election() -> u32 {
    30_000
}

fn default_retries() -> u32 {
    3
}

fn default_retry_interval() -> u32 {
    10_000
}

fn default_max_lag() -> u32 {
    300
}
