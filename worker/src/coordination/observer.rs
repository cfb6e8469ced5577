//! Keeps [`Observed`] current: one recursive watch, a read of what an event names, and a read of everything after a
//! connection was lost, because ZooKeeper does not replay the events of that time.

use std::sync::Arc;

use maxwell_protocol::tree::Node;
use tokio::sync::watch;
use zookeeper_client::{
    AddWatchMode, Client, Error, EventType, PersistentWatcher, SessionState, WatchedEvent,
};

use super::error::Failure;
use super::observed::Observed;
use super::store::Store;

/// The latest [`Observed`].
pub(super) type Observation = watch::Receiver<Arc<Observed>>;

/// Observes the tree until the session is over. `into` starts with an empty value; the first one that is sent is
/// complete.
pub(super) async fn observe(store: Store, into: watch::Sender<Arc<Observed>>) -> Failure {
    let mut clients = store.clients();
    loop {
        let client = clients.borrow_and_update().clone();
        let seen = match watch_tree(&client, &store).await {
            Ok(watcher) => follow(&store, watcher, &into).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = seen {
            return failure;
        }
        tokio::select! {
            () = store.expired() => return Failure::Expired,
            changed = clients.changed() => if changed.is_err() { return Failure::Expired },
        }
    }
}

/// Sets the watch; `None` when this client ended meanwhile.
async fn watch_tree(client: &Client, store: &Store) -> Result<Option<PersistentWatcher>, Failure> {
    let root = store.tree().root();
    loop {
        match client.watch(root, AddWatchMode::PersistentRecursive).await {
            Ok(watcher) => return Ok(Some(watcher)),
            Err(Error::ConnectionLoss | Error::Custom(_)) => tokio::task::yield_now().await,
            Err(Error::SessionExpired | Error::ClientClosed | Error::AuthFailed) => return Ok(None),
            Err(error) => return Err(Failure::of(root, error)),
        }
    }
}

/// Follows the events of one client until it ends.
async fn follow(
    store: &Store,
    watcher: Option<PersistentWatcher>,
    into: &watch::Sender<Arc<Observed>>,
) -> Result<(), Failure> {
    let Some(mut watcher) = watcher else { return Ok(()) };
    into.send_replace(Arc::new(read_all(store).await?));
    loop {
        let event = watcher.changed().await;
        match (event.event_type, event.session_state) {
            (EventType::Session, SessionState::SyncConnected) => {
                into.send_replace(Arc::new(read_all(store).await?));
            }
            (EventType::Session, state) if state.is_terminated() => return Ok(()),
            (EventType::Session, _) => {}
            _ => take_in(store, &event, into).await?,
        }
    }
}

async fn take_in(
    store: &Store,
    event: &WatchedEvent,
    into: &watch::Sender<Arc<Observed>>,
) -> Result<(), Failure> {
    let Some(node) = store.tree().node(&event.path) else { return Ok(()) };
    let is_lock = matches!(node, Node::LeaderLock(_) | Node::ShardLock(..));
    // A lock's name is never used again, so its deletion is final; any other node may have been made anew.
    let found = match event.event_type {
        EventType::NodeDeleted if is_lock => None,
        _ => store.bytes(&event.path).await?,
    };
    into.send_modify(|observed| {
        let found = found.as_ref().map(|(data, stat)| (data.as_slice(), stat.version));
        Arc::make_mut(observed).apply(&event.path, node, found);
    });
    Ok(())
}

async fn read_all(store: &Store) -> Result<Observed, Failure> {
    let tree = store.tree();
    store.sync().await?;
    let mut observed = Observed::default();
    let mut paths = vec![tree.leader(), tree.layout(), tree.history()];
    let mut directories =
        vec![tree.members(), tree.roster(), tree.positions(), tree.shards(), tree.leader_locks()];
    let locks = tree.locks_of_shards();
    directories.extend(store.children(&locks).await?.iter().map(|shard| format!("{locks}/{shard}")));
    for directory in directories {
        paths.extend(store.children(&directory).await?.iter().map(|name| format!("{directory}/{name}")));
    }
    for path in paths {
        let (Some(node), Some((data, stat))) = (tree.node(&path), store.bytes(&path).await?) else {
            continue;
        };
        observed.apply(&path, node, Some((&data, stat.version)));
    }
    Ok(observed)
}
