//! A change of owner as `cluster/history` tells it: what set it off, its phases, its gap.

use maxwell_protocol::assignment::AssignmentReason;
use maxwell_protocol::history::{Departure, History, Phases, Transition, Trigger};
use maxwell_protocol::id::{MemberId, ShardId};
use maxwell_protocol::layout::Origin;
use tokio::sync::watch;

use super::Resumption;
use super::error::Failure;
use super::life::Life;
use super::observed::Observed;
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

    /// Takes in that the shard waits for its turn, which is all that it can do; whether that is news.
    pub(super) fn waits(&mut self) -> bool {
        self.streams();
        self.committed(Resumption { before: None, rows: false })
    }

    /// Takes the first commit in; whether that is news.
    pub(super) fn committed(&mut self, resumption: Resumption) -> bool {
        let news = self.committed.is_none();
        self.committed.get_or_insert_with(|| (milliseconds(), resumption));
        news
    }
}

/// How a shard came to its owner.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrival {
    /// When its lock was held, milliseconds since the epoch.
    pub(super) entered: i64,
    /// The request that it moves for.
    pub(super) asked: Option<Asked>,
    /// The member that it was assigned to before.
    pub(super) from: Option<MemberId>,
    /// Why it was assigned anew, and when.
    pub(super) reason: Option<(AssignmentReason, i64)>,
    /// What the layout came of that it is part of.
    pub(super) origin: Option<Origin>,
}

/// A request that moves a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    by: String,
    from: MemberId,
    at: i64,
    accepted_at: i64,
}

impl Arrival {
    /// Of `shard` at `me`, now.
    pub(super) fn of(observed: &Observed, shard: &ShardId, me: &MemberId) -> Self {
        let asked = observed.plans().find_map(|(request, plan)| {
            let hop = plan.moves.get(shard).filter(|hop| hop.to == *me)?;
            let accepted_at = request.outcome.as_ref()?.at;
            Some(Asked { by: request.by.clone(), from: hop.from.clone(), at: request.at, accepted_at })
        });
        let assignment = observed.assignments.get(shard);
        Self {
            entered: milliseconds(),
            asked,
            from: assignment.and_then(|assignment| assignment.from.clone()),
            reason: assignment.map(|assignment| (assignment.reason, assignment.at)),
            origin: observed.layout.as_ref().and_then(|layout| layout.origin.clone()),
        }
    }
}

/// Records the change of owner once the shard has committed.
pub(super) async fn note_resumption(
    life: &Life,
    shard: &ShardId,
    arrival: &Arrival,
    mut steps: watch::Receiver<Steps>,
) {
    let Ok(steps) = steps.wait_for(|steps| steps.committed.is_some()).await.map(|steps| *steps) else {
        return;
    };
    let path = life.store.tree().history();
    loop {
        let Ok(Some((mut history, version))) = life.store.read::<History>(&path).await else { return };
        let transition = transition(&history, shard, &life.config.member, arrival, steps);
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

/// What is recorded.
///
/// The gap lasts from the last commit before, or the moment that the owner was last known to be there if that is
/// later, to the first commit after; a source that had nothing to say ends it when the dump is open. An owner that the shard
/// was taken from while it lived was there until then at least.
fn transition(
    history: &History,
    shard: &ShardId,
    to: &MemberId,
    arrival: &Arrival,
    steps: Steps,
) -> Transition {
    let last = history.entries.iter().rev().find(|entry| entry.shard == *shard);
    // Of what was before there is nothing that this layout's shards go on from.
    let first = |origin: &&Origin| last.is_none_or(|last| last.time < origin.in_force_at);
    let origin = arrival.origin.as_ref().filter(first);
    // Kept, because it may have left other shards too; it tells nothing of an owner that came later.
    let before = last.map(|last| last.to.clone()).or_else(|| arrival.from.clone());
    let explains = |departure: &Departure| {
        before.as_ref().is_none_or(|before| *before == departure.member)
            && last.is_none_or(|last| last.time <= departure.time)
            && origin.is_none_or(|origin| origin.in_force_at <= departure.time)
    };
    let departure = history.departure.clone().filter(explains);
    let moved = match arrival.reason {
        Some((AssignmentReason::Rebalanced, at)) => Some((Trigger::Rebalanced, at)),
        Some((AssignmentReason::OwnerLeaves, at)) => Some((Trigger::Shutdown, at)),
        _ => None,
    };
    // Who takes back what it had was assigned it long ago.
    let moved = moved.filter(|_| before.as_ref() != Some(to));
    // It may have left with other shards much later.
    let left_before = moved.is_some_and(|(trigger, _)| trigger == Trigger::Shutdown);
    let departure = departure.filter(|it| !(left_before && it.trigger == Trigger::Shutdown));
    let cause = match origin.filter(|_| departure.is_none()) {
        Some(origin) => Cause::division(origin, before),
        None => Cause::of(departure, arrival.asked.clone(), moved, before),
    };
    let entered = arrival.entered;
    let streaming = steps.streaming.unwrap_or(entered);
    let (resumed, last_before) = match steps.committed {
        Some((at, Resumption { before, rows: true })) => (at, before),
        Some((_, Resumption { before, rows: false })) => (streaming, before),
        None => (streaming, None),
    };
    Transition {
        time: resumed,
        shard: shard.clone(),
        from: cause.from,
        to: to.clone(),
        trigger: cause.trigger,
        by: cause.by,
        gap_milliseconds: last_before.max(cause.last_seen).map(|last| elapsed(last, resumed)),
        phases: Phases {
            detection_milliseconds: cause.detection_milliseconds,
            election_milliseconds: cause.decided.map_or(0, |decided| elapsed(decided, entered)),
            sync_milliseconds: elapsed(entered, streaming),
            resume_milliseconds: elapsed(streaming, resumed),
        },
    }
}

fn elapsed(from: i64, to: i64) -> u64 {
    u64::try_from(to - from).unwrap_or(0)
}

/// Why a shard changes its owner.
struct Cause {
    trigger: Trigger,
    from: Option<MemberId>,
    by: String,
    /// When the owner before was last known to be there, milliseconds since the epoch.
    last_seen: Option<i64>,
    /// When it was clear that another one follows.
    decided: Option<i64>,
    detection_milliseconds: u64,
}

impl Cause {
    fn division(origin: &Origin, from: Option<MemberId>) -> Self {
        Self {
            trigger: Trigger::Divided,
            from,
            by: origin.by.clone(),
            last_seen: Some(origin.begun_at),
            decided: Some(origin.in_force_at),
            detection_milliseconds: elapsed(origin.asked_at, origin.begun_at),
        }
    }

    /// An owner that died while it was asked to go counts as dead.
    fn of(
        departure: Option<Departure>,
        asked: Option<Asked>,
        moved: Option<(Trigger, i64)>,
        before: Option<MemberId>,
    ) -> Self {
        match (departure, asked) {
            (Some(departure), _) => Self {
                trigger: departure.trigger,
                by: String::new(),
                last_seen: Some(
                    departure.time - i64::try_from(departure.detection_milliseconds).unwrap_or(i64::MAX),
                ),
                decided: Some(departure.time),
                detection_milliseconds: departure.detection_milliseconds,
                from: Some(departure.member),
            },
            (None, Some(asked)) => Self {
                trigger: Trigger::Requested,
                by: asked.by,
                last_seen: Some(asked.accepted_at),
                decided: Some(asked.accepted_at),
                detection_milliseconds: elapsed(asked.at, asked.accepted_at),
                from: Some(asked.from),
            },
            (None, None) => Self {
                trigger: match (moved, &before) {
                    (Some((trigger, _)), _) => trigger,
                    (None, Some(_)) => Trigger::SessionExpired,
                    (None, None) => Trigger::FirstStart,
                },
                by: String::new(),
                last_seen: moved.map(|(_, at)| at),
                decided: moved.map(|(_, at)| at),
                detection_milliseconds: 0,
                from: before,
            },
        }
    }
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

    fn arrived(entered: i64) -> Arrival {
        Arrival { entered, ..Arrival::default() }
    }

    #[test]
    fn a_request_that_moved_the_shard_is_told() {
        let asked = Asked { by: "cli".into(), from: "a".into(), at: 1_000, accepted_at: 1_010 };
        let arrival = Arrival { entered: 1_060, asked: Some(asked), ..Arrival::default() };
        let steps = steps(1_100, 1_150, Some(1_050), true);
        let noted = transition(&History::default(), &"0".into(), &"b".into(), &arrival, steps);
        assert_eq!(
            (noted.trigger, noted.by.as_str(), noted.from),
            (Trigger::Requested, "cli", Some("a".into()))
        );
        assert_eq!(noted.gap_milliseconds, Some(100));
        assert_eq!((noted.phases.detection_milliseconds, noted.phases.election_milliseconds), (10, 50));
        let dead = transition(&departed(1_040, 30), &"0".into(), &"b".into(), &arrival, steps);
        assert_eq!((dead.trigger, dead.by.as_str()), (Trigger::ConnectionReset, ""));
    }

    #[test]
    fn a_gap_lasts_from_the_last_commit_to_the_first() {
        let history = departed(1_040, 30);
        let steps = steps(1_300, 1_350, Some(1_000), true);
        let noted = transition(&history, &"0".into(), &"b".into(), &arrived(1_100), steps);
        assert_eq!(noted.gap_milliseconds, Some(340));
        assert_eq!((noted.from, noted.trigger), (Some("a".into()), Trigger::ConnectionReset));
        let Phases { detection_milliseconds, election_milliseconds, sync_milliseconds, resume_milliseconds } =
            noted.phases;
        assert_eq!(
            (detection_milliseconds, election_milliseconds, sync_milliseconds, resume_milliseconds),
            (30, 60, 200, 50)
        );
    }

    #[test]
    fn one_departure_explains_every_shard_that_it_left() {
        let mut history = departed(1_040, 30);
        let arrival = Arrival { from: Some("a".into()), ..arrived(1_100) };
        for shard in ["0", "1"] {
            let noted =
                transition(&history, &shard.into(), &"b".into(), &arrival, steps(1_300, 1_350, None, true));
            assert_eq!((noted.trigger, noted.from.clone()), (Trigger::ConnectionReset, Some("a".into())));
            history.record(noted);
        }
        // It tells nothing of what happens to the successor.
        let reason = Some((AssignmentReason::Rebalanced, 1_900));
        let moved = Arrival { from: Some("b".into()), reason, ..arrived(2_000) };
        let steps_then = steps(2_100, 2_150, Some(1_400), true);
        let noted = transition(&history, &"0".into(), &"c".into(), &moved, steps_then);
        assert_eq!((noted.trigger, noted.from), (Trigger::Rebalanced, Some("b".into())));
        // The owner before was there when that was decided, and had nothing to say.
        assert_eq!((noted.gap_milliseconds, noted.phases.election_milliseconds), (Some(250), 100));
        let lost = Arrival { from: Some("b".into()), ..arrived(2_000) };
        let noted = transition(&history, &"1".into(), &"c".into(), &lost, steps(2_100, 2_150, None, true));
        assert_eq!(noted.trigger, Trigger::SessionExpired);
    }

    #[test]
    fn a_shard_that_was_left_before_the_others_has_a_gap_of_its_own() {
        let mut history = departed(2_900, 0);
        history.departure.as_mut().expect("it departed").trigger = Trigger::Shutdown;
        let reason = Some((AssignmentReason::OwnerLeaves, 1_900));
        let moved = Arrival { from: Some("a".into()), reason, ..arrived(2_000) };
        let noted =
            transition(&history, &"0".into(), &"b".into(), &moved, steps(2_950, 3_000, Some(1_990), true));
        assert_eq!((noted.trigger, noted.gap_milliseconds), (Trigger::Shutdown, Some(1_010)));
    }

    #[test]
    fn the_first_to_stream_a_shard_of_another_layout_tells_of_the_division() {
        let origin = Origin { by: "cli".into(), asked_at: 4_900, begun_at: 5_000, in_force_at: 5_400 };
        let arrival = Arrival { origin: Some(origin), ..arrived(5_450) };
        let steps = steps(5_600, 5_650, Some(5_350), true);
        let mut history = departed(1_040, 30);
        let noted = transition(&history, &"0".into(), &"a".into(), &arrival, steps);
        assert_eq!((noted.trigger, noted.by.as_str()), (Trigger::Divided, "cli"));
        assert_eq!((noted.gap_milliseconds, noted.phases.election_milliseconds), (Some(300), 50));
        history.record(noted);
        let committed = Some((5_650, Resumption { before: None, rows: true }));
        let of_new = Steps { committed, ..steps };
        let noted = transition(&history, &"1".into(), &"a".into(), &arrival, of_new);
        assert_eq!(noted.gap_milliseconds, Some(650), "a shard that was not there stood still all the time");
        let later = Arrival { entered: 9_000, ..arrival };
        let noted = transition(&history, &"0".into(), &"b".into(), &later, steps);
        assert_eq!(noted.trigger, Trigger::SessionExpired);
    }

    #[test]
    fn an_idle_source_does_not_count_as_a_gap() {
        let history = departed(1_000_040, 30);
        let steps = steps(1_000_300, 1_005_300, Some(1_000), false);
        let noted = transition(&history, &"0".into(), &"b".into(), &arrived(1_000_100), steps);
        assert_eq!(noted.gap_milliseconds, Some(290));
    }

    #[test]
    fn the_first_start_has_no_gap() {
        let noted = transition(
            &History::default(),
            &"0".into(),
            &"b".into(),
            &arrived(10),
            steps(20, 30, None, true),
        );
        assert_eq!((noted.trigger, noted.gap_milliseconds, noted.from), (Trigger::FirstStart, None, None));
    }
}
