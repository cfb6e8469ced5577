//! A change of owner as `cluster/history` tells it: what set it off, its phases, its gap.

use maxwell_protocol::history::{Departure, History, Phases, Transition, Trigger};
use maxwell_protocol::id::{MemberId, ShardId};
use tokio::sync::watch;

use super::Resumption;
use super::error::Failure;
use super::life::Life;
use super::store::{Change, encode};
use crate::clock::milliseconds;

/// The steps of a run under one lock, milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Steps {
    /// When it streamed for the first time.
    streaming: Option<i64>,
    /// When it committed for the first time, and what that says.
    committed: Option<(i64, Resumption)>,
}

impl Steps {
    /// Takes in that the shard streams; whether that is news.
    pub(super) fn streams(&mut self) -> bool {
        let news = self.streaming.is_none();
        self.streaming.get_or_insert_with(milliseconds);
        news
    }

    /// Takes the first commit in; whether that is news.
    pub(super) fn committed(&mut self, resumption: Resumption) -> bool {
        let news = self.committed.is_none();
        self.committed.get_or_insert_with(|| (milliseconds(), resumption));
        news
    }
}

/// Records the change of owner once the shard has committed.
pub(super) async fn note_resumption(
    life: &Life,
    shard: &ShardId,
    entered: i64,
    mut steps: watch::Receiver<Steps>,
) {
    let Ok(steps) = steps.wait_for(|steps| steps.committed.is_some()).await.map(|steps| *steps) else {
        return;
    };
    let path = life.store.tree().history();
    loop {
        let Ok(Some((mut history, version))) = life.store.read::<History>(&path).await else { return };
        let transition = transition(&mut history, shard, &life.config.member, entered, steps);
        let failover = transition.trigger.is_failover();
        tracing::info!(
            %shard,
            trigger = ?transition.trigger,
            gap_milliseconds = transition.gap_milliseconds,
            "the shard has changed its owner"
        );
        history.record(transition);
        match life.store.commit(&[Change::Set(path.clone(), encode(&history), Some(version))]).await {
            Err(Failure::Conflict) => {}
            Ok(()) if failover => return life.membership.count_failover(),
            _ => return,
        }
    }
}

/// What is recorded. The departure that it follows is taken out of `history`.
///
/// The gap lasts from the last commit before, or the moment that the owner was last known to be there if that is
/// later, to the first commit after; a source that had nothing to say ends it when the dump is open.
fn transition(
    history: &mut History,
    shard: &ShardId,
    to: &MemberId,
    entered: i64,
    steps: Steps,
) -> Transition {
    let departure = history.departure.take();
    let before =
        history.entries.iter().rev().find(|entry| entry.shard == *shard).map(|entry| entry.to.clone());
    let elapsed = |from: i64, to: i64| u64::try_from(to - from).unwrap_or(0);
    let streaming = steps.streaming.unwrap_or(entered);
    let (resumed, last_before) = match steps.committed {
        Some((at, Resumption { before, rows: true })) => (at, before),
        Some((_, Resumption { before, rows: false })) => (streaming, before),
        None => (streaming, None),
    };
    let last_seen = departure.as_ref().map(last_seen);
    let phases = Phases {
        detection_milliseconds: departure.as_ref().map_or(0, |departure| departure.detection_milliseconds),
        election_milliseconds: departure.as_ref().map_or(0, |departure| elapsed(departure.time, entered)),
        sync_milliseconds: elapsed(entered, streaming),
        resume_milliseconds: elapsed(streaming, resumed),
    };
    let trigger = match (&departure, &before) {
        (Some(departure), _) => departure.trigger,
        (None, Some(_)) => Trigger::SessionExpired,
        (None, None) => Trigger::FirstStart,
    };
    Transition {
        time: resumed,
        shard: shard.clone(),
        from: departure.map(|departure| departure.member).or(before),
        to: to.clone(),
        trigger,
        gap_milliseconds: last_before.max(last_seen).map(|last| elapsed(last, resumed)),
        phases,
    }
}

fn last_seen(departure: &Departure) -> i64 {
    departure.time - i64::try_from(departure.detection_milliseconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::id::Incarnation;

    use super::*;

    fn departed(time: i64, detection_milliseconds: u64) -> History {
        let departure = Departure {
            member: "a".into(),
            incarnation: Incarnation::random(),
            trigger: Trigger::ConnectionReset,
            time,
            detection_milliseconds,
        };
        History { departure: Some(departure), ..History::default() }
    }

    fn steps(streaming: i64, committed: i64, before: Option<i64>, rows: bool) -> Steps {
        Steps { streaming: Some(streaming), committed: Some((committed, Resumption { before, rows })) }
    }

    #[test]
    fn a_gap_lasts_from_the_last_commit_to_the_first() {
        let mut history = departed(1_040, 30);
        let steps = steps(1_300, 1_350, Some(1_000), true);
        let noted = transition(&mut history, &"0".into(), &"b".into(), 1_100, steps);
        assert_eq!(noted.gap_milliseconds, Some(340));
        assert_eq!((noted.from, noted.trigger), (Some("a".into()), Trigger::ConnectionReset));
        let Phases { detection_milliseconds, election_milliseconds, sync_milliseconds, resume_milliseconds } =
            noted.phases;
        assert_eq!(
            (detection_milliseconds, election_milliseconds, sync_milliseconds, resume_milliseconds),
            (30, 60, 200, 50)
        );
        assert_eq!(history.departure, None);
    }

    #[test]
    fn an_idle_source_does_not_count_as_a_gap() {
        let mut history = departed(1_000_040, 30);
        let steps = steps(1_000_300, 1_005_300, Some(1_000), false);
        let noted = transition(&mut history, &"0".into(), &"b".into(), 1_000_100, steps);
        assert_eq!(noted.gap_milliseconds, Some(290));
    }

    #[test]
    fn the_first_start_has_no_gap() {
        let noted =
            transition(&mut History::default(), &"0".into(), &"b".into(), 10, steps(20, 30, None, true));
        assert_eq!((noted.trigger, noted.gap_milliseconds, noted.from), (Trigger::FirstStart, None, None));
    }
}
