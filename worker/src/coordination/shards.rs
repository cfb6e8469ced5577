//! The shards that are assigned to this member: lock, run, release.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maxwell_protocol::history::{Departure, Trigger};
use maxwell_protocol::id::ShardId;
use maxwell_protocol::layout::Layout;
use maxwell_protocol::member::{ShardReport, ShardState};
use maxwell_protocol::position::PositionRecord;
use maxwell_protocol::settings::{Delivery, Mode};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::assign::is_heir;
use super::departure::give_up;
use super::error::Failure;
use super::life::Life;
use super::lock::Lock;
use super::observed::Observed;
use super::observer::Observation;
use super::ownership::HeldShard;
use super::reach::is_better_elsewhere;
use super::resumption::{Arrival, Steps, note_resumption};
use super::rewind::Rewinds;
use super::{Ownership, ShardContext, ShardEnd};
use crate::clock::milliseconds;

/// After a shard was given up it is not taken back for this long: whoever took it goes first.
const REST: Duration = Duration::from_secs(1);

/// Between two looks at a sealed shard.
const LOOK: Duration = Duration::from_millis(20);

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
        let Ok((lock, arrival)) = turn else {
            tokio::select! {
                () = stop.cancelled() => return,
                () = life.store.expired() => return,
                () = tokio::time::sleep(Duration::from_millis(100)) => continue,
            }
        };
        let ended = run_held(&life, &context, (&lock, &arrival), &stop).await;
        life.membership.withdraw(&shard);
        let released = match &ended {
            ShardEnd::Unreachable { .. } => give_shard_up(&life, &lock, Trigger::Unreachable).await,
            _ => lock.leave(&life.store).await,
        };
        if let Err(failure) = released {
            tracing::warn!(%shard, %failure, "the shard's lock could not be released");
        }
        match ended {
            ShardEnd::Drained | ShardEnd::Sealed(_) if stop.is_cancelled() => return,
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
        if heir {
            life.host.warm(context).await;
        }
        tokio::time::sleep(WARMING).await;
    }
}

/// Waits until the shard is assigned to this member and its lock is held; how it came.
async fn my_turn(life: &Life, shard: &ShardId) -> Result<(Arc<Lock>, Arrival), Failure> {
    let mut observation = life.observation.clone();
    let of_this_leader = |observed: &Observed| {
        let assignment = observed.assignments.get(shard);
        assignment.map(|assignment| assignment.leader_epoch) == observed.leader.as_ref().map(|it| it.epoch)
    };
    observation
        .wait_for(|observed| is_mine(life, observed, shard) && of_this_leader(observed))
        .await
        .map_err(|_| Failure::Expired)?;
    let lock = Lock::enter(&life.store, life.store.tree().shard_locks(shard), &life.lock_record()).await?;
    let held = tokio::select! {
        held = lock.held(&life.store, life.observation.clone()) => held,
        // The assignment went elsewhere while another one still held the lock.
        moved = observation.wait_for(|observed| !is_mine(life, observed, shard)) => {
            moved.map(drop).map_err(|_| Failure::Expired).and(Err(Failure::Conflict))
        }
    };
    match held {
        Ok(()) => Ok((Arc::new(lock), Arrival::of(&life.observation.borrow(), shard, &life.config.member))),
        Err(failure) => {
            lock.leave(&life.store).await?;
            Err(failure)
        }
    }
}

fn is_mine(life: &Life, observed: &Observed, shard: &ShardId) -> bool {
    observed.assignments.get(shard).is_some_and(|assignment| assignment.member == life.config.member)
}

/// Whether the shard is assigned to another member that stands in line for its lock. As long as it does not, it may
/// not be well, and the owner streams on.
fn is_awaited(life: &Life, observed: &Observed, shard: &ShardId) -> bool {
    let assignment = observed.assignments.get(shard);
    assignment.is_some_and(|assignment| {
        assignment.member != life.config.member && observed.stands_in_line(shard, &assignment.member)
    })
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
        health: Arc::clone(&life.health),
        given_up: AtomicBool::new(false),
        rewinds: Rewinds::default(),
        steps,
    });
    #[cfg(feature = "failpoints")]
    fail::fail_point!("after-lock");
    let noted = note_resumption(life, shard, arrival, stepped);
    let run = run_unless_paused(life, context, ownership, stop);
    tokio::pin!(run);
    tokio::select! {
        ended = &mut run => ended,
        () = noted => run.await,
    }
}

/// Runs the shard whenever the cluster is not paused or the shard is to go back, until `stop`, until another member awaits
/// it or until ownership ends.
async fn run_unless_paused(
    life: &Life,
    context: &ShardContext,
    ownership: Arc<HeldShard>,
    stop: &CancellationToken,
) -> ShardEnd {
    let mut observation = life.observation.clone();
    let shard = &context.shard;
    loop {
        let idle = |observed: &Observed| observed.paused() && ownership.rewind_in(observed).is_none();
        if idle(&observation.borrow_and_update()) {
            let retention = life.membership.retention(shard);
            ownership.report(ShardReport { state: ShardState::Paused, retention, ..ShardReport::default() });
            tokio::select! {
                () = stop.cancelled() => return ShardEnd::Drained,
                () = ownership.lost() => {
                    return ShardEnd::Relinquished { reason: "the shard's lock is gone".into() };
                }
                found = observation.wait_for(|observed| {
                    !idle(observed) || is_awaited(life, observed, shard)
                }) => if found.is_err() { return ShardEnd::Drained },
            }
        }
        if is_awaited(life, &observation.borrow_and_update(), shard) {
            return ShardEnd::Drained;
        }
        // A run carries a rewind out or streams, as far as it is to, and ends when something else is wanted.
        let (rewinds, seal) = (ownership.rewind().is_some(), ownership.seal_at());
        let is_over = |observed: &Observed| {
            let rewind = ownership.rewind_in(observed).is_some();
            let otherwise = rewind != rewinds || ownership.seal_in(observed) != seal;
            is_awaited(life, observed, shard) || otherwise || (observed.paused() && !rewinds)
        };
        let halt = stop.child_token();
        let run = life.host.run(context.clone(), Arc::clone(&ownership) as Arc<dyn Ownership>, halt.clone());
        tokio::pin!(run);
        let ended = tokio::select! {
            ended = &mut run => ended,
            () = until(observation.clone(), is_over) => {
                halt.cancel();
                run.await
            }
            reason = is_better_elsewhere(life, shard) => {
                // With Kafka away a run can take long to end; who comes next fences it.
                tokio::join!(give_way(life, &ownership, reason.trigger), run);
                ShardEnd::Relinquished { reason: reason.words }
            }
        };
        // What it ended for is looked at again above.
        match ended {
            _ if stop.is_cancelled() => return ended,
            ShardEnd::Drained => {}
            ShardEnd::Sealed(record) => {
                if let Some(ended) = wait_sealed(life, context, (&ownership, &record), stop).await {
                    return ended;
                }
            }
            ended => return ended,
        }
    }
}

/// Gives the shard up while it still runs.
async fn give_way(life: &Life, ownership: &HeldShard, trigger: Trigger) {
    ownership.given_up.store(true, Ordering::Relaxed);
    if let Err(failure) = give_shard_up(life, &ownership.lock, trigger).await {
        tracing::warn!(shard = %ownership.shard, %failure, "the shard's lock could not be released");
    }
    life.step_down.notify_waiters();
}

/// Keeps the shard for as long as nothing may follow its last record, or until another member awaits it.
async fn wait_sealed(
    life: &Life,
    context: &ShardContext,
    (ownership, record): (&HeldShard, &PositionRecord),
    stop: &CancellationToken,
) -> Option<ShardEnd> {
    let mut observation = life.observation.clone();
    let waits = |observed: &Observed| {
        let holds = |seal| observed.layout.as_ref().is_some_and(|layout| layout.keeps_sealed(seal));
        record.sealed.is_some_and(holds) && !is_awaited(life, observed, &context.shard)
    };
    tokio::select! {
        () = stop.cancelled() => return Some(ShardEnd::Drained),
        () = ownership.lost() => {
            return Some(ShardEnd::Relinquished { reason: "the shard's lock is gone".into() });
        }
        found = observation.wait_for(|observed| !waits(observed)) => if found.is_err() {
            return Some(ShardEnd::Drained);
        },
    }
    // Who asks the quorum may know of the seal before what is watched here tells of it.
    tokio::time::sleep(LOOK).await;
    None
}

/// Gives the shard's lock up, and says why to whoever comes next.
async fn give_shard_up(life: &Life, lock: &Lock, trigger: Trigger) -> Result<(), Failure> {
    let departed = Departure {
        member: life.config.member.clone(),
        incarnation: life.incarnation,
        trigger,
        time: milliseconds(),
        detection_milliseconds: life.health.vitals().silent.as_millis() as u64,
    };
    give_up(&life.store, life.observation.clone(), lock.path(), &departed).await
}

/// Completes once that is observed; never when the session ends before.
async fn until(mut observation: Observation, is_so: impl Fn(&Observed) -> bool) {
    if observation.wait_for(|observed| is_so(observed)).await.is_err() {
        std::future::pending::<()>().await;
    }
}
