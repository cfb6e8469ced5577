//! Copies of whole tables.

use serde::{Deserialize, Serialize};

/// How tables are copied beside the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bootstrap {
    /// Whether tables are copied at all.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Tables, as `database.table`, that are copied once in the cluster's life.
    #[serde(default)]
    pub tables: Vec<String>,
    /// Rows that one statement reads at the most; fewer if they are large.
    #[serde(default = "default_chunk_rows")]
    pub chunk_rows: u32,
    /// Rows a second over all tables; 0 is no limit. Changes without a restart.
    #[serde(default)]
    pub max_rows_per_second: u32,
    /// Tables copied at a time.
    #[serde(default = "default_parallel_tables")]
    pub parallel_tables: u32,
    /// Copied values print as the stream prints them, and not as the original's bootstrap does where that differs: JSON
    /// with blanks, BINARY with its padding, NULL for zero times.
    #[serde(default)]
    pub like_stream: bool,
    /// Database of Maxwell's table `bootstrap`: a row inserted there is a request.
    #[serde(default = "default_name")]
    pub schema_database: String,
    /// Requests of other clients in that table are left alone.
    #[serde(default = "default_name")]
    pub client_id: String,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            enabled: true,
            tables: Vec::new(),
            chunk_rows: default_chunk_rows(),
            max_rows_per_second: 0,
            parallel_tables: default_parallel_tables(),
            like_stream: false,
            schema_database: default_name(),
            client_id: default_name(),
        }
    }
}

fn yes() -> bool {
    true
}

fn default_chunk_rows() -> u32 {
    5000
}

fn default_parallel_tables() -> u32 {
    2
}

fn default_name() -> String {
    "maxwell".into()
}
