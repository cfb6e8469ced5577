//! A wall clock that jumps, and is right again later.

use super::{Hit, Scene};

/// Further than a broker lets a record's time be ahead of its own.
const JUMP: i64 = 2 * 60 * 60;

/// What is done to the wall clock of the owner's host, for as long as an outage lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockFault {
    /// Two hours ahead.
    Ahead,
    /// Two hours back.
    Back,
}

use ClockFault as Kind;

pub(super) const ALL: [Kind; 2] = [Kind::Ahead, Kind::Back];

impl ClockFault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ahead => "clock_ahead",
            Self::Back => "clock_back",
        }
    }

    /// Whoever owns the shard before owns it when the clock is right again.
    pub(super) async fn inflict(self, scene: &mut Scene) -> anyhow::Result<()> {
        let owner = scene.cluster.owner().await?;
        scene.hit.push(Hit::Clock(owner));
        scene.cluster.move_clock(owner, if self == Self::Ahead { JUMP } else { -JUMP })?;
        tokio::time::sleep(scene.away).await;
        let now = scene.cluster.owner().await?;
        anyhow::ensure!(now == owner, "member {now} took over from {owner}, whose clock alone was wrong");
        Ok(())
    }
}
