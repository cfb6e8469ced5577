//! ZooKeeper servers that are killed.

use super::{Hit, Scene};
use crate::lab::{ENSEMBLE, lab, restart_zookeeper, until_quorum};

/// What is done to the ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZooKeeperFault {
    /// One server is killed, for as long as an outage lasts.
    MemberKilled,
    /// Every server is killed and started again, one after the other, and then the owner gets SIGKILL.
    Rolled,
    /// Two of three servers are killed, for as long as an outage lasts.
    QuorumAway,
}

use ZooKeeperFault as Kind;

pub(super) const ALL: [Kind; 3] = [Kind::MemberKilled, Kind::Rolled, Kind::QuorumAway];

impl ZooKeeperFault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::MemberKilled => "zookeeper_member_killed",
            Self::Rolled => "zookeeper_rolled",
            Self::QuorumAway => "zookeeper_quorum_away",
        }
    }

    pub(super) async fn inflict(self, scene: &mut Scene) -> anyhow::Result<()> {
        let killed = match self {
            Self::MemberKilled => 1,
            Self::QuorumAway => 2,
            Self::Rolled => {
                restart_zookeeper().await?;
                let owner = scene.cluster.owner().await?;
                return scene.cluster.end(owner, "KILL").await;
            }
        };
        scene.hit.push(Hit::Ensemble);
        for host in &ENSEMBLE[..killed] {
            lab(&["kill", host]).await?;
        }
        tokio::time::sleep(scene.away).await;
        Ok(())
    }
}

pub(super) async fn heal() -> anyhow::Result<()> {
    lab(&["up", "zookeeper"]).await?;
    until_quorum().await
}
