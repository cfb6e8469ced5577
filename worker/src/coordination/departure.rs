//! Removing every trace of one incarnation at once: one's own when leaving, a dead predecessor's, a dead peer's.

use std::time::Duration;

use maxwell_protocol::history::{Departure, History};
use maxwell_protocol::tree::Tree;

use super::error::Failure;
use super::observed::{Line, Observed};
use super::observer::Observation;
use super::store::{Change, Store, encode};

/// How long a tree that has changed meanwhile is waited for.
const CATCH_UP: Duration = Duration::from_millis(200);

/// Deletes the locks, the leader's record and the member's record of the departed incarnation in one step, and notes
/// the departure if it held a lock. Whether there was anything to delete.
pub(super) async fn erase(
    store: &Store,
    mut observation: Observation,
    departed: &Departure,
) -> Result<bool, Failure> {
    loop {
        let changes = erasure(store.tree(), &observation.borrow_and_update(), departed);
        if changes.is_empty() {
            return Ok(false);
        }
        match store.commit(&changes).await {
            Ok(()) => return Ok(true),
            Err(Failure::Conflict) => {}
            Err(failure) => return Err(failure),
        }
        // Somebody else was faster, or what was observed is about to change.
        if let Ok(Err(_)) = tokio::time::timeout(CATCH_UP, observation.changed()).await {
            return Err(Failure::Expired);
        }
    }
}

/// Deletes the lock at `path` and notes why, in one step.
pub(super) async fn give_up(
    store: &Store,
    mut observation: Observation,
    path: &str,
    departed: &Departure,
) -> Result<(), Failure> {
    loop {
        let history = observation.borrow_and_update().history.clone();
        let mut changes = vec![Change::Delete(path.to_owned(), None)];
        changes.extend(history.map(|(history, version)| {
            let history = History { departure: Some(departed.clone()), ..history };
            Change::Set(store.tree().history(), encode(&history), Some(version))
        }));
        match store.commit(&changes).await {
            Err(Failure::Conflict) if store.bytes(path).await?.is_some() => {}
            Ok(()) | Err(Failure::Conflict) => return Ok(()),
            Err(failure) => return Err(failure),
        }
        if let Ok(Err(_)) = tokio::time::timeout(CATCH_UP, observation.changed()).await {
            return Err(Failure::Expired);
        }
    }
}

/// What [`erase`] changes. The names of locks are never used again, so that as long as one of them stands the other
/// nodes are the departed incarnation's too; without it nothing of the leader's is touched.
fn erasure(tree: &Tree, observed: &Observed, departed: &Departure) -> Vec<Change> {
    let gone = departed.incarnation;
    let mut changes = Vec::new();
    // First: whoever sees the lock vanish shall not count the departed among the candidates any more.
    if observed.members.get(&departed.member).is_some_and(|member| member.incarnation == gone) {
        changes.push(Change::Delete(tree.member(&departed.member), None));
    }
    let locks = observed.locks_of(tree, gone);
    changes.extend(locks.iter().map(|path| Change::Delete(path.clone(), None)));
    let led = observed.leader.as_ref().is_some_and(|leader| leader.incarnation == gone);
    if led && observed.leader_locks.of(gone).next().is_some() {
        changes.push(Change::Delete(tree.leader(), None));
    }
    if held_any(observed, departed)
        && let Some((history, version)) = &observed.history
    {
        let mut history = history.clone();
        history.departure = Some(departed.clone());
        changes.push(Change::Set(tree.history(), encode(&history), Some(*version)));
    }
    changes
}

fn held_any(observed: &Observed, departed: &Departure) -> bool {
    let held = |line: &Line| line.holder().is_some_and(|lock| lock.incarnation == departed.incarnation);
    held(&observed.leader_locks) || observed.shard_locks.values().any(held)
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::history::Trigger;
    use maxwell_protocol::id::{Epoch, Incarnation};
    use maxwell_protocol::member::{LeaderRecord, LockRecord};

    use super::*;
    use crate::coordination::election::tests::member;

    fn departed(incarnation: Incarnation) -> Departure {
        let trigger = Trigger::ConnectionReset;
        Departure { member: "a".into(), incarnation, trigger, time: 0, detection_milliseconds: 0 }
    }

    fn leading(tree: &Tree, incarnation: Incarnation) -> Observed {
        let record = encode(&LockRecord { id: "a".into(), incarnation });
        let mut observed = Observed { history: Some((History::default(), 4)), ..Observed::default() };
        let directories = [tree.leader_locks(), tree.shard_locks(&"0".into())];
        for path in directories.map(|directory| format!("{directory}/{incarnation}-0000000001")) {
            observed.apply(&path, tree.node(&path).unwrap(), Some((&record, 0)));
        }
        let mut own = member("a", 0, 0);
        own.incarnation = incarnation;
        observed.members.insert("a".into(), own);
        let (id, address) = ("a".into(), String::new());
        observed.leader = Some(LeaderRecord { id, incarnation, address, epoch: Epoch(1), since: 0 });
        observed
    }

    #[test]
    fn everything_of_the_departed_goes_in_one_step() {
        let (tree, incarnation) = (Tree::new("/m"), Incarnation::random());
        let changes = erasure(&tree, &leading(&tree, incarnation), &departed(incarnation));
        assert_eq!(changes.len(), 5, "{changes:?}");
        assert!(matches!(changes.last(), Some(Change::Set(_, _, Some(4)))));
    }

    #[test]
    fn a_newer_incarnation_is_never_touched() {
        let tree = Tree::new("/m");
        let observed = leading(&tree, Incarnation::random());
        assert!(erasure(&tree, &observed, &departed(Incarnation::random())).is_empty());
    }

    #[test]
    fn a_member_without_locks_leaves_without_a_note() {
        let (tree, incarnation) = (Tree::new("/m"), Incarnation::random());
        let mut observed = leading(&tree, incarnation);
        (observed.leader_locks, observed.shard_locks) = Default::default();
        let changes = erasure(&tree, &observed, &departed(incarnation));
        assert!(matches!(&changes[..], [Change::Delete(path, None)] if *path == tree.member(&"a".into())));
    }
}
