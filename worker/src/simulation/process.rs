//! One process of a member: it runs, is frozen, or is dead. What it does outside itself waits until it runs; what it
//! does inside itself is nobody's concern while it does not.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maxwell_protocol::id::ShardId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::faults::Point;
use super::world::{Peer, World, lock};

/// How a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Running,
    Frozen,
    Dead,
}

/// See the module.
pub(super) struct Process {
    /// No two processes of a schedule have the same.
    pub(super) number: u64,
    pub(super) member: usize,
    pub(super) world: Arc<World>,
    pub(super) shutdown: CancellationToken,
    condition: watch::Sender<Condition>,
    /// Shards whose lock was proved at ZooKeeper since the last attempt to initialise a producer.
    proved: Mutex<BTreeSet<ShardId>>,
}

impl Process {
    pub(super) fn new(number: u64, member: usize, world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self {
            number,
            member,
            world: Arc::clone(world),
            shutdown: CancellationToken::new(),
            condition: watch::Sender::new(Condition::Running),
            proved: Mutex::default(),
        })
    }

    pub(super) fn is(&self, condition: Condition) -> bool {
        *self.condition.borrow() == condition
    }

    /// Freezes it or lets it go on. The dead stay dead.
    pub(super) fn become_(&self, condition: Condition) {
        self.world.note("process", self.number, condition as u64);
        self.condition.send_if_modified(|known| {
            let changes = *known != Condition::Dead && *known != condition;
            if changes {
                *known = condition;
            }
            changes
        });
    }

    /// Completes while it runs; never again once it is dead.
    pub(super) async fn runs(&self) {
        if self.is(Condition::Running) {
            return;
        }
        if self.condition.subscribe().wait_for(|condition| *condition != Condition::Frozen).await.is_err()
            || self.is(Condition::Dead)
        {
            pending::<()>().await;
        }
    }

    /// Completes once it is dead.
    pub(super) async fn died(&self) {
        let _ = self.condition.subscribe().wait_for(|condition| *condition == Condition::Dead).await;
    }

    /// It comes by a point at which something may be waiting for it.
    pub(super) async fn pass(self: &Arc<Self>, point: Point) {
        self.world.traps.spring(self, point);
        self.runs().await;
    }

    /// A request to Kafka or MySQL travels: `false` if it does not get there in time.
    pub(super) async fn send(self: &Arc<Self>, peer: Peer, point: Point, patience: Duration) -> bool {
        self.pass(point).await;
        let gets_there = async {
            self.world.joined(self.member, peer).await;
            self.world.travel().await;
        };
        let in_time = tokio::time::timeout(patience, gets_there).await.is_ok();
        self.runs().await;
        in_time
    }

    /// The answer travels back, however long that takes.
    pub(super) async fn hear(self: &Arc<Self>, peer: Peer, point: Point) {
        self.world.joined(self.member, peer).await;
        self.world.travel().await;
        self.pass(point).await;
    }

    /// ZooKeeper has found its lock of the shard.
    pub(super) fn prove(&self, shard: &ShardId) {
        lock(&self.proved).insert(shard.clone());
    }

    pub(super) fn has_proved(&self, shard: &ShardId) -> bool {
        lock(&self.proved).contains(shard)
    }

    /// Earlier proofs count no more; whether there was one.
    pub(super) fn forget_proof(&self, shard: &ShardId) -> bool {
        lock(&self.proved).remove(shard)
    }
}
