//! Who can take what another member has. Pure.

use std::cmp::Reverse;

use maxwell_protocol::id::MemberId;
use maxwell_protocol::member::{Connection, MemberRecord, MemberState};

use super::Facts;

/// Refuses a member that nobody knows, and names those that are known.
pub(super) fn known(facts: &Facts<'_>, member: &MemberId) -> Result<(), String> {
    let observed = facts.observed;
    if observed.roster.contains_key(member) || observed.members.contains_key(member) {
        return Ok(());
    }
    let names: Vec<&str> = observed.roster.keys().map(MemberId::as_str).collect();
    Err(format!("there is no member '{member}': the members are {}", names.join(", ")))
}

/// Refuses a member that could not take over at once, and says why.
pub(super) fn fit(facts: &Facts<'_>, member: &MemberId) -> Result<(), String> {
    known(facts, member)?;
    let Some(record) = facts.observed.members.get(member) else {
        return Err(format!("{member} is offline"));
    };
    if facts.observed.roster.get(member).is_some_and(|entry| entry.parked) {
        return Err(format!("{member} is parked: unpark it first"));
    }
    match record.state {
        MemberState::Running => {}
        MemberState::Parked => return Err(format!("{member} is parked: unpark it first")),
        MemberState::Starting => return Err(format!("{member} is still starting")),
        MemberState::Draining => return Err(format!("{member} is about to end")),
    }
    for (system, connection) in [("MySQL", &record.mysql), ("Kafka", &record.kafka)] {
        reaches(member, system, connection)?;
    }
    keeps_up(facts, record)
}

fn reaches(member: &MemberId, system: &str, connection: &Connection) -> Result<(), String> {
    match connection.reachable {
        Some(true) => Ok(()),
        Some(false) => Err(format!("{member} does not reach {system}: {}", connection.error)),
        None => Err(format!("{member} is not warm yet: it has not reached {system} so far")),
    }
}

fn keeps_up(facts: &Facts<'_>, record: &MemberRecord) -> Result<(), String> {
    let late = record.shards.iter().find(|(_, report)| report.lag_milliseconds > facts.max_lag_milliseconds);
    let Some((shard, report)) = late else { return Ok(()) };
    Err(format!(
        "{} is {} s behind at shard {shard}, and failover.maxLagSeconds is {}",
        record.id,
        report.lag_milliseconds / 1_000,
        facts.max_lag_milliseconds / 1_000
    ))
}

/// Everybody but `except` who can take over, the fittest first: who has fewest shards, then by priority, age and name.
pub(super) fn candidates(facts: &Facts<'_>, except: &MemberId) -> Result<Vec<MemberId>, String> {
    let mut fittest = Vec::new();
    let mut reasons = Vec::new();
    for record in facts.observed.members.values().filter(|record| record.id != *except) {
        match fit(facts, &record.id) {
            Ok(()) => fittest.push(record),
            Err(reason) => reasons.push(reason),
        }
    }
    fittest.sort_by_key(|record| {
        (record.shards.len(), Reverse(record.priority), record.started_at, record.id.clone())
    });
    match (fittest.is_empty(), reasons.is_empty()) {
        (false, _) => Ok(fittest.into_iter().map(|record| record.id.clone()).collect()),
        (true, true) => Err("no other member is there to take over".into()),
        (true, false) => Err(format!("no other member can take over: {}", reasons.join("; "))),
    }
}
