//! The settings of a worker: one YAML document, which the operator writes from the resource's spec and which
//! Maxwell's own options are translated into. What was typed is dumb data; [`Settings::validate`] says what is wrong
//! with it, by field, value and mend.

mod bootstrap;
mod failover;
mod kafka;
mod kafka_security;
mod mysql;
mod output;
mod sharding;
mod validate;

use crate::id::ClusterId;
pub use bootstrap::Bootstrap;
pub use failover::{Failover, ZooKeeper};
pub use kafka::{Commit, Compression, Delivery, Kafka, KeyFormat, PartitionBy, PartitionHash};
pub use kafka_security::{KafkaSasl, KafkaTls, SaslMechanism};
pub use mysql::{
    Flavor, GtidUse, MySql, MySqlHost, MySqlTls, OnPositionLost, Secret, Start, StartFrom, TlsMode,
};
pub use output::{Compatibility, Encryption, EncryptionMode, NamingStrategy, Output};
use serde::{Deserialize, Serialize};
pub(crate) use sharding::is_number;
pub use sharding::{Balance, Mode, MovePolicy, Pin, Rebalancing, Sharding, Strategy};
pub use validate::Invalid;
pub(crate) use validate::invalid;

/// What a worker runs with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// The cluster's name in logs and metrics.
    #[serde(default = "default_cluster")]
    pub cluster: String,
    /// The cluster's identity, to go on from the positions of a cluster that is gone. Default: a random one, made once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<ClusterId>,
    /// Where changes go.
    #[serde(default)]
    pub producer: Producer,
    /// The source.
    pub mysql: MySql,
    /// The sink; required for `producer: Kafka`.
    #[serde(default)]
    pub kafka: Option<Kafka>,
    /// Coordination; without it the worker is alone and keeps its position itself.
    #[serde(default)]
    pub zookeeper: Option<ZooKeeper>,
    /// Failover between members.
    #[serde(default)]
    pub failover: Failover,
    /// What the members are to one another.
    #[serde(default)]
    pub mode: Mode,
    /// Members that are kept free of shards; only for `mode: Hybrid`.
    #[serde(default = "default_standbys")]
    pub standbys: u32,
    /// How the work is divided; not with `mode: ActiveStandby`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharding: Option<Sharding>,
    /// How shards are kept even among members.
    #[serde(default)]
    pub rebalancing: Rebalancing,
    /// Maxwell's filter language; empty means everything. Changes without a restart.
    #[serde(default)]
    pub filter: String,
    /// Maxwell's `output_*` options.
    #[serde(default)]
    pub output: Output,
    /// Copies of whole tables.
    #[serde(default)]
    pub bootstrap: Bootstrap,
    /// Port of `/livez`, `/readyz` and `/metrics`.
    #[serde(default = "default_port")]
    pub port: u16,
    /// Log level and format.
    #[serde(default)]
    pub logging: Logging,
}

/// Where changes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Producer {
    /// Kafka.
    #[default]
    Kafka,
    /// Standard output, one JSON object a line.
    Stdout,
    /// A file, one JSON object a line.
    File,
}

/// How the worker logs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Logging {
    /// The least level that is printed. Changes without a restart.
    #[serde(default)]
    pub level: LogLevel,
    /// One JSON object a line, or text for people.
    #[serde(default)]
    pub format: LogFormat,
}

/// A log level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// A log format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// Text for people.
    Text,
}

fn default_cluster() -> String {
    "maxwell".into()
}

fn default_standbys() -> u32 {
    1
}

fn default_port() -> u16 {
    9090
}
