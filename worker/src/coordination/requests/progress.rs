//! What comes next of a request that is being carried out. Pure.

use std::time::Duration;

use maxwell_protocol::id::{MemberId, ShardId};
use maxwell_protocol::member::ShardState;
use maxwell_protocol::request::{Ask, Hop, Outcome, Plan, Progress};

use super::{Facts, Step, Wish};

/// Who shall take a shard stands in line for its lock within this time, or it is not well. Until then the owner
/// streams on.
const LINE: Duration = Duration::from_secs(5);
/// What is not done then is taken back.
const LIMIT: Duration = Duration::from_secs(30);
/// The same across leaders, by the clock of the one that looks; one that is yet to come was accepted by another clock.
const LIMIT_OF_ALL_MILLISECONDS: u64 = 60_000;

/// A binlog file may have to be read to find a place, and its owner may not reach the source for a while.
const LIMIT_OF_REWIND_MILLISECONDS: u64 = 900_000;

/// The next step of a request that was accepted with `plan` at `accepted_at`.
pub(super) fn carry_on(facts: &Facts<'_>, ask: &Ask, plan: &Plan, accepted_at: i64) -> Step {
    let settled = |state, detail: &str, wishes| {
        let outcome = Outcome { state, detail: detail.into(), at: accepted_at, plan: plan.clone() };
        Step::Write(outcome, wishes)
    };
    let late = facts.age > LIMIT || facts.now.abs_diff(accepted_at) > LIMIT_OF_ALL_MILLISECONDS;
    if let Some(reason) = fails(facts, plan, late) {
        return settled(Progress::Undone, &reason, undo(facts, plan));
    }
    if !plan.moves.iter().all(|(shard, hop)| has_arrived(facts, shard, &hop.to)) {
        return Step::Wait;
    }
    if let Some(lead) = plan.lead.as_ref().filter(|lead| *lead != facts.me) {
        if late {
            return settled(Progress::Undone, &format!("{lead} did not take the lead"), Vec::new());
        }
        return Step::GiveLead;
    }
    match ask {
        // Its owner says when.
        Ask::Rewind { shard, .. } if facts.now.abs_diff(accepted_at) > LIMIT_OF_REWIND_MILLISECONDS => {
            let minutes = LIMIT_OF_REWIND_MILLISECONDS / 60_000;
            let why = format!("the owner of shard {shard} has not done it within {minutes} minutes");
            settled(Progress::Undone, &why, Vec::new())
        }
        Ask::Rewind { .. } => Step::Wait,
        Ask::Divide { .. } => match became(facts, plan) {
            Some(true) => settled(Progress::Done, "", Vec::new()),
            Some(false) => settled(Progress::Undone, "it was undone", Vec::new()),
            None => Step::Wait,
        },
        Ask::Park { member } => settled(Progress::Done, "", vec![Wish::Park(member.clone(), true)]),
        Ask::Restart { member } => match (has_restarted(facts, member, plan), late) {
            (true, _) => settled(Progress::Done, "", Vec::new()),
            (false, true) => {
                settled(Progress::Undone, &format!("{member} has not begun anew in time"), Vec::new())
            }
            (false, false) => Step::Wait,
        },
        Ask::Configure { .. } => match (heeded(facts, plan), late) {
            (Heeded::Refused(why), _) => {
                let before = facts.observed.live.as_ref().map(|(live, _)| live.before());
                settled(Progress::Undone, &why, vec![Wish::Configure(before.unwrap_or_default())])
            }
            (Heeded::Yes, _) => settled(Progress::Done, "", Vec::new()),
            (Heeded::NotYet(who), true) => {
                settled(Progress::Done, &format!("{who} has not shown it yet"), Vec::new())
            }
            (Heeded::NotYet(_), false) => Step::Wait,
        },
        Ask::Pause | Ask::Resume => match (obeyed(facts, *ask == Ask::Pause), late) {
            (true, _) => settled(Progress::Done, "", Vec::new()),
            (false, true) => settled(Progress::Done, "not every owner has shown it yet", Vec::new()),
            (false, false) => Step::Wait,
        },
        _ => settled(Progress::Done, "", Vec::new()),
    }
}

/// Why the moves cannot end well.
fn fails(facts: &Facts<'_>, plan: &Plan, late: bool) -> Option<String> {
    let observed = facts.observed;
    plan.moves.iter().find_map(|(shard, Hop { to, .. })| {
        if has_arrived(facts, shard, to) {
            return None;
        }
        let Some(taker) = observed.members.get(to) else {
            return Some(format!("{to} went offline before it had shard {shard}"));
        };
        if facts.age > LINE && !observed.stands_in_line(shard, to) {
            return Some(format!("{to} did not ask for shard {shard} within {} s", LINE.as_secs()));
        }
        let report = taker.shards.get(shard);
        let halted = report.filter(|report| report.state == ShardState::Halted);
        if let Some(report) = halted {
            return Some(format!("shard {shard} halts at {to}: {}", report.last_error));
        }
        let why = report.map(|report| report.last_error.as_str()).filter(|error| !error.is_empty());
        late.then(|| {
            format!(
                "{to} does not stream shard {shard} after {} s: {}",
                LIMIT.as_secs(),
                why.unwrap_or("no error")
            )
        })
    })
}

/// Whether `to` has the shard and does what an owner does.
fn has_arrived(facts: &Facts<'_>, shard: &ShardId, to: &MemberId) -> bool {
    let owns = facts.observed.owner(shard).is_some_and(|lock| lock.id == *to);
    let report = facts.observed.members.get(to).and_then(|member| member.shards.get(shard));
    owns && report.is_some_and(|report| report.gets_on() || report.state == ShardState::Paused)
}

/// What is not yet where it should be goes back, if whoever had it is still there.
fn undo(facts: &Facts<'_>, plan: &Plan) -> Vec<Wish> {
    let observed = facts.observed;
    let back = plan.moves.iter().filter(|(shard, hop)| {
        !has_arrived(facts, shard, &hop.to)
            && observed.members.contains_key(&hop.from)
            && observed.assignments.get(*shard).is_some_and(|assignment| assignment.member == hop.to)
    });
    back.map(|(shard, hop)| Wish::Assign(shard.clone(), hop.from.clone())).collect()
}

/// Whether the layout that was asked for is in force, once that is decided: whoever leads writes that, and settles the
/// request with it.
fn became(facts: &Facts<'_>, plan: &Plan) -> Option<bool> {
    let (layout, generation) = (facts.observed.layout.as_ref()?, plan.generation?);
    if layout.tried < generation {
        // What is written together is not observed at once.
        return None;
    }
    let under_way = layout.change.as_ref().is_some_and(|change| change.to.generation == generation);
    (!under_way).then_some(layout.generation >= generation)
}

fn has_restarted(facts: &Facts<'_>, member: &MemberId, plan: &Plan) -> bool {
    facts.observed.members.get(member).is_some_and(|record| Some(record.incarnation) != plan.incarnation)
}

fn obeyed(facts: &Facts<'_>, paused: bool) -> bool {
    let mut reports = facts.observed.members.values().flat_map(|member| member.shards.values());
    reports.all(|report| (report.state == ShardState::Paused) == paused)
}

/// What became of a version of the settings at the members.
enum Heeded {
    Yes,
    NotYet(MemberId),
    Refused(String),
}

/// A member that refuses has the last word: what one cannot do, no one shall.
fn heeded(facts: &Facts<'_>, plan: &Plan) -> Heeded {
    let version = plan.version.unwrap_or_default();
    let members = &facts.observed.members;
    let behind = members.iter().find(|(_, member)| member.settings.version < version);
    let mut refusals = members.iter().filter(|(_, member)| !member.settings.refused.is_empty());
    match (refusals.find(|(_, member)| member.settings.version >= version), behind) {
        (Some((id, member)), _) => Heeded::Refused(format!("{id} refuses: {}", member.settings.refused)),
        (None, Some((id, _))) => Heeded::NotYet(id.clone()),
        (None, None) => Heeded::Yes,
    }
}
