//! Which member a shard is assigned to, and the layout of the shards.

use serde::{Deserialize, Serialize};

use crate::id::{Epoch, MemberId};

/// `shards/<shard>`: written by the leader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    /// The member that shall own the shard; it starts the shard only with the shard's lock.
    pub member: MemberId,
    /// The epoch of the leader that decided; an assignment of an older leader is refused.
    pub leader_epoch: Epoch,
    /// Why.
    pub reason: AssignmentReason,
}

/// Why a shard is where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AssignmentReason {
    /// First assignment of the shard.
    Initial,
    /// Its owner is gone.
    OwnerLost,
    /// Somebody asked for it.
    Requested,
}

/// `cluster/layout`: written by the leader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layout {
    /// Grows with every change of the layout; part of every position record.
    pub generation: u64,
    /// How many shards there are.
    pub shards: u32,
}

impl Default for Layout {
    fn default() -> Self {
        Self { generation: 1, shards: 1 }
    }
}
