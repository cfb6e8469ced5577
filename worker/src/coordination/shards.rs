//! The shards that are assigned to this member: lock, run, release.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maxwell_protocol::history::{Departure, Trigger};
use maxwell_protocol::id::ShardId;
use maxwell_protocol::layout::Layout;
use maxwell_protocol::settings::{Delivery, Mode};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::assign::is_heir;
use super::departure::give_up;
use super::error::Failure;
use super::handover::{get_ready, last_call};
use super::held::run_as_wanted;
use super::life::Life;
use super::lock::Lock;
use super::observed::Observed;
use super::ownership::HeldShard;
use super::resumption::{Arrival, Steps, note_resumption};
use super::rewind::Rewinds;
use super::{ShardContext, ShardEnd};
use crate::clock::milliseconds;

/// After a shard was given up it is not taken back for this long: whoever took it goes first.
const REST: Duration = Duration::from_secs(1);

/// How often the host is told to be ready for a shard.
const WARMING: Duration = Duration::from_secs(5);

/// When shards end that nothing ails.
#[derive(Clone)]
pub(super) struct Ends {
    /// None is taken any more, and what there is ends once another member is ready for it.
    pub(super) leaving: CancellationToken,
    /// At once. Implies the other.
    pub(super) stop: CancellationToken,
}

impl Ends {
    pub(super) fn new() -> Self {
        let stop = CancellationToken::new();
        Self { leaving: stop.child_token(), stop }
    }
}

/// Runs the shards of one layout after the other.
pub(super) async fn run_shards(life: Life, ends: Ends) {
    let mut observation = life.observation.clone();
    let mut before = 0;
    loop {
        let layout = tokio::select! {
            () = ends.leaving.cancelled() => return,
            found = observation.wait_for(|observed| generation(observed) > before) => match found {
                Ok(observed) => observed.layout.clone().unwrap_or_default(),
                Err(_) => return,
            },
        };
        before = layout.generation;
        run_layout(&life, layout, &ends).await;
    }
}

fn generation(observed: &Observed) -> u64 {
    observed.layout.as_ref().map_or(0, |layout| layout.generation)
}

/// Runs every shard of the layout while it is assigned to this member, until another one is in force.
async fn run_layout(life: &Life, layout: Layout, ends: &Ends) {
    let over = ends.stop.child_token();
    let mut running = JoinSet::new();
    let layout = Arc::new(layout);
    for (shard, number) in layout.shards() {
        let ends = (ends.leaving.clone(), over.clone());
        running.spawn(run_shard(life.clone(), Arc::clone(&layout), shard, number, ends));
    }
    let all = async { while running.join_next().await.is_some() {} };
    tokio::pin!(all);
    let mut observation = life.observation.clone();
    tokio::select! {
        () = &mut all => return,
        another = observation.wait_for(|observed| generation(observed) > layout.generation) => {
            if another.is_ok() {
                tracing::info!(generation = layout.generation, "another layout is in force: its shards follow");
                over.cancel();
            }
        }
    }
    // A shard may be one of both layouts: its lock is released before it is asked for again.
    all.await;
}

/// Runs a shard whenever it is assigned to this member. `leaving` ends it with this life, `over` with the layout.
async fn run_shard(
    life: Life,
    layout: Arc<Layout>,
    shard: ShardId,
    number: u32,
    (leaving, over): (CancellationToken, CancellationToken),
) {
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
            turn = my_turn(&life, &context, (&leaving, &over)) => turn,
            () = stay_warm(&life, &context) => return,
        };
        let Ok((lock, arrival)) = turn else {
            tokio::select! {
                () = ended(&leaving, &over) => return,
                () = life.store.expired() => return,
                () = tokio::time::sleep(Duration::from_millis(100)) => continue,
            }
        };
        let end = run_until_left(&life, &context, (&lock, &arrival), (&leaving, &over)).await;
        life.membership.withdraw(&shard);
        #[cfg(feature = "failpoints")]
        if leaving.is_cancelled() {
            fail::fail_point!("before-release");
        }
        let awaited = is_awaited(&life, &life.observation.borrow(), &shard);
        let released = match &end {
            ShardEnd::Unreachable { .. } => give_shard_up(&life, &lock, Trigger::Unreachable).await,
            // Nobody may be there to take it: whoever comes shall know that nothing has failed.
            _ if leaving.is_cancelled() && !awaited => give_shard_up(&life, &lock, Trigger::Shutdown).await,
            _ => lock.leave(&life.store).await,
        };
        if let Err(failure) = released {
            tracing::warn!(%shard, %failure, "the shard's lock could not be released");
        }
        match end {
            ShardEnd::Drained | ShardEnd::Sealed(_) if leaving.is_cancelled() || over.is_cancelled() => {
                return;
            }
            ShardEnd::Drained | ShardEnd::Sealed(_) => {}
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
        // What is assigned to it is about to be taken over: no producer shall be busy with questions then.
        if heir && !is_mine(life, &life.observation.borrow(), &context.shard) {
            life.host.warm(context).await;
        }
        tokio::time::sleep(WARMING).await;
    }
}

/// Waits until the shard is assigned to this member and its lock is held; how it came. With `leaving` and `over` it stands in
/// line no more.
async fn my_turn(
    life: &Life,
    context: &ShardContext,
    (leaving, over): (&CancellationToken, &CancellationToken),
) -> Result<(Arc<Lock>, Arrival), Failure> {
    let shard = &context.shard;
    let mut observation = life.observation.clone();
    let of_this_leader = |observed: &Observed| {
        let assignment = observed.assignments.get(shard);
        assignment.map(|assignment| assignment.leader_epoch) == observed.leader.as_ref().map(|it| it.epoch)
    };
    tokio::select! {
        () = ended(leaving, over) => return Err(Failure::Conflict),
        mine = observation.wait_for(|observed| is_mine(life, observed, shard) && of_this_leader(observed)) => {
            mine.map_err(|_| Failure::Expired)?;
        }
    }
    tokio::select! {
        () = ended(leaving, over) => return Err(Failure::Conflict),
        () = get_ready(life, context) => {}
    }
    let lock = Lock::enter(&life.store, life.store.tree().shard_locks(shard), &life.lock_record()).await?;
    let held = tokio::select! {
        held = lock.held(&life.store, life.observation.clone()) => held,
        // The assignment went elsewhere while another one still held the lock.
        moved = observation.wait_for(|observed| !is_mine(life, observed, shard)) => {
            moved.map(drop).map_err(|_| Failure::Expired).and(Err(Failure::Conflict))
        }
        () = ended(leaving, over) => Err(Failure::Conflict),
    };
    match held {
        // Who leaves keeps no place that others would wait behind.
        Ok(()) if leaving.is_cancelled() => lock.leave(&life.store).await.and(Err(Failure::Conflict)),
        Ok(()) => Ok((Arc::new(lock), Arrival::of(&life.observation.borrow(), shard, &life.config.member))),
        Err(failure) => {
            lock.leave(&life.store).await?;
            Err(failure)
        }
    }
}

async fn ended(leaving: &CancellationToken, over: &CancellationToken) {
    tokio::select! {
        () = leaving.cancelled() => {}
        () = over.cancelled() => {}
    }
}

fn is_mine(life: &Life, observed: &Observed, shard: &ShardId) -> bool {
    observed.is_assigned_to(shard, &life.config.member)
}

/// Whether the shard is assigned to another member that stands in line for its lock. As long as it does not, it may
/// not be well, and the owner streams on.
pub(super) fn is_awaited(life: &Life, observed: &Observed, shard: &ShardId) -> bool {
    let assignment = observed.assignments.get(shard);
    assignment.is_some_and(|assignment| {
        assignment.member != life.config.member && observed.stands_in_line(shard, &assignment.member)
    })
}

/// Runs the shard while its lock is held. With `leaving` it is ended when nobody could take it, or has come for it in time;
/// with `over` at once.
async fn run_until_left(
    life: &Life,
    context: &ShardContext,
    held: (&Arc<Lock>, &Arrival),
    (leaving, over): (&CancellationToken, &CancellationToken),
) -> ShardEnd {
    let end = over.child_token();
    let run = run_held(life, context, held, &end);
    tokio::pin!(run);
    tokio::select! {
        ended = &mut run => ended,
        () = last_call(life, leaving) => {
            end.cancel();
            run.await
        }
    }
}

async fn run_held(
    life: &Life,
    context: &ShardContext,
    (lock, arrival): (&Arc<Lock>, &Arrival),
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
        generation: context.layout.generation,
        health: Arc::clone(&life.health),
        given_up: AtomicBool::new(false),
        rewinds: Rewinds::default(),
        steps,
    });
    #[cfg(feature = "failpoints")]
    fail::fail_point!("after-lock");
    let noted = note_resumption(life, shard, arrival, stepped);
    let run = run_as_wanted(life, context, ownership, stop);
    tokio::pin!(run);
    tokio::select! {
        ended = &mut run => ended,
        () = noted => run.await,
    }
}

/// Gives the shard up while it still runs.
pub(super) async fn give_way(life: &Life, ownership: &HeldShard, trigger: Trigger) {
    ownership.given_up.store(true, Ordering::Relaxed);
    if let Err(failure) = give_shard_up(life, &ownership.lock, trigger).await {
        tracing::warn!(shard = %ownership.shard, %failure, "the shard's lock could not be released");
    }
    life.step_down.notify_waiters();
}

/// Gives the shard's lock up, and says why to whoever comes next.
async fn give_shard_up(life: &Life, lock: &Lock, trigger: Trigger) -> Result<(), Failure> {
    let departed = Departure {
        member: life.config.member.clone(),
        incarnation: life.incarnation,
        trigger,
        time: milliseconds(),
        detection_milliseconds: match trigger {
            Trigger::Shutdown => 0,
            _ => life.health.vitals().silent.as_millis() as u64,
        },
    };
    give_up(&life.store, life.observation.clone(), lock.path(), &departed).await
}
