//! Who is there: the records of members, of the roster, of the leader and of lock holders.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{Epoch, Incarnation, MemberId, ShardId};
use crate::live::InForce;
use crate::position::Seal;

/// `cluster/members/<id>`: written by the member itself at every heartbeat interval and on changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberRecord {
    /// The member's name.
    pub id: MemberId,
    /// This life of the member.
    pub incarnation: Incarnation,
    /// `host:port` of its HTTP endpoint.
    #[serde(default)]
    pub address: String,
    /// `host:port` where peers hold a connection to notice its death at once; empty when it does not listen.
    #[serde(default)]
    pub probe_address: String,
    /// The worker's version.
    #[serde(default)]
    pub version: String,
    /// Election priority, higher first.
    #[serde(default)]
    pub priority: i32,
    /// Start of the process, milliseconds since the epoch.
    #[serde(default)]
    pub started_at: i64,
    /// What it is doing.
    #[serde(default)]
    pub state: MemberState,
    /// CPU use in percent of the request, else of one core.
    #[serde(default)]
    pub cpu_percent: f64,
    /// Resident memory in bytes.
    #[serde(default)]
    pub memory_bytes: u64,
    /// What it may use of memory, in bytes; 0 where nothing limits it.
    #[serde(default)]
    pub memory_limit_bytes: u64,
    /// Rows per second sent in the last interval.
    #[serde(default)]
    pub rows_per_second: f64,
    /// Bytes of keys and values per second sent in the last interval.
    #[serde(default)]
    pub bytes_per_second: f64,
    /// Bytes of keys and values that are encoded and not committed yet.
    #[serde(default)]
    pub unsent_bytes: u64,
    /// Shards it owns, with the lag of each in milliseconds.
    #[serde(default)]
    pub shards: BTreeMap<ShardId, ShardReport>,
    /// The settings that change without a restart, as they are at it.
    #[serde(default)]
    pub settings: InForce,
    /// Whether MySQL answers it.
    #[serde(default)]
    pub mysql: Connection,
    /// Whether Kafka answers it.
    #[serde(default)]
    pub kafka: Connection,
}

/// What a member is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum MemberState {
    /// Not yet warm.
    #[default]
    Starting,
    /// Able to own shards.
    Running,
    /// Giving its shards away before it ends.
    Draining,
    /// Runs, owns nothing, is no candidate.
    Parked,
}

/// A member's view of one of its shards.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardReport {
    /// What the shard is doing.
    #[serde(default)]
    pub state: ShardState,
    /// Its epoch, once taken.
    #[serde(default)]
    pub epoch: Epoch,
    /// Milliseconds behind the source.
    #[serde(default)]
    pub lag_milliseconds: u64,
    /// Rows per second sent in the last interval.
    #[serde(default)]
    pub rows_per_second: f64,
    /// How long the source will keep what follows the position.
    #[serde(default)]
    pub retention: Retention,
    /// Whether this owner left a lost position behind and went on at the source's head.
    #[serde(default)]
    pub started_over: bool,
    /// The error that keeps it from streaming, in words that name the mend; empty when there is none.
    #[serde(default)]
    pub last_error: String,
    /// The generation of the layout to come that it has stopped for, with everything committed that it had read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_for: Option<u64>,
    /// What it waits for behind its last record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Seal>,
}

impl ShardReport {
    /// Whether the owner is ready and waits for its turn, under strategy Time: nothing is wrong with it, and nothing late.
    pub fn waits_for_turn(&self) -> bool {
        self.state == ShardState::Sealed && !matches!(self.sealed, Some(Seal::Layout { .. }))
    }

    /// Whether it does all that there is to do.
    pub fn gets_on(&self) -> bool {
        self.state == ShardState::Streaming || self.waits_for_turn()
    }
}

/// How long a source keeps what follows a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Retention {
    /// Not known yet.
    #[default]
    Unknown,
    /// It never purges.
    Forever,
    /// It may purge it after this many seconds; 0: it has.
    Seconds(u64),
}

/// What a shard is doing at its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ShardState {
    /// Nobody streams it.
    #[default]
    Unowned,
    /// The owner is fencing the predecessor and reading the position.
    TakingOver,
    /// Changes flow.
    Streaming,
    /// The owner keeps the shard and reads nothing, as it was told.
    Paused,
    /// The owner waits for a system that is away, and tries again.
    Retrying,
    /// The owner stopped at something that it cannot heal by itself.
    Halted,
    /// The owner has committed everything up to an agreed place, and waits there: for another layout, or for its turn.
    Sealed,
}

/// The state of a connection as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Whether the last attempt reached the system; `None` before the first.
    #[serde(default)]
    pub reachable: Option<bool>,
    /// The last error, in words that name the mend.
    #[serde(default)]
    pub error: String,
}

/// `cluster/roster/<id>`: who is expected. Written at the first join, so that a dead member shows as Offline.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RosterRecord {
    /// Whether the member is parked.
    #[serde(default)]
    pub parked: bool,
}

/// `cluster/leader`: written by the leader; ephemeral.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaderRecord {
    /// The leading member.
    pub id: MemberId,
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// `host:port` of its HTTP endpoint.
    #[serde(default)]
    pub address: String,
    /// The leader's epoch: fences assignments only, never a shard.
    pub epoch: Epoch,
    /// Since when, milliseconds since the epoch.
    pub since: i64,
}

/// The content of every lock node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockRecord {
    /// The holder.
    pub id: MemberId,
    /// The holder's incarnation: a peer that proved its death deletes by this, never by path alone.
    pub incarnation: Incarnation,
}
