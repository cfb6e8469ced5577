//! The sink.

use std::collections::BTreeMap;

use kube::KubeSchema;
use maxwell_protocol::settings::{
    Commit, Compression, Delivery, KeyFormat, PartitionBy, PartitionHash, SaslMechanism,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cluster::bound;
use super::{SecretRef, defaults};

/// The Kafka cluster to write to.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KafkaSpec {
    /// Some brokers as host:port.
    #[schemars(
        length(min = 1, max = 32),
        inner(length(max = 260), regex(pattern = r"^[^\s,/]+:[0-9]{1,5}$"))
    )]
    pub brokers: Vec<String>,
    /// Encryption of the connections.
    #[serde(default)]
    #[x_kube(
        validation = Rule::new("self.enabled || !has(self.caSecretRef) && !has(self.clientCertificateSecretRef)")
            .message("tls: caSecretRef and clientCertificateSecretRef belong to enabled: true")
    )]
    pub tls: KafkaTlsSpec,
    /// Who the workers are to the brokers. Without it the brokers do not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl: Option<KafkaSaslSpec>,
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

/// Encryption of the connections to Kafka. The brokers' certificates and names are always checked.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct KafkaTlsSpec {
    /// Whether to encrypt.
    #[serde(default)]
    pub enabled: bool,
    /// The Secret with the key ca.crt: what the brokers' certificates are signed by. Default: the public authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretRef>,
    /// The Secret with the keys tls.crt and tls.key: this client's own certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_secret_ref: Option<SecretRef>,
}

/// Who the workers are to the brokers.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct KafkaSaslSpec {
    /// How they prove that.
    #[serde(default)]
    pub mechanism: SaslMechanism,
    /// The Secret with the keys username and password.
    pub credentials_secret_ref: SecretRef,
}

/// A limit of 0 would close nothing.
fn bound_commit(schema: &mut schemars::Schema) {
    for limit in ["intervalMilliseconds", "maxBytes", "maxRows"] {
        bound(schema, limit, 1);
    }
}
