//! `cluster/history`: the last failovers, switchovers and moves, written by the leader.

use serde::{Deserialize, Serialize};

use crate::id::{Incarnation, MemberId, ShardId};

/// How many entries are kept.
pub const KEPT: usize = 32;

/// The bounded list, newest last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// How many failovers there were since the cluster was made, those no longer listed included.
    #[serde(default)]
    pub failovers: u64,
    /// The last entries, newest last.
    #[serde(default)]
    pub entries: Vec<Transition>,
    /// Why the last owner went. Written together with the deletion of its
    /// locks, by itself or by the peer that found it gone; absent when its session merely ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departure: Option<Departure>,
}

/// An owner's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Departure {
    /// The member that went.
    pub member: MemberId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// What ended it.
    pub trigger: Trigger,
    /// When its locks were deleted, milliseconds since the epoch.
    pub time: i64,
    /// From its last sign of life to the deletion.
    #[serde(default)]
    pub detection_milliseconds: u64,
}

impl History {
    /// Appends `entry`, counts it if it was a failover and drops what is over [`KEPT`].
    pub fn record(&mut self, entry: Transition) {
        if entry.trigger.is_failover() {
            self.failovers += 1;
        }
        self.entries.push(entry);
        let excess = self.entries.len().saturating_sub(KEPT);
        self.entries.drain(..excess);
    }
}

/// A shard's change of owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// When the new owner resumed, milliseconds since the epoch.
    pub time: i64,
    /// The shard.
    pub shard: ShardId,
    /// The owner before, if one is known.
    pub from: Option<MemberId>,
    /// The owner after.
    pub to: MemberId,
    /// What set it off.
    pub trigger: Trigger,
    /// Who asked for it; empty when nobody did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Milliseconds between the old owner's last committed change and the new owner's first, on the source's clock
    /// and the new owner's; `None` until a change came.
    #[serde(default)]
    pub gap_milliseconds: Option<u64>,
    /// How long each phase took.
    #[serde(default)]
    pub phases: Phases,
}

/// What set a change of owner off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trigger {
    /// The first owner of the shard.
    FirstStart,
    /// A peer saw the owner's process gone.
    ConnectionReset,
    /// The owner's ZooKeeper session ended.
    SessionExpired,
    /// The owner ended in good order.
    Shutdown,
    /// Somebody asked for it.
    Requested,
    /// The owner had more to do than another member.
    Rebalanced,
    /// The owner could not reach MySQL or Kafka.
    Unreachable,
    /// The owner was far behind and did not get on.
    Stalled,
    /// The owner stayed, and went back to an earlier position, as somebody asked for.
    Rewound,
    /// The shard is one of another layout than before, as somebody asked for.
    Divided,
}

impl Trigger {
    /// Whether the change was forced by a failure.
    pub fn is_failover(self) -> bool {
        matches!(self, Self::ConnectionReset | Self::SessionExpired | Self::Unreachable | Self::Stalled)
    }
}

/// The durations of a take-over's phases, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Phases {
    /// From the last sign of the old owner to the verdict; of a request, from its writing to its acceptance.
    #[serde(default)]
    pub detection_milliseconds: u64,
    /// From the verdict to the shard's lock.
    #[serde(default)]
    pub election_milliseconds: u64,
    /// From the lock to the position: fencing and reading.
    #[serde(default)]
    pub sync_milliseconds: u64,
    /// From the position to the open binlog dump.
    #[serde(default)]
    pub resume_milliseconds: u64,
}
