//! Maxwell's `output_*` options with Maxwell's effective defaults.

use serde::{Deserialize, Serialize};

/// What a message contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Output {
    /// `xid` and, on a transaction's last row, `commit`.
    #[serde(default = "yes")]
    pub commit_info: bool,
    /// `xoffset` on the other rows.
    #[serde(default = "yes")]
    pub xoffset: bool,
    /// Changes of the schema as messages of their own.
    #[serde(default)]
    pub ddl: bool,
    /// Columns that are NULL.
    #[serde(default = "yes")]
    pub nulls: bool,
    /// `position` as `file:offset`.
    #[serde(default)]
    pub binlog_position: bool,
    /// `gtid`.
    #[serde(default)]
    pub gtid: bool,
    /// `server_id`.
    #[serde(default)]
    pub server_id: bool,
    /// `thread_id`.
    #[serde(default)]
    pub thread_id: bool,
    /// `primary_key`.
    #[serde(default)]
    pub primary_keys: bool,
    /// `primary_key_columns`.
    #[serde(default)]
    pub primary_key_columns: bool,
    /// `push_ts`.
    #[serde(default)]
    pub push_timestamp: bool,
    /// NULL instead of a zero date.
    #[serde(default)]
    pub null_zero_dates: bool,
    /// Right values, or the original's wrong ones for TIME, BIT and YEAR.
    #[serde(default)]
    pub compatibility: Compatibility,
}

/// Which values are printed where the original's are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Compatibility {
    /// The right ones.
    #[default]
    Corrected,
    /// The original's.
    Maxwell,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            commit_info: true,
            xoffset: true,
            ddl: false,
            nulls: true,
            binlog_position: false,
            gtid: false,
            server_id: false,
            thread_id: false,
            primary_keys: false,
            primary_key_columns: false,
            push_timestamp: false,
            null_zero_dates: false,
            compatibility: Compatibility::Corrected,
        }
    }
}

fn yes() -> bool {
    true
}
