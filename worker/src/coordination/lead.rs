//! The lead: standing for it, what the leader writes, giving it up.

mod division;

use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use maxwell_protocol::assignment::{Assignment, AssignmentReason};
use maxwell_protocol::id::{Epoch, ShardId};
use maxwell_protocol::layout::Layout;
use maxwell_protocol::member::LeaderRecord;
use maxwell_protocol::settings::Mode;
use zookeeper_client::CreateMode;

use super::assign::{Assignments, Deal, assign, is_uneven, next_epoch};
use super::election::{delay, rank, why_undecided};
use super::error::Failure;
use super::life::Life;
use super::lock::Lock;
use super::observed::Observed;
use super::requests::{carry_out, claim, nominee};
use super::store::{Change, Store, encode};
use crate::clock::milliseconds;

/// Who gave the lead up does not stand again for this long: the others go first.
const REST: Duration = Duration::from_secs(2);
/// How long the leader of a cluster in which nothing streams waits for members that start at the same time.
const COLD: Duration = Duration::from_secs(1);

/// Stands whenever the lead is vacant, and leads when elected. Ends only with the session.
pub(super) async fn stand_for_lead(life: &Life) -> Failure {
    let terms = async {
        loop {
            if let Err(failure) = one_term(life).await
                && !matches!(failure, Failure::Conflict)
            {
                return failure;
            }
        }
    };
    tokio::select! {
        failure = terms => failure,
        () = report_undecided(life) => Failure::Expired,
    }
}

/// Says so whenever nobody has led for longer than an election may take. Ends only with the session.
async fn report_undecided(life: &Life) {
    let limit = election_timeout(life);
    let mut observation = life.observation.clone();
    while observation.wait_for(|observed| observed.leader.is_none()).await.is_ok() {
        let elected = observation.wait_for(|observed| observed.leader.is_some());
        if tokio::time::timeout(limit, elected).await.is_err() {
            let why = why_undecided(&life.observation.borrow(), stands_by_itself(life));
            tracing::warn!(limit_milliseconds = limit.as_millis() as u64, why, "nobody leads");
        }
    }
}

fn election_timeout(life: &Life) -> Duration {
    Duration::from_millis(u64::from(life.config.failover.election_timeout_milliseconds))
}

async fn one_term(life: &Life) -> Result<(), Failure> {
    let wait = vacancy(life).await?;
    tokio::time::sleep(wait).await;
    if !life.observation.borrow().leader_locks.is_empty() {
        return Ok(());
    }
    let lock = Lock::enter(&life.store, life.store.tree().leader_locks(), &life.lock_record()).await?;
    if !lock.is_held(&life.store).await? {
        return lock.leave(&life.store).await;
    }
    let begun = tokio::time::timeout(election_timeout(life), Term::begin(life, &lock)).await;
    let Ok(term) = begun else {
        tracing::warn!("the election takes too long: standing aside for another try");
        return lock.leave(&life.store).await;
    };
    let term = term?;
    let epoch = term.epoch;
    tokio::select! {
        () = lock.gone(&life.store, life.observation.clone()) => {
            tracing::warn!("the lead was taken away");
            return Ok(());
        }
        failure = term.deal() => return Err(failure),
        () = life.step_down.notified() => {}
        ended = carry_out(life, &lock, epoch) => ended?,
    }
    tracing::info!("giving the lead up");
    let changes =
        [Change::Delete(life.store.tree().leader(), None), Change::Delete(lock.path().to_owned(), None)];
    life.store.commit(&changes).await?;
    rest(life).await
}

/// Leaves the lead to the others, unless this member is asked for.
async fn rest(life: &Life) -> Result<(), Failure> {
    let mut observation = life.observation.clone();
    tokio::select! {
        () = tokio::time::sleep(REST) => Ok(()),
        asked = observation.wait_for(|observed| nominee(observed) == Some(&life.config.member)) => {
            asked.map(drop).map_err(|_| Failure::Expired)
        }
    }
}

/// Waits until the lead is vacant and this member may run for it; how long its rank has to wait.
async fn vacancy(life: &Life) -> Result<Duration, Failure> {
    let mut observation = life.observation.clone();
    let mut found = None;
    let enabled = stands_by_itself(life);
    observation
        .wait_for(|observed| {
            found =
                observed.leader_locks.is_empty().then(|| rank(observed, life.incarnation, enabled)).flatten();
            found.is_some()
        })
        .await
        .map_err(|_| Failure::Expired)?;
    Ok(delay(found.unwrap_or_default()))
}

/// Whether a member may lead that nobody asks to. Where owners need not lead, whether shards fail over is no matter of the
/// lead.
fn stands_by_itself(life: &Life) -> bool {
    life.config.failover.enabled || life.config.policy.mode != Mode::ActiveStandby
}

/// A leader's time in office.
struct Term<'a> {
    life: &'a Life,
    lock: &'a Lock,
    epoch: Epoch,
    layout: Layout,
    /// What this leader, which is the only one to write it, has written or found.
    current: Assignments,
    /// Since when what members have to do is uneven, milliseconds since the epoch.
    uneven_since: Option<i64>,
}

impl<'a> Term<'a> {
    /// Writes the leader's record, the layout and the assignments in one step with the proof of the lock.
    async fn begin(life: &'a Life, lock: &'a Lock) -> Result<Self, Failure> {
        let (store, tree) = (&life.store, life.store.tree());
        wait_for_others(life).await;
        let mut changes = vec![Change::Check(lock.path().to_owned())];
        if store.bytes(&tree.leader()).await?.is_some() {
            // Whoever it names has no lock any more.
            changes.push(Change::Delete(tree.leader(), None));
        }
        let layout = layout(life, &mut changes).await?;
        let current = assignments(store).await?;
        let mut term = Self { life, lock, epoch: next_epoch(&current), layout, current, uneven_since: None };
        let decided = term.decide(&life.observation.borrow());
        changes.extend(term.changes(&decided));
        let record = LeaderRecord {
            id: life.config.member.clone(),
            incarnation: life.incarnation,
            address: life.config.address.clone(),
            epoch: term.epoch,
            since: milliseconds(),
        };
        changes.push(Change::Create(tree.leader(), encode(&record), CreateMode::Ephemeral));
        if !life.config.failover.enabled {
            changes.extend(claim(life, &life.observation.borrow()));
        }
        match store.commit(&changes).await {
            Ok(()) => {
                tracing::info!(epoch = term.epoch.0, "leading");
                term.current = decided;
                Ok(term)
            }
            Err(failure) => {
                lock.leave(store).await?;
                Err(failure)
            }
        }
    }

    /// Assigns again whenever that is due, for as long as the lock is held.
    async fn deal(mut self) -> Failure {
        let mut observation = self.life.observation.clone();
        loop {
            let observed = Arc::clone(&observation.borrow_and_update());
            let written = async {
                self.divide(&observed).await?;
                self.assign_again(&observed).await
            };
            if let Err(failure) = written.await {
                return failure;
            }
            let look = if observed.change().is_some() { division::LOOK } else { Duration::MAX };
            tokio::select! {
                changed = observation.changed() => if changed.is_err() { return Failure::Expired },
                () = tokio::time::sleep(look) => {}
            }
        }
    }

    async fn assign_again(&mut self, observed: &Observed) -> Result<(), Failure> {
        self.adopt_requested(observed);
        let decided = self.decide(observed);
        let mut changes = vec![Change::Check(self.lock.path().to_owned())];
        changes.extend(self.changes(&decided));
        if changes.len() > 1 {
            self.life.store.commit(&changes).await?;
            for (shard, assignment) in &decided {
                if self.current.get(shard) != Some(assignment) {
                    tracing::info!(%shard, member = %assignment.member, reason = ?assignment.reason, "assigned");
                }
            }
            self.current = decided;
        }
        Ok(())
    }

    /// Takes in what this leader assigned because somebody asked for it.
    fn adopt_requested(&mut self, observed: &Observed) {
        for (shard, assignment) in &observed.assignments {
            // One of a shard that is gone may be seen for a moment still.
            let is_asked_for = assignment.reason == AssignmentReason::Requested;
            if assignment.leader_epoch == self.epoch && is_asked_for && self.current.contains_key(shard) {
                self.current.insert(shard.clone(), assignment.clone());
            }
        }
    }

    fn decide(&mut self, observed: &Observed) -> Assignments {
        let (now, policy) = (milliseconds(), self.life.policy(observed));
        let deal = Deal {
            policy: &policy,
            layout: &self.layout,
            observed,
            me: &self.life.config.member,
            epoch: self.epoch,
            current: &self.current,
            now,
            uneven_since: self.uneven_since,
        };
        let decided = assign(&deal);
        // A clock that was set back begins anew.
        self.uneven_since = is_uneven(&deal).then(|| self.uneven_since.map_or(now, |since| since.min(now)));
        decided
    }

    /// What is to be written; no version is needed beside the proof of the lock.
    fn changes(&self, decided: &Assignments) -> Vec<Change> {
        let news = decided.iter().filter(|(shard, assignment)| self.current.get(*shard) != Some(*assignment));
        news.map(|(shard, assignment)| {
            let (path, data) = (self.life.store.tree().shard(shard), encode(assignment));
            match self.current.contains_key(shard) {
                true => Change::Set(path, data, None),
                false => Change::Create(path, data, CreateMode::Persistent),
            }
        })
        .collect()
    }
}

/// When nobody streams anything, others may be about to join: what is given to them now need not be moved to them later.
async fn wait_for_others(life: &Life) {
    let streams = |observed: &Observed| observed.shard_locks.values().any(|line| !line.is_empty());
    if life.config.policy.mode != Mode::ActiveStandby && !streams(&life.observation.borrow()) {
        tokio::time::sleep(COLD).await;
    }
}

/// The layout that holds, made if there is none.
async fn layout(life: &Life, changes: &mut Vec<Change>) -> Result<Layout, Failure> {
    let (path, wanted) = (life.store.tree().layout(), &life.config.layout);
    let Some((stored, _)) = life.store.read::<Layout>(&path).await? else {
        changes.push(Change::Create(path, encode(wanted), CreateMode::Persistent));
        return Ok(wanted.clone());
    };
    if !stored.divides_like(wanted) {
        tracing::warn!(
            generation = stored.generation,
            shards = stored.shards,
            wanted = wanted.shards,
            "the settings ask for another division into shards than the one that this cluster streams by: that one \
             holds until `maxwell-cli divide` asks for another, which needs no restart"
        );
    }
    Ok(stored)
}

async fn assignments(store: &Store) -> Result<Assignments, Failure> {
    let tree = store.tree();
    let names = store.children(&tree.shards()).await?;
    let read = names.iter().map(|name| async move {
        let shard = ShardId::from(name.as_str());
        let found = store.read::<Assignment>(&tree.shard(&shard)).await?;
        Ok::<_, Failure>(found.map(|(assignment, _)| (shard, assignment)))
    });
    Ok(try_join_all(read).await?.into_iter().flatten().collect())
}
