//! The shards that are assigned to this member: lock, run, release.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use maxwell_protocol::id::ShardId;
use maxwell_protocol::layout::Layout;
use maxwell_protocol::settings::{Delivery, Mode};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::assign::is_heir;
use super::error::Failure;
use super::life::Life;
use super::lock::Lock;
use super::observed::Observed;
use super::ownership::HeldShard;
use super::resumption::{Steps, note_resumption};
use super::{ShardContext, ShardEnd};
use crate::clock::milliseconds;

/// After a shard was given up it is not taken back for this long: whoever took it goes first.
const REST: Duration = Duration::from_secs(1);

/// How often the host is told to be ready for a shard.
const WARMING: Duration = Duration::from_secs(5);

/// Runs every shard of the layout while it is assigned to this member, until `stop`.
pub(super) async fn run_shards(life: Life, stop: CancellationToken) {
    let mut observation = life.observation.clone();
    let layout = tokio::select! {
        () = stop.cancelled() => return,
        found = observation.wait_for(|observed| observed.layout.is_some()) => match found {
            Ok(observed) => observed.layout.clone().unwrap_or_default(),
            Err(_) => return,
        },
    };
    let mut running = JoinSet::new();
    let layout = Arc::new(layout);
    for (shard, number) in layout.shards() {
        running.spawn(run_shard(life.clone(), Arc::clone(&layout), shard, number, stop.clone()));
    }
    while running.join_next().await.is_some() {}
}

async fn run_shard(life: Life, layout: Arc<Layout>, shard: ShardId, number: u32, stop: CancellationToken) {
    let context = ShardContext {
        cluster: life.cluster,
        member: life.config.member.clone(),
        incarnation: life.incarnation,
        shard: shard.clone(),
        number,
        layout,
    };
    loop {
        let turn = tokio::select! {
            () = stop.cancelled() => return,
            turn = my_turn(&life, &shard) => turn,
            () = stay_warm(&life, &context) => return,
        };
        let Ok((lock, entered)) = turn else {
            tokio::select! {
                () = stop.cancelled() => return,
                () = life.store.expired() => return,
                () = tokio::time::sleep(Duration::from_millis(100)) => continue,
            }
        };
        let ended = run_held(&life, &context, (&lock, entered), &stop).await;
        life.membership.withdraw(&shard);
        if let Err(failure) = lock.leave(&life.store).await {
            tracing::warn!(%shard, %failure, "the shard's lock could not be released");
        }
        match ended {
            ShardEnd::Drained if stop.is_cancelled() => return,
            ShardEnd::Drained => {}
            ShardEnd::Relinquished { reason } | ShardEnd::Unreachable { reason } => {
                tracing::warn!(%shard, reason, "gave the shard up");
                if life.config.policy.mode == Mode::ActiveStandby {
                    life.step_down.notify_waiters();
                }
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Keeps the host ready for the shard while this member would be the next to own it, for as long as it is polled.
async fn stay_warm(life: &Life, context: &ShardContext) {
    loop {
        let heir = is_heir(&life.config.policy, &life.observation.borrow(), &context.shard, &context.member);
        if heir {
            life.host.warm(context).await;
        }
        tokio::time::sleep(WARMING).await;
    }
}

/// Waits until the shard is assigned to this member and its lock is held; since when it was waited for.
async fn my_turn(life: &Life, shard: &ShardId) -> Result<(Arc<Lock>, i64), Failure> {
    let mut observation = life.observation.clone();
    let assigned = |observed: &Observed| is_assigned(observed, shard, life);
    observation.wait_for(|observed| assigned(observed)).await.map_err(|_| Failure::Expired)?;
    let lock = Lock::enter(&life.store, life.store.tree().shard_locks(shard), &life.lock_record()).await?;
    let held = tokio::select! {
        held = lock.held(&life.store, life.observation.clone()) => held,
        // The assignment went elsewhere while another one still held the lock.
        moved = observation.wait_for(|observed| !assigned(observed)) => {
            moved.map(drop).map_err(|_| Failure::Expired).and(Err(Failure::Conflict))
        }
    };
    match held {
        Ok(()) => Ok((Arc::new(lock), milliseconds())),
        Err(failure) => {
            lock.leave(&life.store).await?;
            Err(failure)
        }
    }
}

/// Whether the leader there is, and not one before it, wants this member to own the shard.
fn is_assigned(observed: &Observed, shard: &ShardId, life: &Life) -> bool {
    observed.assignments.get(shard).is_some_and(|assignment| {
        assignment.member == life.config.member
            && observed.leader.as_ref().is_some_and(|leader| leader.epoch == assignment.leader_epoch)
    })
}

/// Whether a leader wants another member to own the shard.
fn is_moved(observed: &Observed, shard: &ShardId, life: &Life) -> bool {
    observed.assignments.get(shard).is_some_and(|assignment| assignment.member != life.config.member)
}

async fn run_held(
    life: &Life,
    context: &ShardContext,
    (lock, entered): (&Arc<Lock>, i64),
    stop: &CancellationToken,
) -> ShardEnd {
    let shard = &context.shard;
    let (steps, stepped) = watch::channel(Steps::default());
    let unfenced = life.config.delivery == Delivery::AtLeastOnce;
    let ownership = Arc::new(HeldShard {
        shard: shard.clone(),
        lock: Arc::clone(lock),
        store: life.store.clone(),
        observation: life.observation.clone(),
        membership: Arc::clone(&life.membership),
        // A connection counts as dead a quarter of the session's time after the last answer.
        unfenced_limit: unfenced.then_some(life.session_timeout / 4),
        silent_since: Mutex::default(),
        failover: life.config.failover.enabled,
        steps,
    });
    #[cfg(feature = "failpoints")]
    fail::fail_point!("after-lock");
    let noted = note_resumption(life, shard, entered, stepped);
    let drain = stop.child_token();
    let run = life.host.run(context.clone(), ownership, drain.clone());
    let mut observation = life.observation.clone();
    let moved = async {
        if observation.wait_for(|observed| is_moved(observed, shard, life)).await.is_ok() {
            drain.cancel();
        }
        std::future::pending().await
    };
    let noted = async {
        noted.await;
        std::future::pending().await
    };
    tokio::select! {
        ended = run => ended,
        ended = moved => ended,
        ended = noted => ended,
    }
}
