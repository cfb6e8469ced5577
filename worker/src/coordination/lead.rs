//! The lead: standing for it, what the leader writes, giving it up.

use std::time::Duration;

use maxwell_protocol::assignment::Layout;
use maxwell_protocol::id::Epoch;
use maxwell_protocol::member::LeaderRecord;
use zookeeper_client::CreateMode;

use super::assign::{assign, next_epoch};
use super::election::{delay, rank};
use super::error::Failure;
use super::life::Life;
use super::lock::Lock;
use super::requests::{carry_out, claim};
use super::store::{Change, encode};
use crate::clock::milliseconds;

/// Who gave the lead up does not stand again for this long: the others go first.
const REST: Duration = Duration::from_secs(2);

/// Stands whenever the lead is vacant, and leads when elected. Ends only with the session.
pub(super) async fn stand_for_lead(life: &Life) -> Failure {
    loop {
        if let Err(failure) = one_term(life).await
            && !matches!(failure, Failure::Conflict)
        {
            return failure;
        }
    }
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
    let epoch = take_lead(life, &lock).await?;
    tokio::select! {
        () = lock.gone(&life.store, life.observation.clone()) => {
            tracing::warn!("the lead was taken away");
            return Ok(());
        }
        () = life.step_down.notified() => {}
        ended = carry_out(life, &lock, epoch) => ended?,
    }
    tracing::info!("giving the lead up");
    let changes =
        [Change::Delete(life.store.tree().leader(), None), Change::Delete(lock.path().to_owned(), None)];
    life.store.commit(&changes).await?;
    tokio::time::sleep(REST).await;
    Ok(())
}

/// Waits until the lead is vacant and this member may run for it; how long its rank has to wait.
async fn vacancy(life: &Life) -> Result<Duration, Failure> {
    let mut observation = life.observation.clone();
    let mut found = None;
    let enabled = life.config.failover.enabled;
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

/// Writes the leader's record, the layout and the assignments in one step with the proof of the lock.
async fn take_lead(life: &Life, lock: &Lock) -> Result<Epoch, Failure> {
    let (store, tree) = (&life.store, life.store.tree());
    let mut changes = vec![Change::Check(lock.path().to_owned())];
    if store.bytes(&tree.leader()).await?.is_some() {
        // Whoever it names has no lock any more.
        changes.push(Change::Delete(tree.leader(), None));
    }
    let layout = match store.read::<Layout>(&tree.layout()).await? {
        Some((layout, _)) => layout,
        None => {
            let layout = Layout::default();
            changes.push(Change::Create(tree.layout(), encode(&layout), CreateMode::Persistent));
            layout
        }
    };
    let mut current = std::collections::BTreeMap::new();
    for name in store.children(&tree.shards()).await? {
        let shard = name.as_str().into();
        if let Some((assignment, _)) = store.read(&tree.shard(&shard)).await? {
            current.insert(shard, assignment);
        }
    }
    let epoch = next_epoch(&current);
    for (shard, assignment) in assign(&layout, &life.config.member, epoch, &current) {
        let path = tree.shard(&shard);
        let data = encode(&assignment);
        changes.push(match store.bytes(&path).await? {
            Some((_, version)) => Change::Set(path, data, Some(version)),
            None => Change::Create(path, data, CreateMode::Persistent),
        });
    }
    let record = LeaderRecord {
        id: life.config.member.clone(),
        incarnation: life.incarnation,
        address: life.config.address.clone(),
        epoch,
        since: milliseconds(),
    };
    changes.push(Change::Create(tree.leader(), encode(&record), CreateMode::Ephemeral));
    if !life.config.failover.enabled {
        changes.extend(claim(life, &life.observation.borrow()));
    }
    match store.commit(&changes).await {
        Ok(()) => {
            tracing::info!(epoch = epoch.0, "leading");
            Ok(epoch)
        }
        Err(failure) => {
            lock.leave(store).await?;
            Err(failure)
        }
    }
}
