//! A shard that streams changes hands: it streams on at the one until the other is ready for it.

use std::time::Duration;

use maxwell_protocol::id::{Incarnation, MemberId, ShardId};
use maxwell_protocol::member::MemberState;
use maxwell_protocol::settings::Mode;
use tokio_util::sync::CancellationToken;

use super::ShardContext;
use super::election::others;
use super::life::Life;
use super::observed::Observed;

/// How long a member may take to get ready. One that cannot has to try all the same: whoever has the shard may be no
/// better off.
const READY: Duration = Duration::from_secs(2);
/// How long a member that is told to end streams on for those that come next: longer than they need, and far less than it
/// is given to end.
const LAST_CALL: Duration = Duration::from_secs(5);
/// Between two attempts to give the lead up.
const AGAIN: Duration = Duration::from_millis(100);

/// Makes the host ready for a shard that is to come here, for as long as another member has it. That one streams on until
/// this one stands in line.
pub(super) async fn get_ready(life: &Life, context: &ShardContext) {
    let is_to_come = |observed: &Observed| is_to_come(observed, &context.shard, &context.member);
    if !is_to_come(&life.observation.borrow()) {
        return;
    }
    let mut observation = life.observation.clone();
    tokio::select! {
        () = life.host.warm(context) => {}
        _ = observation.wait_for(|observed| !is_to_come(observed)) => {}
        () = tokio::time::sleep(READY) => {}
    }
}

/// Whether another member has the shard, which is assigned to `me`.
fn is_to_come(observed: &Observed, shard: &ShardId, me: &MemberId) -> bool {
    observed.is_assigned_to(shard, me) && observed.owner(shard).is_some_and(|owner| owner.id != *me)
}

/// Completes when what this member has shall end because it is `leaving`, whether another one awaits it or not.
pub(super) async fn last_call(life: &Life, leaving: &CancellationToken) {
    leaving.cancelled().await;
    let mut observation = life.observation.clone();
    let alone = observation.wait_for(|observed| !has_heirs(life, observed));
    let _ = tokio::time::timeout(LAST_CALL, alone).await;
}

/// Where whoever owns leads, gives the lead up once all can see that this member leaves: who is elected then awaits what
/// this one still streams. Never completes.
pub(super) async fn offer_lead(life: &Life) {
    if life.config.policy.mode == Mode::ActiveStandby {
        let mut observation = life.observation.clone();
        let due =
            |observed: &Observed| leads_and_leaves(observed, life.incarnation) && has_heirs(life, observed);
        while observation.wait_for(|observed| due(observed)).await.is_ok() {
            life.step_down.notify_waiters();
            // It may have been elected just now, and not listen yet.
            tokio::time::sleep(AGAIN).await;
        }
    }
    std::future::pending::<()>().await;
}

fn leads_and_leaves(observed: &Observed, incarnation: Incarnation) -> bool {
    let leads = observed.leader.as_ref().is_some_and(|leader| leader.incarnation == incarnation);
    let mut members = observed.members.values();
    leads && members.any(|one| one.incarnation == incarnation && one.state == MemberState::Draining)
}

/// Whether anybody would take over what this member leaves.
fn has_heirs(life: &Life, observed: &Observed) -> bool {
    others(observed, &life.config.member, life.config.failover.enabled).next().is_some()
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::assignment::{Assignment, AssignmentReason};
    use maxwell_protocol::id::Epoch;
    use maxwell_protocol::member::{LeaderRecord, LockRecord};
    use maxwell_protocol::tree::Tree;

    use super::*;
    use crate::coordination::election::tests::member;
    use crate::coordination::store::encode;

    #[test]
    fn a_shard_is_to_come_while_another_member_has_it() {
        let (tree, shard, incarnation) = (Tree::new("/m"), ShardId::from("0"), Incarnation::random());
        let mut observed = Observed::default();
        let assignment = Assignment {
            member: "b".into(),
            leader_epoch: Epoch(1),
            reason: AssignmentReason::Rebalanced,
            from: Some("a".into()),
            at: 0,
        };
        observed.assignments.insert(shard.clone(), assignment);
        assert!(!is_to_come(&observed, &shard, &"b".into()), "nobody has it: it is taken at once");
        let path = format!("{}/{incarnation}-0000000001", tree.shard_locks(&shard));
        let record = encode(&LockRecord { id: "a".into(), incarnation });
        observed.apply(&path, tree.node(&path).unwrap(), Some((&record, 0)));
        assert!(is_to_come(&observed, &shard, &"b".into()));
        assert!(!is_to_come(&observed, &shard, &"c".into()), "it is assigned to another one");
        assert!(!is_to_come(&observed, &shard, &"a".into()));
    }

    #[test]
    fn the_lead_is_given_up_once_all_can_see_that_the_leader_leaves() {
        let mut leader = member("a", 0, 0);
        let incarnation = leader.incarnation;
        let mut observed = Observed::default();
        let (id, address) = ("a".into(), String::new());
        observed.leader = Some(LeaderRecord { id, incarnation, address, epoch: Epoch(1), since: 0 });
        observed.members.insert("a".into(), leader.clone());
        assert!(!leads_and_leaves(&observed, incarnation));
        leader.state = MemberState::Draining;
        observed.members.insert("a".into(), leader);
        assert!(leads_and_leaves(&observed, incarnation));
        assert!(!leads_and_leaves(&observed, Incarnation::random()), "another one of that name leads");
    }
}
