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
}

fn default_port() -> u16 {
    3306
}

fn default_heartbeat() -> u32 {
    5
}
