//! What is asked of ZooKeeper, as a client library offers it: lost connections show, nothing is asked again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use zookeeper_client::{CreateMode, Error, SessionState};

/// A way to ZooKeeper.
#[async_trait]
pub(crate) trait Ensemble: Send + Sync + 'static {
    /// Begins a session.
    async fn connect(&self) -> Result<Arc<dyn Client>, Error>;
}

/// One client of a session. Its requests wait for a connection; one that is lost meanwhile fails with
/// [`Error::ConnectionLoss`], whatever became of the request. The session ends with its last client.
#[async_trait]
pub(crate) trait Client: Send + Sync + 'static {
    /// Takes the session up with another client: [`Error::SessionExpired`] if it is over.
    async fn again(&self) -> Result<Arc<dyn Client>, Error>;

    /// The session's name, for people.
    fn session(&self) -> String;

    /// The session timeout that ZooKeeper granted.
    fn session_timeout(&self) -> Duration;

    /// Follows the state of the session as this client sees it.
    fn states(&self) -> Box<dyn States>;

    /// A node's data and version.
    async fn get(&self, path: &str) -> Result<(Vec<u8>, i32), Error>;

    /// Whether a node is there.
    async fn exists(&self, path: &str) -> Result<bool, Error>;

    /// The names below a node.
    async fn children(&self, path: &str) -> Result<Vec<String>, Error>;

    /// Waits until the server has caught up with the ensemble.
    async fn sync(&self, path: &str) -> Result<(), Error>;

    /// Creates a node, also for clients with other credentials if it is `shared`, and returns its path.
    async fn create(&self, path: &str, data: &[u8], mode: CreateMode, shared: bool) -> Result<String, Error>;

    /// Carries all `changes` out, or none.
    async fn commit(&self, changes: &[Change]) -> Result<(), Error>;

    /// Watches a node and everything below it.
    async fn watch(&self, path: &str) -> Result<Box<dyn Watch>, Error>;
}

/// The states of a session.
#[async_trait]
pub(crate) trait States: Send {
    /// The state at present.
    fn now(&self) -> SessionState;

    /// Waits for the next one; for ever behind a terminal one.
    async fn changed(&mut self) -> SessionState;
}

/// A recursive watch. What happens while its client is disconnected is not told afterwards.
#[async_trait]
pub(crate) trait Watch: Send {
    /// Waits for what happens next. Not called any more behind [`Happening::Over`].
    async fn next(&mut self) -> Happening;
}

/// What a [`Watch`] tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happening {
    /// The node was made, or its data replaced.
    Changed(String),
    /// The node was deleted.
    Deleted(String),
    /// The connection is lost.
    Disconnected,
    /// The client has connected again.
    Connected,
    /// The client has ended.
    Over,
}

/// One change of a node, part of a [`Client::commit`].
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// The node must exist.
    Check(String),
    /// Creates it.
    Create(String, Vec<u8>, CreateMode),
    /// Replaces its data, at that version if one is given.
    Set(String, Vec<u8>, Option<i32>),
    /// Deletes it, at that version if one is given.
    Delete(String, Option<i32>),
}

impl Change {
    /// The node.
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Check(path) | Self::Create(path, ..) | Self::Set(path, ..) | Self::Delete(path, _) => path,
        }
    }
}
