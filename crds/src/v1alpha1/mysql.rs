//! The source.

use kube::KubeSchema;
use maxwell_protocol::settings::{Flavor, GtidUse, MySqlHost, OnPositionLost, Start, TlsMode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults;

/// The MySQL or MariaDB server to read.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MySqlSpec {
    /// Host name or address.
    #[schemars(length(min = 1, max = 253))]
    pub host: String,
    /// TCP port.
    #[serde(default = "defaults::mysql_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// Servers with the same transactions, taken in turn, by GTID, when that one cannot be read.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub failover_hosts: Vec<MySqlHost>,
    /// The Secret with the keys username and password.
    pub credentials_secret_ref: SecretRef,
    /// Encryption of the connections.
    #[serde(default)]
    pub tls: MySqlTlsSpec,
    /// Which dialect the server speaks; Auto asks it.
    #[serde(default)]
    pub flavor: Flavor,
    /// Whether positions carry GTIDs; Auto follows the server.
    #[serde(default)]
    pub gtid: GtidUse,
    /// The server id that shard 0 shows to the source, shard n takes this plus n; 0 derives it from the cluster's
    /// identity.
    #[serde(default)]
    pub server_id_base: u32,
    /// Interval of the heartbeats asked of the server; after 3 missed the connection counts as dead.
    #[serde(default = "defaults::mysql_heartbeat_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub heartbeat_seconds: u32,
    /// Where to begin while no position is stored.
    #[serde(default)]
    #[x_kube(
        validation = Rule::new("self.from == 'Position' ? has(self.file) && has(self.offset) : !has(self.file) && !has(self.offset)")
            .message("start: file and offset belong to from: Position, which needs both"),
        validation = Rule::new("(self.from == 'Gtid') == has(self.set)")
            .message("start: set belongs to from: Gtid, which needs it"),
        validation = Rule::new("(self.from == 'Timestamp') == has(self.time)")
            .message("start: time belongs to from: Timestamp, which needs it"),
        validation = Rule::new(
            "self.from.startsWith('Maxwell') || !has(self.database) && !has(self.clientId) && !has(self.host) && !has(self.port)"
        )
        .message("start: database, clientId, host and port belong to from: Maxwell or MaxwellOrLatest")
    )]
    pub start: Start,
    /// What to do when no server has what follows the stored position: stop and say so, or go on at the head, with every
    /// table copied again that passes the filter, or without the changes between.
    #[serde(default)]
    pub on_position_lost: OnPositionLost,
}

/// Encryption of the connections to MySQL.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct MySqlTlsSpec {
    /// Whether to encrypt, and what of the server's certificate is checked.
    #[serde(default)]
    pub mode: TlsMode,
    /// The Secret with the key ca.crt: what the server's certificate is signed by. Default: the public authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretRef>,
    /// The Secret with the keys tls.crt and tls.key: this client's own certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_secret_ref: Option<SecretRef>,
}

/// A Secret in the resource's own namespace.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}
