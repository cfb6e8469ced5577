//! The source.

use serde::{Deserialize, Serialize};

/// The MySQL or MariaDB server to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MySql {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    #[serde(default = "default_port")]
    pub port: u16,
    /// User name; a file `username` in `credentials_directory` wins.
    #[serde(default)]
    pub user: String,
    /// Password; a file `password` in `credentials_directory` wins. Never printed.
    #[serde(default, skip_serializing)]
    pub password: Secret,
    /// Directory with the files `username` and `password`, read at every connection, so that a rotation needs no
    /// restart.
    #[serde(default)]
    pub credentials_directory: Option<String>,
    /// Encryption of the connections.
    #[serde(default)]
    pub tls: MySqlTls,
    /// Servers that have the same transactions, taken in turn when this one cannot be read; needs GTIDs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failover_hosts: Vec<MySqlHost>,
    /// Which dialect the server speaks.
    #[serde(default)]
    pub flavor: Flavor,
    /// Whether positions carry GTIDs.
    #[serde(default)]
    pub gtid: GtidUse,
    /// Server id of shard 0's dump; 0 derives it from the cluster's id.
    #[serde(default)]
    pub server_id_base: u32,
    /// Interval of the heartbeats asked of the server; 3 missed and the connection counts as dead.
    #[serde(default = "default_heartbeat")]
    pub heartbeat_seconds: u32,
    /// Where to begin while no position is stored.
    #[serde(default)]
    pub start: Start,
    /// What to do when no server has what follows the stored position any more.
    #[serde(default)]
    pub on_position_lost: OnPositionLost,
}

impl MySql {
    /// Every server to read, the first choice first, each as if it were the only one.
    pub fn candidates(&self) -> Vec<Self> {
        let of = |host: &str, port| Self {
            host: host.to_owned(),
            port,
            failover_hosts: Vec::new(),
            ..self.clone()
        };
        let others = self.failover_hosts.iter().map(|other| of(&other.host, other.port));
        std::iter::once(of(&self.host, self.port)).chain(others).collect()
    }
}

/// Another server to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MySqlHost {
    /// Host name or address.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253)))]
    pub host: String,
    /// TCP port.
    #[serde(default = "default_port")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 65535)))]
    pub port: u16,
}

/// Encryption of the connections to MySQL. Files are read at every connection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MySqlTls {
    /// Whether to encrypt, and what of the server's certificate is checked.
    #[serde(default)]
    pub mode: TlsMode,
    /// Certificates, in PEM, that the server's must be signed by; without it those of the public authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// This client's certificate, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<String>,
    /// Its key, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
}

/// Maxwell's `ssl` modes, the stricter the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TlsMode {
    /// No encryption.
    #[default]
    Disabled,
    /// If the server offers it; certificates are not checked.
    Preferred,
    /// Always; certificates are not checked.
    Required,
    /// Always, with a server certificate of a known authority.
    VerifyCa,
    /// Always, with a server certificate of a known authority for the server's name.
    VerifyIdentity,
}

/// What to do when what follows the stored position is gone from every server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum OnPositionLost {
    /// Stop and say so.
    #[default]
    Halt,
    /// Go on at the source's head, and copy every table again that passes the filter: what is missing between is made
    /// up for, but for rows that were deleted.
    Bootstrap,
    /// Go on at the source's head; the changes between are missing.
    Latest,
}

/// A text that never reaches a log.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// The server's dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Flavor {
    /// Asked of the server.
    #[default]
    Auto,
    /// MySQL.
    MySQL,
    /// MariaDB.
    MariaDB,
}

/// Whether positions carry GTIDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum GtidUse {
    /// If the server has them on.
    #[default]
    Auto,
    /// Required.
    On,
    /// File and offset only.
    Off,
}

/// Where to begin while no position is stored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Start {
    /// Which of the ways.
    #[serde(default)]
    pub from: StartFrom,
    /// Binlog file, with `from: Position`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Offset in that file, with `from: Position`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Transactions to leave out, with `from: Gtid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// Time to begin at, with `from: Timestamp`, as 2026-09-01T10:00:00Z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The original's own database (`maxwell`), with `from: Maxwell`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The original's `client_id` (`maxwell`), with `from: Maxwell`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The server with that database, if it is not the one that is read; the same user is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// That server's port (3306).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// The ways to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum StartFrom {
    /// At the source's head.
    #[default]
    Latest,
    /// At the oldest binlog that the source has.
    Earliest,
    /// At a file and offset.
    Position,
    /// After a GTID set.
    Gtid,
    /// At the first transaction that was committed at a time or later.
    Timestamp,
    /// Where Maxwell's daemon left off, as its `positions` table says.
    Maxwell,
    /// The same if there is such a position, else at the source's head.
    MaxwellOrLatest,
}

fn default_port() -> u16 {
    3306
}

fn default_heartbeat() -> u32 {
    5
}
