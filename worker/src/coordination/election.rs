//! Who may lead, and who goes first. Pure.

use std::cmp::Reverse;
use std::time::Duration;

use maxwell_protocol::id::{Incarnation, MemberId};
use maxwell_protocol::member::{MemberRecord, MemberState};

use super::observed::Observed;
use super::requests::{asks_for, nominee};

/// Each rank waits this much longer than the one before: enough for the fitter member to be seen with the lock.
const STEP: Duration = Duration::from_millis(150);

/// The place of `incarnation` among the candidates, 0 first; `None` if it is not one.
///
/// Whom a request names goes first and those that do not reach MySQL or Kafka come last. Whoever holds a shard goes
/// before the rest, because the lead's vacancy is no reason to move it; then priority decides, then age, then the name.
/// Completeness of position does not tell candidates apart: the position is the cluster's, not a member's, so every one
/// is equally complete.
pub(super) fn rank(observed: &Observed, incarnation: Incarnation, failover: bool) -> Option<u32> {
    let mut candidates: Vec<&MemberRecord> =
        observed.members.values().filter(|member| stands(observed, member, failover)).collect();
    let named = nominee(observed);
    candidates.sort_by_key(|member| {
        let id = member.id.clone();
        let holds = observed.holds_any(member.incarnation);
        (cut_off(member), named != Some(&id), !holds, Reverse(member.priority), member.started_at, id)
    });
    let place = candidates.iter().position(|member| member.incarnation == incarnation)?;
    u32::try_from(place).ok()
}

/// How long the candidate of this rank waits after the lead became vacant.
pub(super) fn delay(rank: u32) -> Duration {
    STEP * rank
}

/// The members but `me` that would take over.
pub(super) fn others<'a>(
    observed: &'a Observed,
    me: &'a MemberId,
    failover: bool,
) -> impl Iterator<Item = &'a MemberRecord> {
    let others = observed.members.values().filter(move |member| failover && member.id != *me);
    others.filter(move |member| stands(observed, member, failover))
}

/// Whether another member than `me` would take over and reaches MySQL and Kafka.
pub(super) fn another_can(observed: &Observed, me: &MemberId, failover: bool) -> bool {
    others(observed, me, failover)
        .any(|member| member.mysql.reachable == Some(true) && member.kafka.reachable == Some(true))
}

/// A member runs for the lead unless it drains or is parked. Without automatic failover only the member that owns the
/// shards does, or anybody while there is none, and who is asked to.
fn stands(observed: &Observed, member: &MemberRecord, failover: bool) -> bool {
    let parked = observed.roster.get(&member.id).is_some_and(|entry| entry.parked);
    let allowed =
        failover || owners(observed).all(|owner| *owner == member.id) || asks_for(observed, &member.id);
    member.state == MemberState::Running && !parked && allowed
}

/// What keeps a lead vacant, for people to read.
pub(super) fn why_undecided(observed: &Observed, failover: bool) -> String {
    if let Some(holder) = observed.leader_locks.holder() {
        return format!("{} was elected and has not begun to lead", holder.id);
    }
    let able: Vec<&str> = observed
        .members
        .values()
        .filter(|member| stands(observed, member, failover))
        .map(|member| member.id.as_str())
        .collect();
    match (able.as_slice(), failover) {
        ([], true) => "every member is parked, draining or gone: start one, or unpark it".to_owned(),
        ([], false) => {
            "failover.enabled is false and the owner is gone: ask for a switchover, or start the owner again"
                .to_owned()
        }
        (able, _) => format!("{} could lead and do not: see their logs", able.join(", ")),
    }
}

fn owners(observed: &Observed) -> impl Iterator<Item = &MemberId> {
    observed.assignments.values().map(|assignment| &assignment.member)
}

/// Whether a member does not reach MySQL or Kafka.
pub(super) fn cut_off(member: &MemberRecord) -> bool {
    member.mysql.reachable == Some(false) || member.kafka.reachable == Some(false)
}

#[cfg(test)]
pub(super) mod tests {
    use maxwell_protocol::assignment::{Assignment, AssignmentReason};
    use maxwell_protocol::id::Epoch;
    use maxwell_protocol::member::{Connection, LockRecord, RosterRecord};
    use maxwell_protocol::tree::Node;

    use super::*;

    pub(in crate::coordination) fn member(id: &str, priority: i32, started_at: i64) -> MemberRecord {
        MemberRecord {
            id: id.into(),
            incarnation: Incarnation::random(),
            address: String::new(),
            probe_address: String::new(),
            version: String::new(),
            priority,
            started_at,
            state: MemberState::Running,
            cpu_percent: 0.0,
            memory_bytes: 0,
            memory_limit_bytes: 0,
            rows_per_second: 0.0,
            bytes_per_second: 0.0,
            unsent_bytes: 0,
            shards: std::collections::BTreeMap::new(),
            settings: Default::default(),
            mysql: Connection::default(),
            kafka: Connection::default(),
        }
    }

    fn observed(members: &[MemberRecord]) -> Observed {
        let members = members.iter().map(|one| (one.id.clone(), one.clone())).collect();
        Observed { members, ..Observed::default() }
    }

    fn order(observed: &Observed, failover: bool) -> Vec<String> {
        let mut ranked: Vec<(u32, String)> = observed
            .members
            .values()
            .filter_map(|one| Some((rank(observed, one.incarnation, failover)?, one.id.0.clone())))
            .collect();
        ranked.sort();
        ranked.into_iter().map(|(_, id)| id).collect()
    }

    #[test]
    fn priority_then_age_then_name() {
        let members = [member("a", 0, 5), member("b", 10, 9), member("c", 0, 3), member("d", 0, 3)];
        assert_eq!(order(&observed(&members), true), ["b", "c", "d", "a"]);
    }

    #[test]
    fn who_is_cut_off_comes_last() {
        let mut first = member("a", 10, 1);
        first.kafka.reachable = Some(false);
        assert_eq!(order(&observed(&[first, member("b", 0, 2)]), true), ["b", "a"]);
    }

    #[test]
    fn who_holds_a_shard_goes_first_as_long_as_it_is_fit() {
        let mut owner = member("b", 0, 9);
        let mut all = observed(&[member("a", 10, 1), owner.clone()]);
        let record = LockRecord { id: owner.id.clone(), incarnation: owner.incarnation };
        let data = crate::coordination::store::encode(&record);
        let lock = Node::ShardLock("0".into(), format!("{}-0000000001", owner.incarnation));
        all.apply("/m/shards/0/owner/x", lock, Some((&data, 0)));
        assert_eq!(order(&all, true), ["b", "a"]);
        owner.mysql.reachable = Some(false);
        all.members.insert(owner.id.clone(), owner);
        assert_eq!(order(&all, true), ["a", "b"]);
    }

    #[test]
    fn a_lead_that_stays_vacant_is_explained() {
        let why = |members: &[MemberRecord], failover| why_undecided(&observed(members), failover);
        assert!(why(&[], true).contains("unpark"));
        assert!(why(&[member("a", 0, 1)], true).starts_with("a could lead"));
        let mut owned = observed(&[member("a", 0, 1)]);
        let reason = AssignmentReason::Initial;
        let assignment = Assignment { member: "b".into(), leader_epoch: Epoch(1), reason, from: None, at: 0 };
        owned.assignments.insert("0".into(), assignment);
        assert!(why_undecided(&owned, false).contains("switchover"));
    }

    #[test]
    fn draining_and_parked_members_do_not_stand() {
        let mut draining = member("a", 0, 1);
        draining.state = MemberState::Draining;
        let mut all = observed(&[draining, member("b", 0, 2), member("c", 0, 3)]);
        all.roster.insert("b".into(), RosterRecord { parked: true });
        assert_eq!(order(&all, true), ["c"]);
    }

    #[test]
    fn a_member_hands_over_only_to_one_that_would_take_over() {
        let mut able = member("b", 0, 1);
        able.mysql.reachable = Some(true);
        able.kafka.reachable = Some(true);
        let mut all = observed(&[member("a", 0, 0), able]);
        let (a, b) = (MemberId::from("a"), MemberId::from("b"));
        assert!(another_can(&all, &a, true));
        assert!(!another_can(&all, &a, false));
        assert!(!another_can(&all, &b, true));
        all.roster.insert(b, RosterRecord { parked: true });
        assert!(!another_can(&all, &a, true));
    }

    #[test]
    fn without_failover_only_the_owner_stands() {
        let mut all = observed(&[member("a", 0, 1), member("b", 0, 2)]);
        assert_eq!(order(&all, false), ["a", "b"]);
        let reason = AssignmentReason::Initial;
        let assignment = Assignment { member: "b".into(), leader_epoch: Epoch(1), reason, from: None, at: 0 };
        all.assignments.insert("0".into(), assignment);
        assert_eq!(order(&all, false), ["b"]);
    }
}
