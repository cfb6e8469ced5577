//! What a message contains.

use maxwell_protocol::settings::{Compatibility, EncryptionMode, NamingStrategy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SecretRef, defaults};

/// Maxwell's output_* options with the same defaults.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OutputSpec {
    /// xid and, on a transaction's last row, commit.
    #[serde(default = "defaults::yes")]
    pub commit_info: bool,
    /// xoffset on the other rows.
    #[serde(default = "defaults::yes")]
    pub xoffset: bool,
    /// Columns that are NULL.
    #[serde(default = "defaults::yes")]
    pub nulls: bool,
    /// Changes of the schema as messages of their own.
    #[serde(default)]
    pub ddl: bool,
    /// position as file:offset.
    #[serde(default)]
    pub binlog_position: bool,
    /// gtid.
    #[serde(default)]
    pub gtid: bool,
    /// server_id.
    #[serde(default)]
    pub server_id: bool,
    /// thread_id; unknown on MariaDB.
    #[serde(default)]
    pub thread_id: bool,
    /// schema_id: a number that stays the same as long as the table's definition does.
    #[serde(default)]
    pub schema_id: bool,
    /// query: the statement behind the row, with binlog_rows_query_log_events on the server.
    #[serde(default)]
    pub row_query: bool,
    /// UTF-16 units that query is cut to; 0: not cut.
    #[serde(default)]
    pub row_query_max_length: u32,
    /// primary_key.
    #[serde(default)]
    pub primary_keys: bool,
    /// primary_key_columns.
    #[serde(default)]
    pub primary_key_columns: bool,
    /// push_ts.
    #[serde(default)]
    pub push_timestamp: bool,
    /// NULL instead of a zero date.
    #[serde(default)]
    pub null_zero_dates: bool,
    /// Columns left out of data and old: names, or /regular expressions/ for whole names.
    #[serde(default)]
    #[schemars(length(max = 256), inner(length(min = 1, max = 256)))]
    pub exclude_columns: Vec<String>,
    /// How the names of fields and columns are spelt.
    #[serde(default)]
    pub naming_strategy: NamingStrategy,
    /// Right values, or the original's wrong ones for TIME, BIT and YEAR.
    #[serde(default)]
    pub compatibility: Compatibility,
    /// What of a message is encrypted.
    #[serde(default)]
    pub encryption: EncryptionSpec,
}

impl Default for OutputSpec {
    fn default() -> Self {
        Self {
            commit_info: true,
            xoffset: true,
            nulls: true,
            ddl: false,
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
            encryption: EncryptionSpec::default(),
        }
    }
}

/// Encryption of messages: AES in CBC mode.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionSpec {
    /// What of a message is encrypted.
    #[serde(default)]
    pub mode: EncryptionMode,
    /// The Secret whose key named key holds 16, 24 or 32 bytes of text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_secret_ref: Option<SecretRef>,
}
