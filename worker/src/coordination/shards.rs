//! The shards that are assigned to this member: lock, run, release.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use maxwell_protocol::assignment::Layout;
use maxwell_protocol::id::ShardId;
use maxwell_protocol::settings::Delivery;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::assign::shards;
use super::error::Failure;
use super::life::Life;
use super::lock::Lock;
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
    for (shard, number) in shards(&layout) {
        running.spawn(run_shard(life.clone(), layout.clone(), shard, number, stop.clone()));
    }
    while running.join_next().await.is_some() {}
}

async fn run_shard(life: Life, layout: Layout, shard: ShardId, number: u32, stop: CancellationToken) {
    let context = ShardContext {
        cluster: life.cluster,
        member: life.config.member.clone(),
        incarnation: life.incarnation,
        shard: shard.clone(),
        number,
        shards: layout.shards,
        generation: layout.generation,
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
                life.step_down.notify_waiters();
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Keeps the host ready for the shard, for as long as it is polled.
async fn stay_warm(life: &Life, context: &ShardContext) {
    loop {
        life.host.warm(context).await;
        tokio::time::sleep(WARMING).await;
    }
}

/// Waits until the shard is assigned to this member and its lock is held; since when it was waited for.
async fn my_turn(life: &Life, shard: &ShardId) -> Result<(Arc<Lock>, i64), Failure> {
    let mut observation = life.observation.clone();
    let assigned = |life: &Life, observed: &super::observed::Observed| {
        observed.assignments.get(shard).is_some_and(|assignment| assignment.member == life.config.member)
            && observed.leader.as_ref().is_some_and(|leader| leader.incarnation == life.incarnation)
    };
    observation.wait_for(|observed| assigned(life, observed)).await.map_err(|_| Failure::Expired)?;
    let lock = Lock::enter(&life.store, life.store.tree().shard_locks(shard), &life.lock_record()).await?;
    let held = tokio::select! {
        held = lock.held(&life.store, life.observation.clone()) => held,
        // The assignment went elsewhere while another one still held the lock.
        moved = observation.wait_for(|observed| !assigned(life, observed)) => {
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
    let run = life.host.run(context.clone(), ownership, stop.clone());
    tokio::pin!(run);
    tokio::select! {
        ended = &mut run => ended,
        () = noted => run.await,
    }
}
