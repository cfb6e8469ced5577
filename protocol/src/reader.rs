//! Reads the tree into a [`ClusterSnapshot`] and waits for it to change. With `asking`, which
//! writes requests, the only I/O of this crate.

use std::time::Duration;

use serde::de::DeserializeOwned;
use thiserror::Error;
use zookeeper_client::{AddWatchMode, Client, PersistentWatcher};

use crate::snapshot::ClusterSnapshot;
use crate::tree::Tree;

/// Why the tree could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// No ZooKeeper server of the list answered.
    #[error("cannot connect to ZooKeeper at {hosts}")]
    Connect {
        /// The connection string.
        hosts: String,
        /// The client's error.
        #[source]
        source: zookeeper_client::Error,
    },
    /// A write failed.
    #[error("cannot write {path} in ZooKeeper")]
    Write {
        /// The node.
        path: String,
        /// The client's error.
        #[source]
        source: zookeeper_client::Error,
    },
    /// A read failed.
    #[error("cannot read {path} from ZooKeeper")]
    Read {
        /// The node.
        path: String,
        /// The client's error.
        #[source]
        source: zookeeper_client::Error,
    },
}

/// A view of one cluster's tree, for those who are not members of it.
pub struct TreeReader {
    client: Client,
    tree: Tree,
    owner_only: bool,
}

impl TreeReader {
    /// Connects to `hosts`, a comma-separated `host:port` list, with digest credentials `user:password` if given.
    pub async fn connect(hosts: &str, root: &str, digest: Option<&str>) -> Result<Self, ReadError> {
        let mut connector = Client::connector()
            .with_session_timeout(Duration::from_secs(10))
            .with_connection_timeout(Duration::from_secs(5));
        if let Some(digest) = digest {
            connector = connector.with_auth("digest", digest.as_bytes());
        }
        let client = connector
            .connect(hosts)
            .await
            .map_err(|source| ReadError::Connect { hosts: hosts.to_owned(), source })?;
        Ok(Self { client, tree: Tree::new(root), owner_only: digest.is_some() })
    }

    /// The tree's paths.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Whether what is created is the owner's only.
    pub(crate) fn owner_only(&self) -> bool {
        self.owner_only
    }

    /// The session, for callers that also write.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A watch that fires on every change below the root, for as long as the session lives. The root must exist.
    pub async fn watch(&self) -> Result<PersistentWatcher, ReadError> {
        let root = self.tree.root();
        self.client
            .watch(root, AddWatchMode::PersistentRecursive)
            .await
            .map_err(|source| read_error(root, source))
    }

    /// Reads the whole tree. A missing or unreadable node counts as absent.
    pub async fn snapshot(&self) -> Result<ClusterSnapshot, ReadError> {
        let tree = &self.tree;
        let mut snapshot = ClusterSnapshot {
            leader: self.node(&tree.leader()).await?,
            layout: self.node(&tree.layout()).await?.unwrap_or_default(),
            live: self.node(&tree.config()).await?.unwrap_or_default(),
            history: self.node(&tree.history()).await?.unwrap_or_default(),
            ..ClusterSnapshot::default()
        };
        for name in self.children(&tree.members()).await? {
            if let Some(record) = self.node(&tree.member(&name.as_str().into())).await? {
                snapshot.members.insert(name.as_str().into(), record);
            }
        }
        for name in self.children(&tree.roster()).await? {
            let record = self.node(&tree.roster_entry(&name.as_str().into())).await?;
            snapshot.roster.insert(name.as_str().into(), record.unwrap_or_default());
        }
        for name in self.children(&tree.shards()).await? {
            if let Some(record) = self.node(&tree.shard(&name.as_str().into())).await? {
                snapshot.assignments.insert(name.as_str().into(), record);
            }
        }
        for name in self.children(&tree.positions()).await? {
            if let Some(record) = self.node(&tree.position(&name.as_str().into())).await? {
                snapshot.positions.insert(name.as_str().into(), record);
            }
        }
        for name in self.children(&tree.requests()).await? {
            if let Some(record) = self.node(&tree.request(&name)).await? {
                snapshot.requests.insert(name, record);
            }
        }
        Ok(snapshot)
    }

    async fn children(&self, path: &str) -> Result<Vec<String>, ReadError> {
        match self.client.list_children(path).await {
            Ok(children) => Ok(children),
            Err(zookeeper_client::Error::NoNode) => Ok(Vec::new()),
            Err(source) => Err(read_error(path, source)),
        }
    }

    async fn node<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, ReadError> {
        match self.client.get_data(path).await {
            Ok((data, _)) => Ok(serde_json::from_slice(&data)
                .inspect_err(|error| tracing::warn!(path, %error, "node is not readable, taken as absent"))
                .ok()),
            Err(zookeeper_client::Error::NoNode) => Ok(None),
            Err(source) => Err(read_error(path, source)),
        }
    }
}

fn read_error(path: &str, source: zookeeper_client::Error) -> ReadError {
    ReadError::Read { path: path.to_owned(), source }
}
