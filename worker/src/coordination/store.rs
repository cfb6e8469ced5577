//! Requests to the tree: typed, waiting out lost connections, on whatever client the session has at the moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use maxwell_protocol::tree::Tree;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use zookeeper_client::{CreateMode, Error};

pub(super) use super::client::Change;
use super::client::Client;
use super::error::Failure;

/// The session as its users see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// A server answers.
    Connected,
    /// No server answers; the session may well live on.
    Disconnected,
    /// ZooKeeper has said that the session is over.
    Expired,
}

/// Access to the tree of one cluster within one session.
#[derive(Clone)]
pub(super) struct Store {
    clients: watch::Receiver<Arc<dyn Client>>,
    link: watch::Receiver<Link>,
    tree: Arc<Tree>,
}

impl Store {
    pub(super) fn new(
        clients: watch::Receiver<Arc<dyn Client>>,
        link: watch::Receiver<Link>,
        tree: Tree,
    ) -> Self {
        Self { clients, link, tree: Arc::new(tree) }
    }

    /// The tree's paths.
    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The clients that the session lives through.
    pub(super) fn clients(&self) -> watch::Receiver<Arc<dyn Client>> {
        self.clients.clone()
    }

    /// The session's state.
    pub(super) fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }

    /// Completes once the session has expired.
    pub(super) async fn expired(&self) {
        // An error means that the keeper of the session is gone, and the session with it.
        let _ = self.link.clone().wait_for(|link| *link == Link::Expired).await;
    }

    /// Runs `operation` until it is answered by ZooKeeper: a connection lost meanwhile leaves its outcome unknown, so
    /// it must be one that may be repeated.
    async fn call<T, F, A>(&self, path: &str, operation: F) -> Result<T, Failure>
    where
        F: Fn(Arc<dyn Client>) -> A,
        A: Future<Output = Result<T, Error>>,
    {
        let mut clients = self.clients.clone();
        loop {
            let client = Arc::clone(&clients.borrow_and_update());
            match operation(client).await {
                Ok(answer) => return Ok(answer),
                // The client queues the next request until it is connected again.
                Err(Error::ConnectionLoss | Error::SessionMoved | Error::Custom(_)) => {
                    tokio::task::yield_now().await;
                }
                // Only this client gave up: the session's keeper asks the servers whether the session did.
                Err(Error::SessionExpired | Error::ClientClosed | Error::AuthFailed | Error::Timeout) => {
                    tokio::select! {
                        () = self.expired() => return Err(Failure::Expired),
                        changed = clients.changed() => changed.map_err(|_| Failure::Expired)?,
                    }
                }
                Err(error) => return Err(Failure::of(path, error)),
            }
        }
    }

    /// The node's bytes and version, if it exists.
    pub(super) async fn bytes(&self, path: &str) -> Result<Option<(Vec<u8>, i32)>, Failure> {
        match self.call(path, |client| async move { client.get(path).await }).await {
            Ok(found) => Ok(Some(found)),
            Err(Failure::Conflict) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The node's content and version, if it exists and is readable.
    pub(super) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<Option<(T, i32)>, Failure> {
        let Some((bytes, version)) = self.bytes(path).await? else { return Ok(None) };
        Ok(decode(path, &bytes).map(|content| (content, version)))
    }

    /// The names below `path`; none if it does not exist.
    pub(super) async fn children(&self, path: &str) -> Result<Vec<String>, Failure> {
        match self.call(path, |client| async move { client.children(path).await }).await {
            Ok(children) => Ok(children),
            Err(Failure::Conflict) => Ok(Vec::new()),
            Err(failure) => Err(failure),
        }
    }

    /// Waits until the server of this session has caught up with the ensemble.
    pub(super) async fn sync(&self) -> Result<(), Failure> {
        let root = self.tree.root();
        self.call(root, |client| async move { client.sync(root).await }).await
    }

    /// Creates a persistent node unless it exists. Looks first: whoever may not write to the parent may still use it.
    /// Nodes above the root are shared with other clusters, and therefore open.
    pub(super) async fn ensure(&self, path: &str, data: &[u8]) -> Result<(), Failure> {
        if self.call(path, |client| async move { client.exists(path).await }).await? {
            return Ok(());
        }
        let shared = path.len() < self.tree.root().len();
        let mode = CreateMode::Persistent;
        match self.call(path, |client| async move { client.create(path, data, mode, shared).await }).await {
            Ok(_) | Err(Failure::Conflict) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Creates a sequential ephemeral node and returns its path. No other node of this incarnation may have `prefix`:
    /// it finds the node again when the answer was lost on the way.
    pub(super) async fn create_in_line(&self, prefix: &str, data: &[u8]) -> Result<String, Failure> {
        let (directory, name) = prefix.rsplit_once('/').expect("a lock has a directory");
        let tried = &AtomicBool::new(false);
        let create = |client: Arc<dyn Client>| async move {
            if tried.swap(true, Ordering::Relaxed) {
                client.sync(directory).await?;
                let children = client.children(directory).await?;
                if let Some(mine) = children.into_iter().find(|child| child.starts_with(name)) {
                    return Ok(format!("{directory}/{mine}"));
                }
            }
            client.create(prefix, data, CreateMode::EphemeralSequential, false).await
        };
        self.call(prefix, create).await
    }

    /// Carries all `changes` out, or none: [`Failure::Conflict`] when one does not fit the tree.
    pub(super) async fn commit(&self, changes: &[Change]) -> Result<(), Failure> {
        let path = changes.first().map(Change::path).unwrap_or_default();
        self.call(path, |client| async move { client.commit(changes).await }).await
    }
}

/// A payload as it is stored.
pub(super) fn encode<T: Serialize>(content: &T) -> Vec<u8> {
    serde_json::to_vec(content).expect("payloads have text keys and no failing serialisers")
}

/// A stored payload; `None`, and a warning, if it is not readable.
pub(super) fn decode<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes)
        .inspect_err(|error| tracing::warn!(path, %error, "node is not readable, taken as absent"))
        .ok()
}
