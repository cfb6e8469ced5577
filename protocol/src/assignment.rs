//! Which member a shard is assigned to.

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
    /// The member before, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<MemberId>,
    /// When it was decided, milliseconds since the epoch by the leader's clock; 0 if unknown.
    #[serde(default)]
    pub at: i64,
}

/// Why a shard is where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AssignmentReason {
    /// First assignment of the shard.
    Initial,
    /// Its owner is gone.
    OwnerLost,
    /// Its owner is about to end, or parked.
    OwnerLeaves,
    /// Somebody asked for it: it stays there until that member is gone.
    Requested,
    /// Its member had more to do than another.
    Rebalanced,
}
