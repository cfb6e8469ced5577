//! A place in the line of a lock. Names are never used again: each carries the incarnation and a sequence.

use std::time::Duration;

use maxwell_protocol::member::LockRecord;

use super::error::Failure;
use super::observed::first_in_line;
use super::observer::Observation;
use super::store::{Change, Store, encode};

/// A created lock is observed within this time, or it was deleted before anybody saw it.
const SEEN: Duration = Duration::from_secs(2);

/// A place in line. Not released when dropped.
#[derive(Debug)]
pub(super) struct Lock {
    directory: String,
    path: String,
}

impl Lock {
    /// Queues up in `directory`.
    pub(super) async fn enter(store: &Store, directory: String, who: &LockRecord) -> Result<Self, Failure> {
        store.ensure(&directory, b"").await?;
        let prefix = format!("{directory}/{}-", who.incarnation);
        let path = store.create_in_line(&prefix, &encode(who)).await?;
        Ok(Self { directory, path })
    }

    /// The lock's node.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Whether the lock is held; [`Failure::Conflict`] when somebody deleted the node.
    pub(super) async fn is_held(&self, store: &Store) -> Result<bool, Failure> {
        let names = store.children(&self.directory).await?;
        let mine = &self.path[self.directory.len() + 1..];
        if !names.iter().any(|name| name == mine) {
            return Err(Failure::Conflict);
        }
        Ok(first_in_line(&names) == Some(mine))
    }

    /// Waits until the lock is held.
    pub(super) async fn held(&self, store: &Store, mut observation: Observation) -> Result<(), Failure> {
        loop {
            observation.mark_unchanged();
            if self.is_held(store).await? {
                return Ok(());
            }
            observation.changed().await.map_err(|_| Failure::Expired)?;
        }
    }

    /// Completes once the node is known to be gone, or the observation has ended.
    pub(super) async fn gone(&self, store: &Store, mut observation: Observation) {
        let tree = store.tree();
        let seen = observation.wait_for(|observed| observed.holds(tree, &self.path));
        if !matches!(tokio::time::timeout(SEEN, seen).await, Ok(Ok(_))) {
            return;
        }
        let _ = observation.wait_for(|observed| !observed.holds(tree, &self.path)).await;
    }

    /// Gives the lock, or the place in line, up.
    pub(super) async fn leave(&self, store: &Store) -> Result<(), Failure> {
        match store.commit(&[Change::Delete(self.path.clone(), None)]).await {
            Ok(()) | Err(Failure::Conflict) => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}
