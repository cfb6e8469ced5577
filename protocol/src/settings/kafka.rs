//! The sink.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{KafkaSasl, KafkaTls};

/// The Kafka cluster to write to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kafka {
    /// `host:port` of some brokers.
    pub brokers: Vec<String>,
    /// Encryption of the connections.
    #[serde(default)]
    pub tls: KafkaTls,
    /// Who the worker is to the brokers; absent: they do not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl: Option<KafkaSasl>,
    /// Topic of the rows; `%{database}`, `%{table}` and `%{type}` are replaced.
    #[serde(default = "default_topic")]
    pub topic: String,
    /// Topic of schema changes, with `output.ddl`. Default: `topic`, which then may hold no placeholders.
    #[serde(default)]
    pub ddl_topic: Option<String>,
    /// Topic that tells of rows too large for theirs; `%{database}` and `%{table}` are replaced. Without it such a row
    /// stops the shard.
    #[serde(default)]
    pub dead_letter_topic: Option<String>,
    /// The compacted topic that holds the positions, one partition per shard; made by the workers. Default:
    /// `<cluster>.positions`.
    #[serde(default)]
    pub position_topic: Option<String>,
    /// What decides a row's partition.
    #[serde(default)]
    pub partition_by: PartitionBy,
    /// Columns for `partitionBy: Columns`.
    #[serde(default)]
    pub partition_columns: Vec<String>,
    /// What decides instead where `partition_columns` hold nothing.
    #[serde(default)]
    pub partition_by_fallback: PartitionBy,
    /// Hash from that to the partition.
    #[serde(default)]
    pub partition_hash: PartitionHash,
    /// Form of the record keys.
    #[serde(default)]
    pub key_format: KeyFormat,
    /// What is promised to consumers.
    #[serde(default)]
    pub delivery: Delivery,
    /// When a Kafka transaction closes.
    #[serde(default)]
    pub commit: Commit,
    /// After this long without a word of the writer the broker aborts its open transaction.
    #[serde(default = "default_transaction_timeout")]
    pub transaction_timeout_seconds: u32,
    /// Compression of the batches.
    #[serde(default)]
    pub compression: Compression,
    /// Passed to librdkafka; those that would break the delivery guarantee are refused.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}

/// When a Kafka transaction closes: at whichever comes first, and at once when the source is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Commit {
    /// Milliseconds since the transaction began. Changes without a restart.
    #[serde(default = "default_interval")]
    pub interval_milliseconds: u32,
    /// Bytes of record values.
    #[serde(default = "default_bytes")]
    pub max_bytes: u32,
    /// Rows.
    #[serde(default = "default_rows")]
    pub max_rows: u32,
}

impl Default for Commit {
    fn default() -> Self {
        Self {
            interval_milliseconds: default_interval(),
            max_bytes: default_bytes(),
            max_rows: default_rows(),
        }
    }
}

/// What is promised to consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Delivery {
    /// Rows and position in one transaction: a `read_committed` consumer sees every change once.
    #[default]
    ExactlyOnce,
    /// Rows by an idempotent producer without transactions: changes may repeat after a failure.
    AtLeastOnce,
}

/// What decides a row's partition (Maxwell's `producer_partition_by`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PartitionBy {
    /// The database's name.
    #[default]
    Database,
    /// The table's name.
    Table,
    /// The values of the primary key.
    PrimaryKey,
    /// The xid.
    TransactionId,
    /// The id of the connection that made the change; unknown on MariaDB.
    ThreadId,
    /// The values of chosen columns.
    Columns,
    /// Chance.
    Random,
}

/// The hash from a text to a partition (Maxwell's `kafka_partition_hash`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PartitionHash {
    /// Java's `String.hashCode`.
    #[default]
    Default,
    /// MurmurHash3 with Maxwell's seed.
    Murmur3,
}

/// The form of the record keys (Maxwell's `kafka_key_format`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum KeyFormat {
    /// `{"database":…,"table":…,"pk.id":1}`
    #[default]
    Hash,
    /// `["database","table",[{"id":1}]]`
    Array,
}

/// Compression of the batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

fn default_topic() -> String {
    "maxwell".into()
}

fn default_transaction_timeout() -> u32 {
    30
}

fn default_interval() -> u32 {
    100
}

fn default_bytes() -> u32 {
    8 * 1024 * 1024
}

fn default_rows() -> u32 {
    20_000
}
