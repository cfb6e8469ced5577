//! What happens to a cluster of several shards.

use super::{ProcessFault, Scene, asked};

/// What is done to a cluster of several shards. The gap is the longest of any shard, until all are spread evenly again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DividedFault {
    /// Who owns the most and who leads get SIGKILL; a third one where one member is both. Twelve shards.
    KillOwnerAndLeader,
    /// A member gets SIGTERM, its shards go to the others; it comes back and is given some. Four shards.
    Terminate,
    /// A shard is moved on request, another back by the cluster itself. Four shards.
    Moved,
}

use DividedFault as Kind;

pub(super) const ALL: [Kind; 3] = [Kind::KillOwnerAndLeader, Kind::Terminate, Kind::Moved];

impl DividedFault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::KillOwnerAndLeader => "shards_kill_owner_and_leader",
            Self::Terminate => "shards_terminate",
            Self::Moved => "shards_moved",
        }
    }

    /// Shards of the cluster that it is done to.
    pub(super) fn shards(self) -> u32 {
        match self {
            Self::KillOwnerAndLeader => 12,
            Self::Terminate | Self::Moved => 4,
        }
    }

    pub(super) async fn inflict(self, scene: &mut Scene) -> anyhow::Result<()> {
        match self {
            Self::KillOwnerAndLeader => ProcessFault::KillOwnerAndLeader.inflict(scene).await,
            Self::Terminate => ProcessFault::Terminate.inflict(scene).await,
            Self::Moved => asked::moved(scene).await,
        }
    }
}
