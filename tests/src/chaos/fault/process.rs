//! Worker processes that are killed, ended and frozen.

use std::time::Duration;

use super::{Hit, Scene};

/// Shorter than any session's timeout.
const SHORT: Duration = Duration::from_millis(900);

/// What is done to worker processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessFault {
    /// The owner gets SIGKILL.
    Kill,
    /// The owner gets SIGTERM.
    Terminate,
    /// The owner gets SIGSTOP, and SIGCONT before anybody notices.
    FreezeShort,
    /// The owner gets SIGSTOP until another member streams, then SIGCONT.
    FreezeLong,
    /// Whoever owns and whoever leads get SIGKILL; a third one where one member is both.
    KillOwnerAndLeader,
    /// The owner gets SIGKILL, and its successor as soon as it streams.
    KillTwice,
    /// Every worker gets SIGKILL.
    KillAll,
    /// A member that stands by gets SIGKILL.
    KillStandby,
}

use ProcessFault as Kind;

pub(super) const ALL: [Kind; 8] = [
    Kind::Kill,
    Kind::Terminate,
    Kind::FreezeShort,
    Kind::FreezeLong,
    Kind::KillOwnerAndLeader,
    Kind::KillTwice,
    Kind::KillAll,
    Kind::KillStandby,
];

impl ProcessFault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Terminate => "terminate",
            Self::FreezeShort => "freeze_short",
            Self::FreezeLong => "freeze_long",
            Self::KillOwnerAndLeader => "kill_owner_and_leader",
            Self::KillTwice => "kill_twice",
            Self::KillAll => "kill_all",
            Self::KillStandby => "kill_standby",
        }
    }

    pub(super) async fn inflict(self, scene: &mut Scene) -> anyhow::Result<()> {
        let owner = scene.cluster.owner().await?;
        let members = scene.cluster.members();
        match self {
            Self::Kill => scene.cluster.end(owner, "KILL").await,
            Self::Terminate => scene.cluster.end(owner, "TERM").await,
            Self::FreezeShort => {
                freeze(scene, owner)?;
                tokio::time::sleep(SHORT).await;
                Ok(())
            }
            Self::FreezeLong => {
                freeze(scene, owner)?;
                scene.cluster.owner_but(&[owner]).await.map(drop)
            }
            Self::KillOwnerAndLeader => {
                let leader = scene.cluster.leader().await?.filter(|leader| *leader != owner);
                scene.cluster.end(owner, "KILL").await?;
                scene.cluster.end(leader.unwrap_or((owner + 1) % members), "KILL").await
            }
            Self::KillTwice => {
                scene.cluster.end(owner, "KILL").await?;
                let successor = scene.cluster.owner_but(&[owner]).await?;
                scene.cluster.end(successor, "KILL").await
            }
            Self::KillAll => {
                for at in 0..members {
                    scene.cluster.end(at, "KILL").await?;
                }
                Ok(())
            }
            Self::KillStandby => scene.cluster.end((owner + 1) % members, "KILL").await,
        }
    }
}

fn freeze(scene: &mut Scene, at: usize) -> anyhow::Result<()> {
    scene.cluster.signal(at, "STOP")?;
    scene.hit.push(Hit::Frozen(at));
    Ok(())
}
