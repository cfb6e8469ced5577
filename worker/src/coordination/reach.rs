//! An owner that does not reach MySQL or Kafka, or does not get on, while another member could.

use std::time::Duration;

use maxwell_protocol::history::Trigger;
use maxwell_protocol::id::{MemberId, ShardId};
use maxwell_protocol::member::ShardState;
use tokio::time::Instant;

use super::election::{another_can, cut_off};
use super::life::Life;
use super::observed::Observed;
use super::observer::Observation;

/// When a system is away for everybody, the others find it out this much later than the owner at the most. Until then
/// nothing that they say is believed, so that nobody hands over to one that is no better off.
const CONFIRMATION: Duration = Duration::from_millis(700);
/// How often the progress of a shard is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// A shard that is too far behind and commits nothing for this long does not get on.
const STILL: Duration = Duration::from_secs(30);

/// Why an owner gives a shard up by itself.
pub(super) struct Reason {
    pub(super) trigger: Trigger,
    pub(super) words: String,
}

/// Completes once another member has been able to take over for long enough; never when the session ends before.
pub(super) async fn another_can_for_sure(mut observation: Observation, me: &MemberId, failover: bool) {
    let can = |observed: &Observed| another_can(observed, me, failover);
    loop {
        if observation.wait_for(|observed| can(observed)).await.is_err() {
            return std::future::pending().await;
        }
        tokio::time::sleep(CONFIRMATION).await;
        if can(&observation.borrow()) {
            return;
        }
    }
}

/// Completes once this owner of `shard` had better give it up.
pub(super) async fn is_better_elsewhere(life: &Life, shard: &ShardId) -> Reason {
    tokio::select! {
        reason = is_cut_off(life) => reason,
        reason = stands_still(life, shard) => reason,
    }
}

/// One failed probe is enough, if another member reaches the system.
async fn is_cut_off(life: &Life) -> Reason {
    let mut observation = life.observation.clone();
    let me = &life.config.member;
    let failed = |observed: &Observed| {
        let record = observed.members.get(me).filter(|record| cut_off(record))?;
        let failed = if record.mysql.reachable == Some(false) { &record.mysql } else { &record.kafka };
        Some(failed.error.clone())
    };
    loop {
        if observation.wait_for(|observed| failed(observed).is_some()).await.is_err() {
            return std::future::pending().await;
        }
        tokio::select! {
            () = another_can_for_sure(observation.clone(), me, life.config.failover.enabled) => {}
            changed = wait_until(&mut observation, |observed| failed(observed).is_none()) => match changed {
                true => continue,
                false => return std::future::pending().await,
            },
        }
        let words = failed(&observation.borrow());
        if let Some(words) = words {
            return Reason { trigger: Trigger::Unreachable, words };
        }
    }
}

async fn wait_until(observation: &mut Observation, is_so: impl Fn(&Observed) -> bool) -> bool {
    observation.wait_for(|observed| is_so(observed)).await.is_ok()
}

/// Too far behind, and nothing was committed for a while. Who has committed nothing at all stays: its successor would
/// be no better off, and so on.
async fn stands_still(life: &Life, shard: &ShardId) -> Reason {
    let sequence = || life.observation.borrow().positions.get(shard).map(|mirror| mirror.sequence);
    let mut last = (sequence(), Instant::now());
    let mut has_moved = false;
    loop {
        tokio::time::sleep(LOOK).await;
        let at = sequence();
        if at != last.0 {
            last = (at, Instant::now());
            has_moved = true;
        }
        let seconds = life.max_lag_seconds(&life.observation.borrow());
        let limit = u64::from(seconds) * 1_000;
        let late = life
            .membership
            .shard(shard)
            .is_some_and(|report| report.state == ShardState::Streaming && report.lag_milliseconds > limit);
        let can = another_can(&life.observation.borrow(), &life.config.member, life.config.failover.enabled);
        if late && has_moved && last.1.elapsed() >= STILL && can {
            let words = format!(
                "shard {shard} is more than failover.maxLagSeconds {seconds} behind and has committed nothing for {} s",
                STILL.as_secs()
            );
            return Reason { trigger: Trigger::Stalled, words };
        }
    }
}
