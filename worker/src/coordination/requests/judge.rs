//! Whether a request is carried out, and how. Pure.

use std::time::Duration;

use maxwell_protocol::assignment::Assignment;
use maxwell_protocol::id::{MemberId, ShardId};
use maxwell_protocol::live::{FIELDS, Tuning};
use maxwell_protocol::request::{Ask, Hop, Outcome, Plan, Progress};
use maxwell_protocol::settings::{Sharding, Start, StartFrom};

use super::fitness::{candidates, fit, known};
use super::{Facts, Step, Wish};
use crate::coordination::division;

/// A request that nobody looked at for this long is refused: whoever asked has long done something else.
const STALE: Duration = Duration::from_secs(600);

/// What comes of a request that nobody has looked at.
pub(super) fn judge(facts: &Facts<'_>, ask: &Ask, asked_at: i64) -> Step {
    let stale = facts.age > STALE || facts.inherited && facts.now - asked_at > STALE.as_millis() as i64;
    let judged = if stale {
        Err("it was asked for more than ten minutes ago, when nobody led: ask again".to_owned())
    } else {
        accept(facts, ask)
    };
    let outcome = |state, detail: String, plan| Outcome { state, detail, at: facts.now, plan };
    match judged {
        Ok(None) => Step::Wait,
        Ok(Some((state, plan, wishes))) => Step::Write(outcome(state, String::new(), plan), wishes),
        Err(reason) => Step::Write(outcome(Progress::Refused, reason, Plan::default()), Vec::new()),
    }
}

type Accepted = (Progress, Plan, Vec<Wish>);

fn accept(facts: &Facts<'_>, ask: &Ask) -> Result<Option<Accepted>, String> {
    let accepted = match ask {
        // Carried out by the shard's owner.
        Ask::Bootstrap(_) => return Ok(None),
        Ask::Switchover { from, to } => {
            let plan = relieve(facts, from.as_ref().unwrap_or(facts.me), to.as_ref())?;
            begun(plan)
        }
        Ask::Move { shard, to } => begun(carry(facts, shard, to)?),
        Ask::Rewind { shard, to, .. } => rewind(facts, shard, to)?,
        Ask::Divide { sharding } => divide(facts, sharding)?,
        Ask::Pause => paused(facts, true)?,
        Ask::Resume => paused(facts, false)?,
        Ask::Configure { set, unset } => configure(facts, set, unset)?,
        Ask::Restart { member } => restart(facts, member)?,
        Ask::Park { member } => park(facts, member)?,
        Ask::Unpark { member } => {
            known(facts, member)?;
            if !is_parked(facts, member) {
                return Err(format!("{member} is not parked"));
            }
            (Progress::Done, Plan::default(), vec![Wish::Park(member.clone(), false)])
        }
    };
    Ok(Some(accepted))
}

/// The plan begins with the new assignments.
fn begun(plan: Plan) -> Accepted {
    let wishes = plan.moves.iter().map(|(shard, hop)| Wish::Assign(shard.clone(), hop.to.clone())).collect();
    (Progress::Accepted, plan, wishes)
}

fn is_parked(facts: &Facts<'_>, member: &MemberId) -> bool {
    facts.observed.roster.get(member).is_some_and(|entry| entry.parked)
}

fn shards_of<'a>(facts: &Facts<'a>, member: &'a MemberId) -> impl Iterator<Item = &'a ShardId> {
    let all = facts.observed.assignments.iter();
    all.filter(move |(_, assignment)| assignment.member == *member).map(|(shard, _)| shard)
}

/// Everything that `from` has goes to `to`, or to the fittest.
fn relieve(facts: &Facts<'_>, from: &MemberId, to: Option<&MemberId>) -> Result<Plan, String> {
    known(facts, from)?;
    let shards: Vec<&ShardId> = shards_of(facts, from).collect();
    if shards.is_empty() && from != facts.me {
        return Err(format!("{from} owns no shard and does not lead: there is nothing to hand over"));
    }
    let takers = match to {
        Some(to) if to == from => return Err(format!("{to} has it already")),
        Some(to) => fit(facts, to).map(|()| vec![to.clone()])?,
        None => candidates(facts, from)?,
    };
    let hops = shards.into_iter().zip(takers.iter().cycle());
    let moves = hops
        .map(|(shard, to)| (shard.clone(), Hop { from: from.clone(), to: to.clone() }))
        .collect::<std::collections::BTreeMap<_, _>>();
    let leads = from == facts.me || (facts.lead_follows() && !moves.is_empty());
    Ok(Plan { moves, lead: leads.then(|| takers[0].clone()), ..Plan::default() })
}

/// One shard goes to `to`.
fn carry(facts: &Facts<'_>, shard: &ShardId, to: &MemberId) -> Result<Plan, String> {
    let assignment = there_is(facts, shard)?;
    if assignment.member == *to {
        return Err(format!("shard {shard} is at {to} already"));
    }
    fit(facts, to)?;
    let hop = Hop { from: assignment.member.clone(), to: to.clone() };
    let moves = [(shard.clone(), hop)].into();
    Ok(Plan { moves, lead: facts.lead_follows().then(|| to.clone()), ..Plan::default() })
}

fn there_is<'a>(facts: &Facts<'a>, shard: &ShardId) -> Result<&'a Assignment, String> {
    let assignments = &facts.observed.assignments;
    assignments.get(shard).ok_or_else(|| {
        let names: Vec<&str> = assignments.keys().map(ShardId::as_str).collect();
        format!("there is no shard '{shard}': the shards are {}", names.join(", "))
    })
}

/// The shard's owner knows whether the place is there and comes before its position.
fn rewind(facts: &Facts<'_>, shard: &ShardId, to: &Start) -> Result<Accepted, String> {
    there_is(facts, shard)?;
    if facts.takes_turns() {
        return Err("under sharding.strategy Time shards go on from one another's positions, and one alone cannot go back: \
                    make a cluster under another zookeeper.root that starts there"
            .into());
    }
    if matches!(to.from, StartFrom::Latest | StartFrom::Maxwell | StartFrom::MaxwellOrLatest) {
        return Err(format!("from: {:?} is no earlier position", to.from));
    }
    if let Some(problem) = to.problem() {
        return Err(problem.to_string());
    }
    if facts.observed.owner(shard).is_none() {
        return Err(format!("nobody owns shard {shard}"));
    }
    let at_it = |ask: &Ask| matches!(ask, Ask::Rewind { shard: other, .. } if other == shard);
    if facts.observed.plans().any(|(request, _)| at_it(&request.ask)) {
        return Err(format!("shard {shard} is being rewound already"));
    }
    Ok((Progress::Accepted, Plan::default(), Vec::new()))
}

/// The rest is the leader's, see `lead/division.rs`.
fn divide(facts: &Facts<'_>, sharding: &Sharding) -> Result<Accepted, String> {
    let changing = division::begin(facts.observed, facts.mode, sharding, facts.now)?;
    let plan = Plan { generation: Some(changing.tried), ..Plan::default() };
    Ok((Progress::Accepted, plan, vec![Wish::Divide(Box::new(changing))]))
}

fn paused(facts: &Facts<'_>, wanted: bool) -> Result<Accepted, String> {
    match (facts.observed.paused(), wanted) {
        (true, true) => Err("it is paused already".into()),
        (false, false) => Err("it is not paused".into()),
        _ => Ok((Progress::Accepted, Plan::default(), vec![Wish::Pause(wanted)])),
    }
}

/// What only a member can tell, such as an expression that does not compile, every member tells.
fn configure(facts: &Facts<'_>, set: &Tuning, unset: &[String]) -> Result<Accepted, String> {
    let unknown: Vec<&str> = unset.iter().map(String::as_str).filter(|name| !FIELDS.contains(name)).collect();
    if !unknown.is_empty() {
        return Err(format!(
            "{} cannot be set without a restart; these can: {}",
            unknown.join(", "),
            FIELDS.join(", ")
        ));
    }
    if let Some(problem) = set.problems().first() {
        return Err(problem.to_string());
    }
    let (live, _) = facts.observed.live.clone().unwrap_or_default();
    let wanted = live.settings.changed(set, unset);
    if wanted == live.settings {
        return Ok((Progress::Done, Plan::default(), Vec::new()));
    }
    let plan = Plan { version: Some(live.version + 1), ..Plan::default() };
    Ok((Progress::Accepted, plan, vec![Wish::Configure(wanted)]))
}

fn has_anything(facts: &Facts<'_>, member: &MemberId) -> bool {
    member == facts.me || shards_of(facts, member).next().is_some()
}

fn restart(facts: &Facts<'_>, member: &MemberId) -> Result<Accepted, String> {
    known(facts, member)?;
    let Some(record) = facts.observed.members.get(member) else {
        return Err(format!("{member} is offline"));
    };
    let plan = if has_anything(facts, member) { relieve(facts, member, None)? } else { Plan::default() };
    Ok(begun(Plan { incarnation: Some(record.incarnation), ..plan }))
}

fn park(facts: &Facts<'_>, member: &MemberId) -> Result<Accepted, String> {
    known(facts, member)?;
    if is_parked(facts, member) {
        return Err(format!("{member} is parked already"));
    }
    if has_anything(facts, member) {
        return Ok(begun(relieve(facts, member, None)?));
    }
    Ok((Progress::Done, Plan::default(), vec![Wish::Park(member.clone(), true)]))
}
