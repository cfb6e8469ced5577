//! Which member each shard belongs to. Pure.
//!
//! A shard stays where it is as long as its member can own it. Where it cannot, or where nobody has it yet, it goes at
//! once to the member that it is pinned to, else to one of the members that take part: all of them, or in `Hybrid` all
//! but the standbys. No member is given more than its part, the ceiling of shards
//! by members. What lives is moved one at a time, once everything streams, and only where that makes the parts more even,
//! so that no shard is moved more than needed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use maxwell_protocol::assignment::{Assignment, AssignmentReason};
use maxwell_protocol::id::{Epoch, MemberId, ShardId};
use maxwell_protocol::layout::Layout;
use maxwell_protocol::member::{MemberRecord, MemberState, ShardState};
use maxwell_protocol::settings::{Balance, Mode, MovePolicy, Settings};
use xxhash_rust::xxh3::xxh3_64;

use super::election::cut_off;
use super::observed::Observed;

/// Where each shard is assigned to.
pub(super) type Assignments = BTreeMap<ShardId, Assignment>;

/// What the settings say of assignments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// What the members are to one another.
    pub mode: Mode,
    /// Members that `Hybrid` keeps free.
    pub standbys: usize,
    /// How shards are dealt out.
    pub balance: Balance,
    /// Whether shards that live are moved.
    pub moves: bool,
    /// Whether a shard goes elsewhere when its member is gone.
    pub failover: bool,
    /// Where shards run as long as that member can.
    pub pins: BTreeMap<ShardId, MemberId>,
}

impl From<&Settings> for Policy {
    fn from(settings: &Settings) -> Self {
        let sharding = settings.sharding.clone().unwrap_or_default();
        let pinned = sharding.pins.into_iter().filter_map(|pin| {
            Some((ShardId(pin.shard), MemberId(pin.member.filter(|name| !name.is_empty())?)))
        });
        Self {
            mode: settings.mode,
            standbys: settings.standbys as usize,
            balance: sharding.balance,
            moves: settings.rebalancing.policy == MovePolicy::Automatic,
            failover: settings.failover.enabled,
            pins: pinned.collect(),
        }
    }
}

/// What a leader decides from.
pub(super) struct Deal<'a> {
    pub(super) policy: &'a Policy,
    pub(super) layout: &'a Layout,
    pub(super) observed: &'a Observed,
    /// The leader.
    pub(super) me: &'a MemberId,
    /// Its epoch.
    pub(super) epoch: Epoch,
    /// What holds until now.
    pub(super) current: &'a Assignments,
}

/// The epoch of a leader that follows those who wrote `current`.
pub(super) fn next_epoch(current: &Assignments) -> Epoch {
    current.values().map(|assignment| assignment.leader_epoch).max().unwrap_or_default().next()
}

/// Whether `member` would be given a shard whose owner fails now, so that it is worth its while to be warm for it.
pub(super) fn is_heir(policy: &Policy, observed: &Observed, shard: &ShardId, member: &MemberId) -> bool {
    if policy.mode == Mode::ActiveStandby {
        return true;
    }
    let owner = observed.assignments.get(shard).map(|assignment| &assignment.member);
    let others = fit(observed).into_keys().filter(|one| Some(one) != owner);
    let (free, busy): (Vec<_>, Vec<_>) = others.partition(|one| !owns_any(observed, one));
    let heirs = if policy.mode == Mode::Hybrid && !free.is_empty() { free } else { [free, busy].concat() };
    heirs.iter().max_by_key(|one| affinity(shard, one)).is_some_and(|heir| heir == member)
        || policy.pins.get(shard) == Some(member)
}

fn owns_any(observed: &Observed, member: &MemberId) -> bool {
    observed.assignments.values().any(|assignment| assignment.member == *member)
}

/// Members that may own shards.
fn able(observed: &Observed) -> impl Iterator<Item = &MemberRecord> {
    let parked = |id| observed.roster.get(id).is_some_and(|entry| entry.parked);
    observed.members.values().filter(move |one| one.state == MemberState::Running && !parked(&one.id))
}

/// Those of them that reach MySQL and Kafka; all when none does, because then a change would help nobody.
fn fit(observed: &Observed) -> BTreeMap<MemberId, &MemberRecord> {
    let of = |members: Vec<_>| members.into_iter().map(|one: &MemberRecord| (one.id.clone(), one)).collect();
    let fit: Vec<_> = able(observed).filter(|one| !cut_off(one)).collect();
    if fit.is_empty() { of(able(observed).collect()) } else { of(fit) }
}

/// How much a shard is drawn to a member: the same whoever else there is.
fn affinity(shard: &ShardId, member: &MemberId) -> u64 {
    xxh3_64(format!("{shard}\0{member}").as_bytes())
}

/// Where every shard of the layout belongs.
pub(super) fn assign(deal: &Deal<'_>) -> Assignments {
    let mut table = Table::new(deal);
    if deal.policy.mode == Mode::ActiveStandby {
        table.give_all_to_leader();
    } else {
        table.place_vacant();
        if deal.policy.moves && table.is_settled() {
            table.move_one();
        }
    }
    table.placed
}

/// A decision under way.
struct Table<'a> {
    deal: &'a Deal<'a>,
    shards: Vec<ShardId>,
    fit: BTreeMap<MemberId, &'a MemberRecord>,
    /// The members that take part.
    active: BTreeSet<MemberId>,
    placed: Assignments,
}

impl<'a> Table<'a> {
    fn new(deal: &'a Deal<'a>) -> Self {
        let mut table = Self {
            deal,
            shards: deal.layout.shards().map(|(shard, _)| shard).collect(),
            fit: fit(deal.observed),
            active: BTreeSet::new(),
            placed: BTreeMap::new(),
        };
        for shard in table.shards.clone() {
            if let Some(current) = deal.current.get(&shard).filter(|current| table.stays(&shard, current)) {
                table.placed.insert(shard, Assignment { leader_epoch: deal.epoch, ..current.clone() });
            }
        }
        table.active = table.taking_part();
        table
    }

    /// Whether a shard's member keeps it. One that does not reach MySQL or Kafka decides itself when to give it up: as
    /// long as it holds the lock, nobody is known to do better.
    fn stays(&self, shard: &ShardId, current: &Assignment) -> bool {
        let Deal { policy, observed, .. } = self.deal;
        let member = &current.member;
        // What an earlier leader was asked for has gone with it: a new leader is the fittest.
        let asked_for =
            current.reason == AssignmentReason::Requested && current.leader_epoch == self.deal.epoch;
        if policy.mode == Mode::ActiveStandby && !asked_for {
            return false;
        }
        let holds = observed
            .shard_locks
            .get(shard)
            .and_then(|line| line.holder())
            .is_some_and(|holder| holder.id == *member);
        let gone = !observed.members.contains_key(member);
        self.fit.contains_key(member)
            || (holds && able(observed).any(|one| one.id == *member))
            || (gone && !policy.failover)
    }

    fn put(&mut self, shard: &ShardId, member: MemberId, reason: AssignmentReason) {
        let before = self.deal.current.get(shard);
        let assignment = match before {
            Some(before) if before.member == member => {
                Assignment { leader_epoch: self.deal.epoch, ..before.clone() }
            }
            _ => {
                let from = before.map(|before| before.member.clone());
                Assignment { member, leader_epoch: self.deal.epoch, reason, from }
            }
        };
        self.placed.insert(shard.clone(), assignment);
    }

    fn count(&self, member: &MemberId) -> usize {
        self.placed.values().filter(|assignment| assignment.member == *member).count()
    }

    fn vacancy_reason(&self, shard: &ShardId) -> AssignmentReason {
        let Some(current) = self.deal.current.get(shard) else { return AssignmentReason::Initial };
        let before = self.deal.observed.members.get(&current.member);
        match before.filter(|one| !able(self.deal.observed).any(|able| able.id == one.id)) {
            Some(_) => AssignmentReason::OwnerLeaves,
            None => AssignmentReason::OwnerLost,
        }
    }

    /// To the leader, which won the election as the fittest.
    fn give_all_to_leader(&mut self) {
        for shard in self.shards.clone() {
            if !self.placed.contains_key(&shard) {
                let reason = self.vacancy_reason(&shard);
                self.put(&shard, self.deal.me.clone(), reason);
            }
        }
    }

    /// In `Hybrid` as many as are expected but for the standbys: when one of them fails, a standby takes part in its
    /// stead. First those that something is pinned to, then those that own, then as in an election.
    fn taking_part(&self) -> BTreeSet<MemberId> {
        let Deal { policy, observed, .. } = self.deal;
        if policy.mode != Mode::Hybrid {
            return self.fit.keys().cloned().collect();
        }
        let expected = observed.roster.values().filter(|entry| !entry.parked).count().max(self.fit.len());
        let wanted = expected.saturating_sub(policy.standbys).max(1);
        let mut members: Vec<_> = self.fit.values().collect();
        members.sort_by_key(|one| {
            let pinned = policy.pins.values().any(|member| *member == one.id);
            (!pinned, self.count(&one.id) == 0, Reverse(one.priority), one.started_at, one.id.clone())
        });
        members.into_iter().take(wanted).map(|one| one.id.clone()).collect()
    }

    fn place_vacant(&mut self) {
        let vacant: Vec<ShardId> =
            self.shards.iter().filter(|shard| !self.placed.contains_key(*shard)).cloned().collect();
        let (pinned, free): (Vec<_>, Vec<_>) =
            vacant.into_iter().partition(|shard| self.pin(shard).is_some());
        for shard in pinned.into_iter().chain(free) {
            let Some(member) = self.pin(&shard).or_else(|| self.choose(&shard)) else { continue };
            let reason = self.vacancy_reason(&shard);
            self.put(&shard, member, reason);
        }
    }

    /// The member that a shard is pinned to, if it can own it.
    fn pin(&self, shard: &ShardId) -> Option<MemberId> {
        self.deal.policy.pins.get(shard).filter(|member| self.fit.contains_key(*member)).cloned()
    }

    /// The best of those that have room.
    fn choose(&self, shard: &ShardId) -> Option<MemberId> {
        let part = self.shards.len().div_ceil(self.active.len().max(1));
        let roomy = self.active.iter().filter(|member| self.count(member) < part);
        // With pins the others may be at their part already.
        let least = || self.active.iter().min_by_key(|member| self.count(member));
        match self.deal.policy.balance {
            Balance::ConsistentHash => {
                roomy.max_by_key(|member| affinity(shard, member)).or_else(least).cloned()
            }
            Balance::LeastLoaded => {
                self.active.iter().min_by(|one, other| self.load(one).total_cmp(&self.load(other))).cloned()
            }
        }
    }

    /// Shards first; among equals CPU, in percent, and rows.
    fn load(&self, member: &MemberId) -> f64 {
        let measured = self.fit.get(member).map_or(0.0, |one| {
            let busy = one.cpu_percent / (one.cpu_percent + 100.0);
            let rows = one.rows_per_second / (one.rows_per_second + 100_000.0);
            (busy + rows) / 2.0
        });
        self.count(member) as f64 + measured.clamp(0.0, 0.99)
    }

    /// Whether every shard is where it was put and streams there, or stands still for good, and nobody is cut off.
    fn is_settled(&self) -> bool {
        let observed = self.deal.observed;
        if self.fit.values().any(|one| cut_off(one)) || self.fit.len() < able(observed).count() {
            return false;
        }
        self.shards.iter().all(|shard| {
            let Some(now) = self.deal.current.get(shard) else { return false };
            let holder = observed.shard_locks.get(shard).and_then(|line| line.holder());
            let state = observed.members.get(&now.member).and_then(|one| one.shards.get(shard));
            self.placed.get(shard).is_some_and(|placed| placed.member == now.member)
                && holder.is_some_and(|holder| holder.id == now.member)
                && state
                    .is_some_and(|report| matches!(report.state, ShardState::Streaming | ShardState::Halted))
        })
    }

    fn move_one(&mut self) {
        if let Some((shard, to)) = self.next_move() {
            self.put(&shard, to, AssignmentReason::Rebalanced);
        }
    }

    /// Back to its pin, off a member that shall be free, or from the fullest member to the emptiest.
    fn next_move(&self) -> Option<(ShardId, MemberId)> {
        let at = |shard: &ShardId| &self.placed[shard].member;
        let movable: Vec<&ShardId> = self
            .shards
            .iter()
            .filter(|shard| {
                self.placed.get(*shard).is_some_and(|one| one.reason != AssignmentReason::Requested)
            })
            .collect();
        let strayed = |shard: &&&ShardId| self.pin(shard).is_some_and(|pin| pin != *at(shard));
        if let Some(shard) = movable.iter().find(strayed) {
            return Some(((*shard).clone(), self.pin(shard)?));
        }
        let movable: Vec<&ShardId> = movable.into_iter().filter(|shard| self.pin(shard).is_none()).collect();
        let emptiest = self.active.iter().min_by_key(|member| self.count(member))?;
        let fullest = movable.iter().map(|shard| at(shard)).max_by_key(|member| {
            // Whoever shall be free has more than its part with any.
            if self.active.contains(*member) { self.count(member) } else { usize::MAX }
        })?;
        if self.active.contains(fullest) && self.count(fullest) < self.count(emptiest) + 2 {
            return None;
        }
        let theirs = movable.into_iter().filter(|shard| at(shard) == fullest);
        let shard = theirs.max_by_key(|shard| affinity(shard, emptiest))?;
        Some((shard.clone(), emptiest.clone()))
    }
}

#[cfg(test)]
mod tests;
