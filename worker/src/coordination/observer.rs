//! Keeps [`Observed`] current: one recursive watch, a read of what an event names, and after a connection was lost
//! another watch and a read of everything: ZooKeeper does not replay the events of that time, and the client library
//! (0.11) sets only one-shot watches again when it reconnects.

use std::sync::Arc;

use maxwell_protocol::tree::Node;
use tokio::sync::watch;
use zookeeper_client::Error;

use super::client::{Client, Happening, Watch};
use super::error::Failure;
use super::observed::Observed;
use super::store::Store;

/// The latest [`Observed`].
pub(super) type Observation = watch::Receiver<Arc<Observed>>;

/// Observes the tree until the session is over. `into` starts with an empty value; the first one that is sent is
/// complete.
pub(super) async fn observe(store: Store, into: watch::Sender<Arc<Observed>>) -> Failure {
    let mut clients = store.clients();
    // Kept until its successor is set: the library would else take the successor off the server with it.
    let mut before = None;
    loop {
        let client = Arc::clone(&clients.borrow_and_update());
        let watcher = watch_tree(client.as_ref(), &store).await;
        drop(before.take());
        let seen = match watcher {
            Ok(Some(watcher)) => follow(&store, watcher, &into).await,
            Ok(None) => Ok(None),
            Err(failure) => Err(failure),
        };
        match seen {
            Ok(Some(watcher)) => before = Some(watcher),
            Ok(None) => tokio::select! {
                () = store.expired() => return Failure::Expired,
                changed = clients.changed() => if changed.is_err() { return Failure::Expired },
            },
            Err(failure) => return failure,
        }
    }
}

/// Sets the watch; `None` when this client ended meanwhile.
async fn watch_tree(client: &dyn Client, store: &Store) -> Result<Option<Box<dyn Watch>>, Failure> {
    let root = store.tree().root();
    loop {
        match client.watch(root).await {
            Ok(watcher) => return Ok(Some(watcher)),
            Err(Error::ConnectionLoss | Error::Custom(_)) => tokio::task::yield_now().await,
            Err(Error::SessionExpired | Error::ClientClosed | Error::AuthFailed) => return Ok(None),
            Err(error) => return Err(Failure::of(root, error)),
        }
    }
}

/// Follows the events of one connection. Gives the watch back once the client has connected again, `None` when it
/// has ended.
async fn follow(
    store: &Store,
    mut watcher: Box<dyn Watch>,
    into: &watch::Sender<Arc<Observed>>,
) -> Result<Option<Box<dyn Watch>>, Failure> {
    into.send_replace(Arc::new(read_all(store).await?));
    loop {
        match watcher.next().await {
            Happening::Connected => return Ok(Some(watcher)),
            Happening::Over => return Ok(None),
            Happening::Disconnected => {}
            Happening::Changed(path) => take_in(store, &path, false, into).await?,
            Happening::Deleted(path) => take_in(store, &path, true, into).await?,
        }
    }
}

async fn take_in(
    store: &Store,
    path: &str,
    deleted: bool,
    into: &watch::Sender<Arc<Observed>>,
) -> Result<(), Failure> {
    let Some(node) = store.tree().node(path) else { return Ok(()) };
    let is_lock = matches!(node, Node::LeaderLock(_) | Node::ShardLock(..));
    // A lock's name is never used again, so its deletion is final; any other node may have been made anew.
    let found = if deleted && is_lock { None } else { store.bytes(path).await? };
    into.send_modify(|observed| {
        let found = found.as_ref().map(|(data, version)| (data.as_slice(), *version));
        Arc::make_mut(observed).apply(path, node, found);
    });
    Ok(())
}

async fn read_all(store: &Store) -> Result<Observed, Failure> {
    let tree = store.tree();
    store.sync().await?;
    let mut observed = Observed::default();
    let mut paths = vec![tree.leader(), tree.layout(), tree.history(), tree.config()];
    let mut directories = vec![
        tree.members(),
        tree.roster(),
        tree.positions(),
        tree.shards(),
        tree.leader_locks(),
        tree.requests(),
    ];
    let locks = tree.locks_of_shards();
    directories.extend(store.children(&locks).await?.iter().map(|shard| format!("{locks}/{shard}")));
    for directory in directories {
        paths.extend(store.children(&directory).await?.iter().map(|name| format!("{directory}/{name}")));
    }
    for path in paths {
        let (Some(node), Some((data, version))) = (tree.node(&path), store.bytes(&path).await?) else {
            continue;
        };
        observed.apply(&path, node, Some((&data, version)));
    }
    Ok(observed)
}
