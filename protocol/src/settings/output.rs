//! Maxwell's `output_*` options with Maxwell's effective defaults.

use serde::{Deserialize, Serialize};

use super::Secret;

/// What a message contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// `schema_id`.
    #[serde(default)]
    pub schema_id: bool,
    /// `query`: the statement behind the row, where the server writes it into the binlog.
    #[serde(default)]
    pub row_query: bool,
    /// UTF-16 units that `query` is cut to; 0: not cut.
    #[serde(default)]
    pub row_query_max_length: u32,
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
    /// Columns that are left out of `data` and `old`: names, or `/regular expressions/` for whole names.
    #[serde(default)]
    pub exclude_columns: Vec<String>,
    /// How the names of fields and columns are spelt.
    #[serde(default)]
    pub naming_strategy: NamingStrategy,
    /// Right values, or the original's wrong ones for TIME, BIT and YEAR.
    #[serde(default)]
    pub compatibility: Compatibility,
    /// What of a message is encrypted.
    #[serde(default)]
    pub encryption: Encryption,
}

/// How the names of fields and columns are spelt (Maxwell's `output_naming_strategy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum NamingStrategy {
    /// As they are.
    #[default]
    None,
    /// `order_id` becomes `orderId`.
    UnderscoreToCamelCase,
}

/// Encryption of messages: AES in CBC mode.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Encryption {
    /// What of a message is encrypted.
    #[serde(default)]
    pub mode: EncryptionMode,
    /// The key, 16, 24 or 32 bytes of text; the file `key` in `key_directory` wins. Never printed.
    #[serde(default, skip_serializing)]
    pub key: Secret,
    /// Directory with the file `key`.
    #[serde(default)]
    pub key_directory: Option<String>,
}

/// What of a message is encrypted (Maxwell's `encrypt`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum EncryptionMode {
    /// Nothing.
    #[default]
    None,
    /// `data` and `old`.
    Data,
    /// The whole message; never its key.
    All,
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
            schema_id: false,
            row_query: false,
            row_query_max_length: 0,
            primary_keys: false,
            primary_key_columns: false,
            push_timestamp: false,
            null_zero_dates: false,
            exclude_columns: Vec::new(),
            naming_strategy: NamingStrategy::None,
            compatibility: Compatibility::Corrected,
            encryption: Encryption::default(),
        }
    }
}

fn yes() -> bool {
    true
}
