//! An owner that does not reach MySQL or Kafka, or does not get on, while another member could.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use maxwell_protocol::history::Trigger;
use maxwell_protocol::id::{MemberId, ShardId};
use maxwell_protocol::member::ShardState;
use tokio::time::Instant;

use super::election::{another_can, cut_off, others};
use super::life::Life;
use super::observed::Observed;
use super::observer::Observation;
use super::probe::reaches;

/// When a system is away for everybody, the others' records say so this much later than the owner's at the most, and
/// when it is back some members reach it this much earlier than others. Until then nothing that shows one of them better
/// off is believed, so that nobody hands over to one that is not.
const CONFIRMATION: Duration = Duration::from_millis(1_500);
/// Between two rounds of questions to the others.
const BETWEEN: Duration = Duration::from_millis(100);
/// How often the progress of a shard is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// A shard that is too far behind and commits nothing for this long does not get on.
const STILL: Duration = Duration::from_secs(30);

/// Why an owner gives a shard up by itself.
pub(super) struct Reason {
    pub(super) trigger: Trigger,
    pub(super) words: String,
}

/// Completes once another member has been able to take over for long enough by what its record says; never when the
/// session ends before.
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

/// One failed question is enough, if another member reaches the system. The others are asked while this member is in
/// doubt only; what is done about it waits until its own record, which says more, is in the tree.
async fn is_cut_off(life: &Life) -> Reason {
    loop {
        life.health.doubted().await;
        tokio::select! {
            (words, ()) = async { tokio::join!(recorded(life), another_says_so(life)) } => {
                return Reason { trigger: Trigger::Unreachable, words };
            }
            () = life.health.trusted() => {}
        }
    }
}

/// Completes once this member's record says what it does not reach; why not.
async fn recorded(life: &Life) -> String {
    let mut observation = life.observation.clone();
    let mut words = None;
    let found = observation.wait_for(|observed| {
        let record = observed.members.get(&life.config.member).filter(|record| cut_off(record));
        words = record.map(|record| {
            let mysql = record.mysql.reachable == Some(false);
            if mysql { record.mysql.error.clone() } else { record.kafka.error.clone() }
        });
        words.is_some()
    });
    if found.await.is_err() {
        std::future::pending::<()>().await;
    }
    words.unwrap_or_default()
}

/// Completes once another member, asked now, reaches MySQL and Kafka. Where the others did not reach them either, twice;
/// where nobody says anything, by what the records say, twice.
async fn another_says_so(life: &Life) {
    let mut away_for_all = false;
    loop {
        let said = ask_others(life).await;
        let yes = said.unwrap_or_else(|| a_record_says_so(life));
        if yes && said.is_some() && !away_for_all {
            return;
        }
        away_for_all |= said == Some(false);
        if yes {
            tokio::time::sleep(CONFIRMATION).await;
            if ask_others(life).await.unwrap_or_else(|| a_record_says_so(life)) {
                return;
            }
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

fn a_record_says_so(life: &Life) -> bool {
    another_can(&life.observation.borrow(), &life.config.member, life.config.failover.enabled)
}

/// Whether any member that would take over reaches both; `None` if none says anything.
async fn ask_others(life: &Life) -> Option<bool> {
    let observed = Arc::clone(&life.observation.borrow());
    let network = life.network.as_ref();
    let mut asked: FuturesUnordered<_> = others(&observed, &life.config.member, life.config.failover.enabled)
        .map(|member| reaches(network, &member.probe_address, member.incarnation))
        .collect();
    let mut said = None;
    while let Some(answer) = asked.next().await {
        match answer {
            Some(true) => return answer,
            Some(false) => said = answer,
            None => {}
        }
    }
    said
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
