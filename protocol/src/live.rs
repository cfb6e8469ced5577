//! `cluster/config`: what changes without a restart.

use serde::{Deserialize, Serialize};

/// What holds for the whole cluster now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveSettings {
    /// Grows with every change.
    #[serde(default)]
    pub version: u64,
    /// Owners keep their shards and read nothing.
    #[serde(default)]
    pub paused: bool,
}
