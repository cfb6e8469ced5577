//! How much a member has to do, and what of that goes with a shard. Pure.

use maxwell_protocol::id::ShardId;
use maxwell_protocol::member::{MemberRecord, ShardReport};

/// What counts as much: CPU in percent, lag in milliseconds, bytes waiting, rows and bytes a second.
const MUCH: [f64; 5] = [100.0, 60_000.0, 67_108_864.0, 100_000.0, 125_000_000.0];

/// Memory up to this part of the limit is what any worker needs, whatever it has to do.
const USUAL_MEMORY: f64 = 0.5;

/// A shard without rows costs this many a second: its owner reads the binlog for it.
const READING: f64 = 100.0;

/// What a member has to do, each figure as a part of what is much.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Load([f64; 6]);

impl Load {
    /// What `member` has to do, as it says.
    pub(super) fn of(member: &MemberRecord) -> Self {
        let lag = member.shards.values().map(|report| report.lag_milliseconds).max().unwrap_or(0);
        let measured = [
            member.cpu_percent,
            lag as f64,
            member.unsent_bytes as f64,
            member.rows_per_second,
            member.bytes_per_second,
        ];
        let mut parts = [memory(member), 0.0, 0.0, 0.0, 0.0, 0.0];
        for (part, (figure, much)) in parts[1..].iter_mut().zip(measured.iter().zip(MUCH)) {
            *part = figure / much;
        }
        Self(parts)
    }

    /// The worst of its figures.
    pub(super) fn score(&self) -> f64 {
        self.0.iter().copied().fold(0.0, f64::max)
    }

    /// This part of it.
    fn part(&self, share: f64) -> Self {
        Self(self.0.map(|figure| figure * share))
    }

    /// What `from` and `to` would have to do when `share` of what `from` has went to `to`.
    pub(super) fn shift(from: Self, to: Self, share: f64) -> (Self, Self) {
        let moved = from.part(share);
        let mut sum = to;
        sum.0.iter_mut().zip(moved.0).for_each(|(figure, more)| *figure += more);
        (from.part(1.0 - share), sum)
    }
}

/// How far memory is over what is usual, as a part of what is left then.
fn memory(member: &MemberRecord) -> f64 {
    if member.memory_limit_bytes == 0 {
        return 0.0;
    }
    let used = member.memory_bytes as f64 / member.memory_limit_bytes as f64;
    ((used - USUAL_MEMORY) / (1.0 - USUAL_MEMORY)).max(0.0)
}

/// What part of what `member` has to do goes with one of `shards`, which are all of its own: by their rows.
pub(super) fn share(member: &MemberRecord, shard: &ShardId, shards: &[&ShardId]) -> f64 {
    let weight = |shard: &ShardId| {
        let rows = |report: &ShardReport| report.rows_per_second;
        READING + member.shards.get(shard).map_or(0.0, rows)
    };
    weight(shard) / shards.iter().map(|one| weight(one)).sum::<f64>().max(READING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordination::election::tests::member;

    #[test]
    fn the_worst_figure_counts() {
        let mut one = member("a", 0, 0);
        assert_eq!(Load::of(&one).score(), 0.0);
        (one.cpu_percent, one.rows_per_second) = (30.0, 50_000.0);
        assert_eq!(Load::of(&one).score(), 0.5);
        one.shards.insert("0".into(), ShardReport { lag_milliseconds: 90_000, ..ShardReport::default() });
        assert_eq!(Load::of(&one).score(), 1.5);
    }

    #[test]
    fn memory_counts_over_what_is_usual_where_it_is_limited() {
        let mut one = member("a", 0, 0);
        one.memory_bytes = 300;
        assert_eq!(Load::of(&one).score(), 0.0);
        one.memory_limit_bytes = 400;
        assert_eq!(Load::of(&one).score(), 0.5);
        one.memory_limit_bytes = 1_000;
        assert_eq!(Load::of(&one).score(), 0.0);
    }

    #[test]
    fn a_shard_takes_what_its_rows_are_of_all() {
        let mut one = member("a", 0, 0);
        one.cpu_percent = 80.0;
        let report = |rows_per_second| ShardReport { rows_per_second, ..ShardReport::default() };
        one.shards.insert("0".into(), report(2_900.0));
        one.shards.insert("1".into(), report(900.0));
        let (hot, cold) = (ShardId::from("0"), ShardId::from("1"));
        assert_eq!(share(&one, &hot, &[&hot, &cold]), 0.75);
        let (from, to) = Load::shift(Load::of(&one), Load::default(), 0.75);
        assert!((from.score() - 0.2).abs() < 1e-9 && (to.score() - 0.6).abs() < 1e-9);
    }
}
