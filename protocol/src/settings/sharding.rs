//! How a cluster divides its work: modes, shards, what is pinned where.

use serde::{Deserialize, Serialize};

/// What the members of a cluster are to one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Mode {
    /// The leader streams everything, the others stand by.
    #[default]
    ActiveStandby,
    /// Every member streams some shards.
    Sharded,
    /// Some members stream shards, `standbys` of them stay free to take over.
    Hybrid,
}

/// What decides which shard a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Strategy {
    /// Its database.
    Database,
    /// Its database and table.
    #[default]
    Table,
    /// The values of its primary key; its database and table if there is none.
    PrimaryKey,
    /// The window of time that its transaction was committed in: one shard after the other streams what is not pinned.
    Time,
}

/// How shards are dealt out to members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Balance {
    /// By the hash of shard and member, none with more shards than its part: a shard comes back to where it was.
    #[default]
    ConsistentHash,
    /// To the member that has the least to do.
    LeastLoaded,
}

/// Whether shards are moved away from members that live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum MovePolicy {
    /// Never.
    Disabled,
    /// When asked for.
    Manual,
    /// Whenever a member has two more than another, or so much more to do that a move evens it out.
    #[default]
    Automatic,
}

/// How shards are kept even.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rebalancing {
    /// Whether shards are moved away from members that live. Changes without a restart.
    #[serde(default)]
    pub policy: MovePolicy,
    /// How much more a member has to do than another before a shard is moved, in percent of what is much: of CPU, memory,
    /// lag, unsent bytes, rows and bytes sent the worst counts.
    #[serde(default = "imbalance_percent")]
    pub imbalance_percent: u32,
    /// After a shard was moved to even things out, none is moved for what members have to do for so long.
    #[serde(default = "min_interval_seconds")]
    pub min_interval_seconds: u32,
    /// How many shards are moved at a time to members that have fewer.
    #[serde(default = "max_concurrent_moves")]
    pub max_concurrent_moves: u32,
}

fn imbalance_percent() -> u32 {
    25
}

fn min_interval_seconds() -> u32 {
    600
}

fn max_concurrent_moves() -> u32 {
    1
}

impl Default for Rebalancing {
    fn default() -> Self {
        Self {
            policy: MovePolicy::default(),
            imbalance_percent: imbalance_percent(),
            min_interval_seconds: min_interval_seconds(),
            max_concurrent_moves: max_concurrent_moves(),
        }
    }
}

/// Something that stays in one shard, and where that runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pin {
    /// The shard: the number of one that rows are hashed to, the name of a database's, or another name for a shard that
    /// holds nothing but what is pinned to it.
    pub shard: String,
    /// Databases that it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<String>,
    /// Tables that it holds, as `database.table`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// The member that it runs at as long as that one is able.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
}

/// How rows are divided into shards, and these among members. Every shard reads the whole binlog by a dump of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sharding {
    /// What decides which shard a row belongs to.
    #[serde(default)]
    pub strategy: Strategy,
    /// Databases with a shard of their own, which bears their name; only for `strategy: Database`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<String>,
    /// How many shards there are, those with names among them; 0: those with names and one for the rest.
    #[serde(default)]
    pub shards: u32,
    /// Length of a window; for `strategy: Time` and only for that. Window after window, counted from 1970, goes to the next
    /// shard without a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_window_seconds: Option<u32>,
    /// What wins over hashing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<Pin>,
    /// How shards are dealt out to members.
    #[serde(default)]
    pub balance: Balance,
}

impl Sharding {
    /// The names of shards that rows are not hashed to: those of databases, then those that pins made.
    pub fn named(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.databases.iter().map(String::as_str).collect();
        for pin in &self.pins {
            if !is_number(&pin.shard) && !names.contains(&pin.shard.as_str()) {
                names.push(&pin.shard);
            }
        }
        names
    }

    /// How many shards there are, the default put in.
    pub fn count(&self) -> u32 {
        match self.shards {
            0 => u32::try_from(self.named().len()).map_or(u32::MAX, |named| named.saturating_add(1)),
            shards => shards,
        }
    }
}

/// Whether a shard's name is one of those that rows are hashed to.
pub(crate) fn is_number(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}
