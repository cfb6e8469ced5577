//! Which member each shard belongs to. Pure.
//!
//! A shard stays where it is as long as its member can own it. Where it cannot, or where nobody has it yet, it goes at
//! once to the member that it is pinned to, else to one of the members that take part: all of them, or in `Hybrid` all
//! but the standbys. No member is given more than its part, the ceiling of shards
//! by members. What lives is moved only where that makes the parts more even, see `moves`, so that no shard is moved more
//! than needed.

mod load;
mod moves;

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use maxwell_protocol::assignment::{Assignment, AssignmentReason};
use maxwell_protocol::id::{Epoch, MemberId, ShardId};
use maxwell_protocol::layout::Layout;
use maxwell_protocol::member::{MemberRecord, MemberState};
use maxwell_protocol::settings::{Balance, Mode, MovePolicy, Settings};
use xxhash_rust::xxh3::xxh3_64;

use self::load::Load;
use super::election::cut_off;
use super::observed::Observed;

/// Where each shard is assigned to.
pub(super) type Assignments = BTreeMap<ShardId, Assignment>;

/// What the settings say of assignments.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Policy {
    /// What the members are to one another.
    pub mode: Mode,
    /// Members that `Hybrid` keeps free.
    pub standbys: usize,
    /// How shards are dealt out.
    pub balance: Balance,
    /// Whether shards that live are moved.
    pub moves: bool,
    /// How much more a member has to do than another before a shard is moved, as a part of what is much.
    pub imbalance: f64,
    /// Between two moves for what members have to do.
    pub interval: Duration,
    /// How many shards are moved at a time to members that have fewer.
    pub concurrent: usize,
    /// Whether a shard goes elsewhere when its member is gone.
    pub failover: bool,
    /// Where shards run as long as that member can.
    pub pins: BTreeMap<ShardId, MemberId>,
}

impl From<&Settings> for Policy {
    fn from(settings: &Settings) -> Self {
        let rebalancing = &settings.rebalancing;
        let sharding = settings.sharding.clone().unwrap_or_default();
        let pinned = sharding.pins.into_iter().filter_map(|pin| {
            Some((ShardId(pin.shard), MemberId(pin.member.filter(|name| !name.is_empty())?)))
        });
        Self {
            mode: settings.mode,
            standbys: settings.standbys as usize,
            balance: sharding.balance,
            moves: rebalancing.policy == MovePolicy::Automatic,
            imbalance: f64::from(rebalancing.imbalance_percent) / 100.0,
            interval: Duration::from_secs(rebalancing.min_interval_seconds.into()),
            concurrent: rebalancing.max_concurrent_moves as usize,
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
    /// Its clock, milliseconds since the epoch.
    pub(super) now: i64,
    /// Since when [`is_uneven`] holds, by the same clock.
    pub(super) uneven_since: Option<i64>,
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
        if deal.policy.moves {
            table.move_one();
        }
    }
    table.placed
}

/// Whether one member has so much more to do than another that a move would be due, if that lasts.
pub(super) fn is_uneven(deal: &Deal<'_>) -> bool {
    deal.policy.mode != Mode::ActiveStandby && deal.policy.moves && Table::new(deal).by_load().is_some()
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
        let record = observed.members.get(member);
        let leaves = record.is_none_or(|one| one.state == MemberState::Draining);
        self.fit.contains_key(member)
            || (holds && able(observed).any(|one| one.id == *member))
            || (leaves && !policy.failover)
    }

    fn put(&mut self, shard: &ShardId, member: MemberId, reason: AssignmentReason) {
        let before = self.deal.current.get(shard);
        let assignment = match before {
            Some(before) if before.member == member => {
                Assignment { leader_epoch: self.deal.epoch, ..before.clone() }
            }
            _ => {
                let from = before.map(|before| before.member.clone());
                Assignment { member, leader_epoch: self.deal.epoch, reason, from, at: self.deal.now }
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
                self.active.iter().min_by(|one, other| self.by_shards(one, other)).cloned()
            }
        }
    }

    fn load(&self, member: &MemberId) -> Load {
        self.fit.get(member).map(|one| Load::of(one)).unwrap_or_default()
    }

    /// Fewest shards first; among equals whoever has the least to do.
    fn by_shards(&self, one: &MemberId, other: &MemberId) -> Ordering {
        let score = |member| self.load(member).score();
        self.count(one).cmp(&self.count(other)).then_with(|| score(one).total_cmp(&score(other)))
    }
}

#[cfg(test)]
mod tests;
