//! Which shard that lives is moved: back to its pin, off a member that shall be free, to one that has fewer, or away from
//! one that has much more to do. Pure.
//!
//! What is measured, with the policy's threshold and interval as hysteresis, decides over counts: no move for counts makes
//! what members have to do uneven. Each move by load takes from the busiest of the members concerned, each by count from
//! the fullest, and neither undoes the other, so that moving ends.

use maxwell_protocol::assignment::AssignmentReason;
use maxwell_protocol::id::{MemberId, ShardId};
use maxwell_protocol::member::ShardState;

use super::load::{Load, share};
use super::{Table, able, affinity};
use crate::coordination::election::cut_off;

/// What is measured counts once it is uneven for this long, in milliseconds: three heartbeats.
const LASTING: i64 = 15_000;

impl Table<'_> {
    /// Moves a shard, if one is to be moved and nothing else is under way.
    pub(super) fn move_one(&mut self) {
        let Some(under_way) = self.under_way() else { return };
        let more = under_way < self.deal.policy.concurrent.max(1);
        let next = more.then(|| self.home().or_else(|| self.by_count())).flatten();
        let due = under_way == 0 && self.is_lasting();
        if let Some((shard, to)) = next.or_else(|| due.then(|| self.by_load()).flatten()) {
            self.put(&shard, to, AssignmentReason::Rebalanced);
        }
    }

    /// How many shards are being moved; `None` when anything else is not settled: a shard that does not stream where it
    /// was put, unless it stands still for good, or a member that is cut off.
    fn under_way(&self) -> Option<usize> {
        let observed = self.deal.observed;
        if self.fit.values().any(|one| cut_off(one)) || self.fit.len() < able(observed).count() {
            return None;
        }
        let mut moving = 0;
        for shard in &self.shards {
            let now = self.deal.current.get(shard)?;
            // Where nobody takes over without being asked, who leaves keeps its shards.
            if self.placed.get(shard)?.member != now.member || !self.fit.contains_key(&now.member) {
                return None;
            }
            let holder = observed.shard_locks.get(shard).and_then(|line| line.holder());
            let report = observed.members.get(&now.member).and_then(|one| one.shards.get(shard));
            let rests = holder.is_some_and(|holder| holder.id == now.member)
                && report.is_some_and(|it| it.gets_on() || it.state == ShardState::Halted);
            match rests {
                true => {}
                false if now.reason == AssignmentReason::Rebalanced => moving += 1,
                false => return None,
            }
        }
        Some(moving)
    }

    /// Whether what is measured is uneven for long enough, and the last move to even it out long enough ago.
    fn is_lasting(&self) -> bool {
        let rebalanced = self.placed.values().filter(|one| one.reason == AssignmentReason::Rebalanced);
        let interval = self.deal.policy.interval.as_millis() as u64;
        // One that is yet to come was moved by another clock, which no more is waited for.
        let rests =
            rebalanced.map(|one| one.at).max().is_none_or(|last| self.deal.now.abs_diff(last) >= interval);
        rests && self.deal.uneven_since.is_some_and(|since| self.deal.now - since >= LASTING)
    }

    fn at(&self, shard: &ShardId) -> &MemberId {
        &self.placed[shard].member
    }

    /// Shards that nobody asked to be where they are.
    fn movable(&self) -> impl Iterator<Item = &ShardId> {
        let asked = |shard: &&ShardId| {
            self.placed.get(*shard).is_some_and(|one| one.reason != AssignmentReason::Requested)
        };
        self.shards.iter().filter(asked)
    }

    fn unpinned(&self) -> impl Iterator<Item = &ShardId> {
        self.movable().filter(|shard| self.pin(shard).is_none())
    }

    /// Back to its pin.
    fn home(&self) -> Option<(ShardId, MemberId)> {
        self.movable().find_map(|shard| {
            let pin = self.pin(shard).filter(|pin| pin != self.at(shard))?;
            Some((shard.clone(), pin))
        })
    }

    /// Off a member that shall be free, else from the fullest member to the emptiest.
    fn by_count(&self) -> Option<(ShardId, MemberId)> {
        let emptiest = self.active.iter().min_by(|one, other| self.by_shards(one, other))?;
        let free = |member: &MemberId| !self.active.contains(member);
        let givers = self.unpinned().map(|shard| self.at(shard));
        let fullest = givers.max_by(|one, other| {
            // Whoever shall be free has more than its part with any.
            free(one).cmp(&free(other)).then_with(|| self.by_shards(one, other))
        })?;
        if !free(fullest) && self.count(fullest) < self.count(emptiest) + 2 {
            return None;
        }
        let theirs = self.unpinned().filter(|shard| self.at(shard) == fullest);
        let tolerable = theirs.filter(|shard| free(fullest) || self.is_tolerable(shard, emptiest));
        let shard = tolerable.max_by_key(|shard| affinity(shard, emptiest))?;
        Some((shard.clone(), emptiest.clone()))
    }

    /// What a shard's member and `to` would have to do after its move.
    fn shifted(&self, shard: &ShardId, to: &MemberId) -> (f64, f64) {
        let from = self.at(shard);
        let theirs: Vec<&ShardId> = self.shards.iter().filter(|one| self.is_at(one, from)).collect();
        let share = self.fit.get(from).map_or(0.0, |member| share(member, shard, &theirs));
        let (from, to) = Load::shift(self.load(from), self.load(to), share);
        (from.score(), to.score())
    }

    fn is_at(&self, shard: &ShardId, member: &MemberId) -> bool {
        self.placed.get(shard).is_some_and(|one| one.member == *member)
    }

    /// Whether a move to `to` leaves what members have to do even, or makes it more so; by so much that nothing is due to
    /// come back for what figures vary by.
    fn is_tolerable(&self, shard: &ShardId, to: &MemberId) -> bool {
        let from = self.at(shard);
        let (less, more) = self.shifted(shard, to);
        let after = |member: &MemberId| match member {
            member if member == from => less,
            member if member == to => more,
            member => self.load(member).score(),
        };
        let (least, most) = self
            .active
            .iter()
            .map(after)
            .fold((f64::INFINITY, 0.0_f64), |(least, most), one| (least.min(one), most.max(one)));
        let margin = self.deal.policy.imbalance / 2.0;
        most - least <= margin || more + margin < self.load(from).score()
    }

    /// From a member that has much more to do than another to that one: what evens the two out best, and never so much
    /// that it would be due to come back.
    pub(super) fn by_load(&self) -> Option<(ShardId, MemberId)> {
        let limit = self.deal.policy.imbalance;
        let score = |member: &MemberId| self.load(member).score();
        let idlest = self.active.iter().min_by(|one, other| {
            score(one).total_cmp(&score(other)).then_with(|| self.count(one).cmp(&self.count(other)))
        })?;
        let mut busy: Vec<&MemberId> =
            self.active.iter().filter(|one| score(one) - score(idlest) > limit).collect();
        busy.sort_by(|one, other| score(other).total_cmp(&score(one)));
        busy.into_iter().find_map(|from| {
            let theirs = self.unpinned().filter(|shard| self.at(shard) == from);
            let after = theirs.map(|shard| (self.shifted(shard, idlest), shard));
            let better = after.filter(|((less, more), _)| *more < score(from) && more - less <= limit / 2.0);
            let worse = |(less, more): &(f64, f64)| less.max(*more);
            let (_, shard) = better.min_by(|(one, _), (other, _)| worse(one).total_cmp(&worse(other)))?;
            Some((shard.clone(), idlest.clone()))
        })
    }
}
