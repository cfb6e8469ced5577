//! Which member each shard belongs to. Pure.

use std::collections::BTreeMap;

use maxwell_protocol::assignment::{Assignment, AssignmentReason, Layout};
use maxwell_protocol::id::{Epoch, MemberId, ShardId};

/// The shards of `layout`, by name, with their numbers.
pub(super) fn shards(layout: &Layout) -> impl Iterator<Item = (ShardId, u32)> {
    (0..layout.shards).map(|number| (ShardId(number.to_string()), number))
}

/// The assignments of an `ActiveStandby` cluster under the leader `me` of `epoch`: every shard to the leader itself,
/// which won the election as the fittest. An assignment of this leader that still holds keeps its reason.
pub(super) fn assign(
    layout: &Layout,
    me: &MemberId,
    epoch: Epoch,
    current: &BTreeMap<ShardId, Assignment>,
) -> BTreeMap<ShardId, Assignment> {
    shards(layout)
        .map(|(shard, _)| {
            let reason = match current.get(&shard) {
                None => AssignmentReason::Initial,
                Some(kept) if kept.member == *me => kept.reason,
                Some(_) => AssignmentReason::OwnerLost,
            };
            (shard, Assignment { member: me.clone(), leader_epoch: epoch, reason })
        })
        .collect()
}

/// The epoch of a leader that follows those who wrote `current`.
pub(super) fn next_epoch(current: &BTreeMap<ShardId, Assignment>) -> Epoch {
    current.values().map(|assignment| assignment.leader_epoch).max().unwrap_or_default().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leader_takes_every_shard_and_says_why() {
        let layout = Layout { generation: 1, shards: 3 };
        let (a, b) = (MemberId::from("a"), MemberId::from("b"));
        let first = assign(&layout, &a, Epoch(1), &BTreeMap::new());
        assert_eq!(first.len(), 3);
        assert!(first.values().all(|one| one.member == a && one.reason == AssignmentReason::Initial));
        assert_eq!(assign(&layout, &a, Epoch(1), &first), first);

        assert_eq!(next_epoch(&first), Epoch(2));
        let second = assign(&layout, &b, next_epoch(&first), &first);
        assert!(second.values().all(|one| one.reason == AssignmentReason::OwnerLost));
        assert!(second.values().all(|one| one.member == b && one.leader_epoch == Epoch(2)));
    }
}
