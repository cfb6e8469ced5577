//! The sink.

use std::collections::BTreeMap;

use maxwell_protocol::settings::{Commit, Compression, Delivery, KeyFormat, PartitionBy, PartitionHash};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cluster::bound;
use super::defaults;

/// The Kafka cluster to write to.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KafkaSpec {
    /// Some brokers as host:port.
    #[schemars(
        length(min = 1, max = 32),
        inner(length(max = 260), regex(pattern = r"^[^\s,/]+:[0-9]{1,5}$"))
    )]
    pub brokers: Vec<String>,
    /// Topic of the rows; %{database}, %{table} and %{type} are replaced.
    #[serde(default = "defaults::topic")]
    #[schemars(length(min = 1, max = 249))]
    pub topic: String,
    /// Topic of schema changes, with output.ddl. Default: topic, which then may hold no placeholders
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 249))]
    pub ddl_topic: Option<String>,
    /// Topic that tells of rows too large for theirs; %{database} and %{table} are replaced. Without it such a row
    /// stops the shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 249))]
    pub dead_letter_topic: Option<String>,
    /// The compacted topic of the positions, made by the workers. Default: the resource's name and .positions
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 249))]
    pub position_topic: Option<String>,
    /// What decides a row's partition.
    #[serde(default)]
    pub partition_by: PartitionBy,
    /// Columns for partitionBy: Columns.
    #[serde(default)]
    #[schemars(length(max = 32), inner(length(min = 1, max = 64)))]
    pub partition_columns: Vec<String>,
    /// What decides instead where partitionColumns hold nothing.
    #[serde(default)]
    pub partition_by_fallback: PartitionBy,
    /// Hash from that to the partition: Default is Java's hashCode.
    #[serde(default)]
    pub partition_hash: PartitionHash,
    /// Form of the record keys.
    #[serde(default)]
    pub key_format: KeyFormat,
    /// What is promised to consumers.
    #[serde(default)]
    pub delivery: Delivery,
    /// When a Kafka transaction closes: at whichever comes first, and at once when the source is drained.
    #[serde(default)]
    #[schemars(transform = bound_commit)]
    pub commit: Commit,
    /// After this long without a word of the writer the broker aborts its open transaction.
    #[serde(default = "defaults::transaction_timeout_seconds")]
    #[schemars(range(min = 1, max = 900))]
    pub transaction_timeout_seconds: u32,
    /// Compression of the batches.
    #[serde(default)]
    pub compression: Compression,
    /// Properties of librdkafka; those that would break the delivery guarantee or hold a credential are refused.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 64))]
    pub properties: BTreeMap<String, String>,
}

/// A limit of 0 would close nothing.
fn bound_commit(schema: &mut schemars::Schema) {
    for limit in ["intervalMilliseconds", "maxBytes", "maxRows"] {
        bound(schema, limit, 1);
    }
}
