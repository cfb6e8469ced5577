//! What becomes of a shard while its lock is held: it streams, stands still, goes back or waits sealed, as the tree says.

use std::sync::Arc;
use std::time::Duration;

use maxwell_protocol::layout::Phase;
use maxwell_protocol::member::{ShardReport, ShardState};
use maxwell_protocol::position::PositionRecord;
use tokio_util::sync::CancellationToken;

use super::life::Life;
use super::observed::Observed;
use super::observer::Observation;
use super::ownership::HeldShard;
use super::reach::is_better_elsewhere;
use super::shards::{give_way, is_awaited};
use super::{Ownership, ShardContext, ShardEnd};

/// Between two looks at a sealed shard.
const LOOK: Duration = Duration::from_millis(20);
/// Between two attempts to ask the source, or to write down what was found.
const PAUSE: Duration = Duration::from_millis(500);

/// What a shard does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Whatever the engine finds to do.
    Runs,
    /// It reads nothing, as it was told.
    Stands,
    /// It reads nothing, for a change of the layout to this generation.
    Stops(u64),
}

fn wanted(ownership: &HeldShard, observed: &Observed) -> Wanted {
    match observed.change() {
        Some(change) if change.phase == Phase::Stopping || change.barrier.is_none() => {
            Wanted::Stops(change.to.generation)
        }
        _ if observed.paused() && ownership.rewind_in(observed).is_none() => Wanted::Stands,
        _ => Wanted::Runs,
    }
}

/// Runs the shard whenever that is wanted, until `stop`, until another member awaits it or until ownership ends.
pub(super) async fn run_as_wanted(
    life: &Life,
    context: &ShardContext,
    ownership: Arc<HeldShard>,
    stop: &CancellationToken,
) -> ShardEnd {
    let mut observation = life.observation.clone();
    loop {
        let (now, awaited) = {
            let observed = observation.borrow_and_update();
            (wanted(&ownership, &observed), is_awaited(life, &observed, &context.shard))
        };
        if awaited {
            return ShardEnd::Drained;
        }
        let ended = match now {
            Wanted::Runs => run_once(life, context, &ownership, stop).await,
            Wanted::Stands | Wanted::Stops(_) => stand(life, context, (&ownership, now), stop).await,
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

/// A run carries a rewind out or streams, as far as it is to, and ends when something else is wanted.
async fn run_once(
    life: &Life,
    context: &ShardContext,
    ownership: &Arc<HeldShard>,
    stop: &CancellationToken,
) -> ShardEnd {
    let shard = &context.shard;
    let (rewinds, seal) = (ownership.rewind().is_some(), ownership.seal_at());
    let is_over = |observed: &Observed| {
        let rewind = ownership.rewind_in(observed).is_some();
        let otherwise = rewind != rewinds || ownership.seal_in(observed) != seal;
        is_awaited(life, observed, shard) || otherwise || wanted(ownership, observed) != Wanted::Runs
    };
    let halt = stop.child_token();
    let run = life.host.run(context.clone(), Arc::clone(ownership) as Arc<dyn Ownership>, halt.clone());
    tokio::pin!(run);
    tokio::select! {
        ended = &mut run => ended,
        () = until(life.observation.clone(), is_over) => {
            halt.cancel();
            run.await
        }
        reason = is_better_elsewhere(life, shard) => {
            // With Kafka away a run can take long to end; who comes next fences it.
            tokio::join!(give_way(life, ownership, reason.trigger), run);
            ShardEnd::Relinquished { reason: reason.words }
        }
    }
}

/// Keeps the shard and reads nothing for as long as that is wanted, or until another member awaits it.
async fn stand(
    life: &Life,
    context: &ShardContext,
    (ownership, now): (&HeldShard, Wanted),
    stop: &CancellationToken,
) -> ShardEnd {
    let mut observation = life.observation.clone();
    let stopped_for = match now {
        Wanted::Stops(generation) => Some(generation),
        Wanted::Runs | Wanted::Stands => None,
    };
    let retention = life.membership.retention(&context.shard);
    let report = ShardReport { state: ShardState::Paused, retention, stopped_for, ..ShardReport::default() };
    ownership.report(report);
    #[cfg(feature = "failpoints")]
    if stopped_for.is_some() {
        fail::fail_point!("division-stopped");
    }
    let changes = |observed: &Observed| {
        wanted(ownership, observed) != now || is_awaited(life, observed, &context.shard)
    };
    tokio::select! {
        () = stop.cancelled() => ShardEnd::Drained,
        () = ownership.lost() => ShardEnd::Relinquished { reason: "the shard's lock is gone".into() },
        found = observation.wait_for(|observed| changes(observed)) => match found {
            Ok(_) => ShardEnd::Drained,
            Err(_) => gone(),
        },
        never = find_barrier(life, ownership), if stopped_for.is_some() && context.number == 0 => never,
    }
}

/// Once every shard has stopped, asks the source where its binlog ends, for all of them: nobody is behind that place.
async fn find_barrier(life: &Life, ownership: &HeldShard) -> ShardEnd {
    let mut observation = life.observation.clone();
    let caught_up_with = |observed: &Observed| {
        let change = observed.change().filter(|it| it.phase == Phase::CatchingUp && it.barrier.is_none());
        change.map(|change| change.to.generation)
    };
    loop {
        let Ok(generation) = observation
            .wait_for(|observed| caught_up_with(observed).is_some())
            .await
            .map(|observed| caught_up_with(&observed).unwrap_or_default())
        else {
            return std::future::pending().await;
        };
        match life.host.head().await {
            Ok(barrier) => {
                #[cfg(feature = "failpoints")]
                fail::fail_point!("division-head");
                if let Err(error) = ownership.agree_on_barrier(generation, barrier).await {
                    tracing::warn!(%error, "where the layout ends could not be written down");
                }
            }
            Err(error) => tracing::warn!(error, "the source does not say where its binlog ends"),
        }
        tokio::time::sleep(PAUSE).await;
    }
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
            return Some(gone());
        },
        never = tell_where_the_next_begins(ownership, record) => never,
    }
    // Who asks the quorum may know of the seal before what is watched here tells of it.
    tokio::time::sleep(LOOK).await;
    None
}

/// Writes where the shards of the layout to come begin, unless another owner has.
async fn tell_where_the_next_begins(ownership: &HeldShard, record: &PositionRecord) {
    while let Err(error) = ownership.agree_on_next(record).await {
        tracing::warn!(%error, "where the next layout begins could not be written down");
        tokio::time::sleep(PAUSE).await;
    }
    std::future::pending::<()>().await;
}

/// The session has ended, and every lock with it.
fn gone() -> ShardEnd {
    ShardEnd::Relinquished { reason: "the session has ended".into() }
}

/// Completes once that is observed; never when the session ends before.
async fn until(mut observation: Observation, is_so: impl Fn(&Observed) -> bool) {
    if observation.wait_for(|observed| is_so(observed)).await.is_err() {
        std::future::pending::<()>().await;
    }
}
