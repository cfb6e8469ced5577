//! Workers that end at a named place.

use super::Scene;

/// A place in the worker where it is ended. See `fail_point!` in its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Its name.
    pub name: &'static str,
    /// Milliseconds from the place to the end.
    pub after: u64,
    /// Who comes by it.
    pub who: Who,
}

/// Who comes by a failpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The owner, while it streams.
    Owner,
    /// The owner, when it is told to end.
    Leaver,
    /// The successor, once the owner was killed.
    Successor,
}

const fn point(name: &'static str, after: u64, who: Who) -> Point {
    Point { name, after, who }
}

/// Every failpoint.
pub const POINTS: [Point; 8] = [
    point("after-produce", 0, Who::Owner),
    // The commit is on its way while the process ends: its outcome is anybody's guess.
    point("commit-begun", 1, Who::Owner),
    point("commit-answered", 0, Who::Owner),
    point("after-lock", 0, Who::Successor),
    point("after-init", 0, Who::Successor),
    point("after-read", 0, Who::Successor),
    point("after-dump", 0, Who::Successor),
    point("before-release", 0, Who::Leaver),
];

impl Point {
    pub(super) async fn inflict(self, scene: &mut Scene) -> anyhow::Result<()> {
        let cluster = &mut scene.cluster;
        let owner = cluster.owner().await?;
        cluster.remember(owner).await;
        if self.who != Who::Successor {
            cluster.arm(owner, self.name, self.after).await?;
            if self.who == Who::Leaver {
                cluster.signal(owner, "TERM")?;
            }
            return cluster.wait_for_end(owner).await;
        }
        let others: Vec<usize> = (0..cluster.members()).filter(|at| *at != owner).collect();
        for at in &others {
            cluster.arm(*at, self.name, self.after).await?;
        }
        cluster.signal(owner, "KILL")?;
        cluster.wait_for_end(owner).await?;
        cluster.first_to_end(&others).await?;
        for at in &others {
            cluster.disarm(*at, self.name).await?;
        }
        Ok(())
    }
}
