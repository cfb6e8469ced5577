//! Copies of whole tables: what is wished, and how far they are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tables that are copied beside the stream.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapSpec {
    /// Tables, as database.table, that are copied once, exactly once. Taken out of the list while it is copied, a table's
    /// copy ends there; put in again, it is copied again.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(max = 129), regex(pattern = r"^[^.]{1,64}\.[^.]{1,64}$")))]
    pub tables: Vec<String>,
    /// Rows that one statement reads at the most; fewer if they are large.
    #[serde(default = "chunk_rows")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub chunk_rows: u32,
    /// Rows copied a second, of all tables; 0 is no limit. Changes without a restart.
    #[serde(default)]
    pub max_rows_per_second: u32,
}

fn chunk_rows() -> u32 {
    5000
}

impl Default for BootstrapSpec {
    fn default() -> Self {
        Self { tables: Vec::new(), chunk_rows: chunk_rows(), max_rows_per_second: 0 }
    }
}

/// A copy of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapStatus {
    /// Where it was asked for: `settings/` and the table, `request/` and the request's name, `table/` and the number in
    /// Maxwell's table.
    pub name: String,
    /// The table, as database.table.
    pub table: String,
    /// How far it is.
    pub state: BootstrapState,
    /// Rows copied so far; refreshed every 15 seconds.
    #[serde(default)]
    pub rows_copied: i64,
    /// Rows that the source reckoned the table to have when the copy began; absent if that says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_estimated: Option<i64>,
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BootstrapState {
    /// It has not begun.
    Waiting,
    /// Rows are copied.
    Copying,
    /// It was taken back, and ends.
    Aborting,
    /// It is over.
    Complete,
}
