//! What is asked of the cluster below `cluster/requests`: the leader judges each request, carries one at a time out and
//! writes down what came of it. Decisions are pure; what they change is written in one step with the proof of the lead.

mod fitness;
mod judge;
mod progress;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use maxwell_protocol::assignment::{Assignment, AssignmentReason};
use maxwell_protocol::id::{Epoch, Incarnation, MemberId, ShardId};
use maxwell_protocol::layout::Layout;
use maxwell_protocol::live::Tuning;
use maxwell_protocol::member::RosterRecord;
use maxwell_protocol::request::{Ask, Hop, KEPT, Outcome, Plan, Progress, Request};
use maxwell_protocol::settings::{Mode, Strategy};

use super::error::Failure;
use super::life::Life;
use super::lock::Lock;
use super::observed::Observed;
use super::store::{Change, encode};
use crate::clock::milliseconds;
use judge::judge;
use progress::carry_on;

/// How often a request that is being carried out is looked at when nothing changes.
const LOOK: Duration = Duration::from_millis(250);

/// What a decision is taken from.
struct Facts<'a> {
    observed: &'a Observed,
    /// The leader.
    me: &'a MemberId,
    mode: Mode,
    max_lag_milliseconds: u64,
    /// The leader's clock, milliseconds since the epoch.
    now: i64,
    /// For how long this leader has seen the request as it is.
    age: Duration,
    /// Whether it was there already when this leader began: only clocks of hosts can tell for how long.
    inherited: bool,
}

impl Facts<'_> {
    /// Whether whoever has the shards leads.
    fn lead_follows(&self) -> bool {
        self.mode == Mode::ActiveStandby
    }

    /// Whether shards stream one after the other.
    fn takes_turns(&self) -> bool {
        self.observed.layout.as_ref().is_some_and(|layout| layout.strategy == Strategy::Time)
    }
}

/// What follows for a request.
#[derive(Debug, PartialEq)]
enum Step {
    /// Nothing yet.
    Wait,
    /// Another member shall lead now.
    GiveLead,
    /// This is written, and these with it.
    Write(Outcome, Vec<Wish>),
}

/// What a step changes beside the request.
#[derive(Debug, PartialEq)]
enum Wish {
    Assign(ShardId, MemberId),
    Park(MemberId, bool),
    Pause(bool),
    Configure(Tuning),
    Divide(Box<Layout>),
}

/// The request that is to be looked at: what has been begun, else the oldest. A rewind that an owner is at holds nothing
/// else up.
fn current(observed: &Observed) -> Option<(&str, &Request, i32)> {
    let open = observed
        .requests
        .iter()
        .filter(|(_, (request, _))| !request.is_settled() && !matches!(request.ask, Ask::Bootstrap(_)));
    let (name, (request, version)) = open.min_by_key(|(name, (request, _))| {
        let new = request.outcome.is_none();
        let at_owner = !new && matches!(request.ask, Ask::Rewind { .. });
        (at_owner, new, request.at, name.as_str())
    })?;
    Some((name, request, *version))
}

/// The member that is to lead next, if a request says so.
pub(super) fn nominee(observed: &Observed) -> Option<&MemberId> {
    observed.plans().find_map(|(_, plan)| plan.lead.as_ref())
}

/// Whether it is asked for that `me` takes over, where nobody does so by itself and nobody leads who could be asked.
pub(super) fn asks_for(observed: &Observed, me: &MemberId) -> bool {
    claimed(observed, me).is_some()
}

fn claimed<'a>(observed: &'a Observed, me: &MemberId) -> Option<(&'a String, &'a (Request, i32))> {
    observed.requests.iter().find(|(_, (request, _))| {
        let asks =
            matches!(&request.ask, Ask::Switchover { to, .. } if to.as_ref().is_none_or(|to| to == me));
        asks && request.outcome.is_none()
    })
}

/// The request that made `me` stand for the lead, accepted: every shard comes to it.
pub(super) fn claim(life: &Life, observed: &Observed) -> Option<Change> {
    let me = &life.config.member;
    let (name, (request, version)) = claimed(observed, me)?;
    let elsewhere = observed.assignments.iter().filter(|(_, assignment)| assignment.member != *me);
    let moves = elsewhere
        .map(|(shard, assignment)| (shard.clone(), Hop { from: assignment.member.clone(), to: me.clone() }))
        .collect();
    let plan = Plan { moves, lead: Some(me.clone()), ..Plan::default() };
    let outcome = Outcome { state: Progress::Accepted, detail: String::new(), at: milliseconds(), plan };
    let accepted = Request { outcome: Some(outcome), ..request.clone() };
    Some(Change::Set(life.store.tree().request(name), encode(&accepted), Some(*version)))
}

/// Whether `incarnation` of `me`, which has nothing any more, is to end and begin anew.
pub(super) fn is_to_restart(observed: &Observed, me: &MemberId, incarnation: Incarnation) -> bool {
    let asked = observed.plans().any(|(request, plan)| {
        matches!(&request.ask, Ask::Restart { member } if member == me)
            && plan.incarnation == Some(incarnation)
    });
    asked && !observed.lock_records().any(|lock| lock.incarnation == incarnation)
}

/// Carries requests out for as long as this member leads under `epoch`. Ends well when it shall give the lead up.
pub(super) async fn carry_out(life: &Life, lock: &Lock, epoch: Epoch) -> Result<(), Failure> {
    let mut observation = life.observation.clone();
    let mut seen: HashMap<(String, bool), Instant> = HashMap::new();
    let inherited: HashSet<String> = observation.borrow().requests.keys().cloned().collect();
    loop {
        let observed = Arc::clone(&observation.borrow_and_update());
        seen.retain(|(name, _), _| observed.requests.contains_key(name));
        for (name, (request, _)) in &observed.requests {
            seen.entry((name.clone(), request.outcome.is_some())).or_insert_with(Instant::now);
        }
        prune(life, &observed).await?;
        let pending = current(&observed);
        if let Some((name, request, version)) = pending {
            let since = seen[&(name.to_owned(), request.outcome.is_some())];
            let facts = Facts {
                observed: &observed,
                me: &life.config.member,
                mode: life.config.policy.mode,
                max_lag_milliseconds: u64::from(life.max_lag_seconds(&observed)) * 1_000,
                now: milliseconds(),
                age: since.elapsed(),
                inherited: inherited.contains(name),
            };
            match next(&facts, request) {
                Step::Wait => {}
                Step::GiveLead => return Ok(()),
                Step::Write(outcome, wishes) => {
                    let changes = changes(life, &observed, (lock, epoch), &wishes);
                    write(life, changes, (name, request, version), outcome).await?;
                }
            }
        }
        let wait = if pending.is_some() { LOOK } else { Duration::MAX };
        tokio::select! {
            changed = observation.changed() => changed.map_err(|_| Failure::Expired)?,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

fn next(facts: &Facts<'_>, request: &Request) -> Step {
    match &request.outcome {
        None => judge(facts, &request.ask, request.at),
        Some(outcome) => carry_on(facts, &request.ask, &outcome.plan, outcome.at),
    }
}

fn changes(life: &Life, observed: &Observed, (lock, epoch): (&Lock, Epoch), wishes: &[Wish]) -> Vec<Change> {
    let tree = life.store.tree();
    let mut changes = vec![Change::Check(lock.path().to_owned())];
    for wish in wishes {
        changes.push(match wish {
            Wish::Assign(shard, member) => {
                let (member, reason) = (member.clone(), AssignmentReason::Requested);
                let from = observed.assignments.get(shard).map(|before| before.member.clone());
                let assignment = Assignment { member, leader_epoch: epoch, reason, from, at: milliseconds() };
                Change::Set(tree.shard(shard), encode(&assignment), None)
            }
            Wish::Park(member, parked) => {
                let entry = RosterRecord { parked: *parked };
                Change::Set(tree.roster_entry(member), encode(&entry), None)
            }
            Wish::Pause(paused) => {
                let (mut live, version) = observed.live.clone().unwrap_or_default();
                (live.version, live.paused) = (live.version + 1, *paused);
                Change::Set(tree.config(), encode(&live), Some(version))
            }
            Wish::Configure(settings) => {
                let (live, version) = observed.live.clone().unwrap_or_default();
                Change::Set(tree.config(), encode(&live.with(settings.clone())), Some(version))
            }
            Wish::Divide(layout) => Change::Set(tree.layout(), encode(layout), Some(observed.layout_version)),
        });
    }
    changes
}

/// Writes the outcome and what goes with it. What has changed meanwhile is looked at again.
async fn write(
    life: &Life,
    mut changes: Vec<Change>,
    (name, request, version): (&str, &Request, i32),
    outcome: Outcome,
) -> Result<(), Failure> {
    let (state, detail) = (outcome.state, outcome.detail.clone());
    let settled = Request { outcome: Some(outcome), ..request.clone() };
    changes.push(Change::Set(life.store.tree().request(name), encode(&settled), Some(version)));
    match life.store.commit(&changes).await {
        Ok(()) => {
            tracing::info!(request = %request.ask, by = request.by, outcome = ?state, detail, "request");
            Ok(())
        }
        Err(Failure::Conflict) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// Deletes the oldest requests that nothing more comes of.
async fn prune(life: &Life, observed: &Observed) -> Result<(), Failure> {
    let settled = observed.requests.iter().filter(|(_, (request, _))| request.is_settled());
    let mut settled: Vec<(&String, i32)> = settled.map(|(name, (_, version))| (name, *version)).collect();
    settled.truncate(settled.len().saturating_sub(KEPT));
    for (name, version) in settled {
        match life.store.commit(&[Change::Delete(life.store.tree().request(name), Some(version))]).await {
            Ok(()) | Err(Failure::Conflict) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}
