//! ZooKeeper servers that are killed.

use std::time::Duration;

use super::{Hit, Scene};
use crate::lab::{ENSEMBLE, lab, restart_zookeeper, until_quorum};

/// Longer than any session.
const LONG: Duration = Duration::from_secs(60);
/// How long the owner is looked at when the quorum is back.
const WATCHED: Duration = Duration::from_secs(5);

/// What is done to the ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZooKeeperFault {
    /// One server is killed, for as long as an outage lasts.
    MemberKilled,
    /// Every server is killed and started again, one after the other, and then the owner gets SIGKILL.
    Rolled,
    /// Two of three servers are killed, for as long as an outage lasts.
    QuorumAway,
    /// The same for longer than any session lasts. Who owned the shard owns it when they are back.
    QuorumAwayLong,
}

use ZooKeeperFault as Kind;

pub(super) const ALL: [Kind; 4] = [Kind::MemberKilled, Kind::Rolled, Kind::QuorumAway, Kind::QuorumAwayLong];

impl ZooKeeperFault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::MemberKilled => "zookeeper_member_killed",
            Self::Rolled => "zookeeper_rolled",
            Self::QuorumAway => "zookeeper_quorum_away",
            Self::QuorumAwayLong => "zookeeper_quorum_away_long",
        }
    }

    pub(super) async fn inflict(self, scene: &mut Scene) -> anyhow::Result<()> {
        let (killed, away) = match self {
            Self::MemberKilled => (1, scene.away),
            Self::QuorumAway => (2, scene.away),
            Self::QuorumAwayLong => (2, scene.away.max(LONG)),
            Self::Rolled => {
                restart_zookeeper().await?;
                let owner = scene.cluster.owner().await?;
                return scene.cluster.end(owner, "KILL").await;
            }
        };
        let owner = scene.cluster.owner().await?;
        scene.hit.push(Hit::Ensemble);
        for host in &ENSEMBLE[..killed] {
            lab(&["kill", host]).await?;
        }
        tokio::time::sleep(away).await;
        if self == Self::QuorumAwayLong {
            heal().await?;
            tokio::time::sleep(WATCHED).await;
            let now = scene.cluster.owner().await?;
            anyhow::ensure!(now == owner, "member {now} took over from {owner}, which lived");
        }
        Ok(())
    }
}

pub(super) async fn heal() -> anyhow::Result<()> {
    lab(&["up", "zookeeper"]).await?;
    until_quorum().await
}
