//! Removes a cluster's ZooKeeper tree: what the tree's own layout names, and the root if nothing else is in it. A root
//! such as `/maxwell` may hold the trees of others.

use std::error::Error as _;
use std::time::Duration;

use maxwell_protocol::reader::{ReadError, TreeReader};
use maxwell_protocol::tree::Tree;
use thiserror::Error;
use tokio::time::timeout;
use zookeeper_client::{Client, Error};

use crate::cluster::observe::Target;

/// A removal that takes longer is given up and begun again later.
const LIMIT: Duration = Duration::from_secs(20);

/// Why the tree is still there.
#[derive(Debug, Error)]
pub(super) enum TreeError {
    /// Nobody answered.
    #[error("ZooKeeper at {hosts} does not answer")]
    Silent { hosts: String },
    /// No session.
    #[error("the operator gets no session with ZooKeeper")]
    Connect(#[source] ReadError),
    /// Somebody is alive in it.
    #[error("members are still connected below {root}: {members}")]
    Inhabited { root: String, members: String },
    /// A node could not be listed or deleted.
    #[error("cannot remove {path}")]
    Remove {
        path: String,
        #[source]
        source: Error,
    },
}

/// The error with its causes, for a condition.
pub(super) fn story(error: &TreeError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Removes the tree at `target`, unless members live in it. A tree that is not there is no error.
pub(super) async fn remove(target: &Target) -> Result<(), TreeError> {
    let silent = |_| TreeError::Silent { hosts: target.hosts.clone() };
    timeout(LIMIT, async {
        let reader = TreeReader::connect(&target.hosts, &target.root, target.digest.as_deref())
            .await
            .map_err(TreeError::Connect)?;
        refuse_if_inhabited(&reader).await?;
        for top in tops(reader.tree()) {
            remove_below(reader.client(), top).await?;
        }
        let root = reader.tree().root();
        match reader.client().delete(root, None).await {
            Ok(()) | Err(Error::NoNode | Error::NotEmpty) => Ok(()),
            Err(source) => Err(TreeError::Remove { path: root.to_owned(), source }),
        }
    })
    .await
    .map_err(silent)?
}

/// The nodes right below the root that are the cluster's.
fn tops(tree: &Tree) -> Vec<String> {
    let prefix = format!("{}/", tree.root());
    let below = |path: &String| path.strip_prefix(&prefix).is_some_and(|name| !name.contains('/'));
    tree.directories().into_iter().filter(below).collect()
}

async fn refuse_if_inhabited(reader: &TreeReader) -> Result<(), TreeError> {
    let members = children(reader.client(), &reader.tree().members()).await?;
    if members.is_empty() {
        return Ok(());
    }
    Err(TreeError::Inhabited { root: reader.tree().root().to_owned(), members: members.join(", ") })
}

async fn children(client: &Client, path: &str) -> Result<Vec<String>, TreeError> {
    match client.list_children(path).await {
        Ok(children) => Ok(children),
        Err(Error::NoNode) => Ok(Vec::new()),
        Err(source) => Err(TreeError::Remove { path: path.to_owned(), source }),
    }
}

/// Removes `top` and everything below it, leaves first.
async fn remove_below(client: &Client, top: String) -> Result<(), TreeError> {
    let mut pending = vec![top];
    while let Some(path) = pending.last().cloned() {
        let below = children(client, &path).await?;
        if !below.is_empty() {
            pending.extend(below.iter().map(|name| format!("{path}/{name}")));
            continue;
        }
        match client.delete(&path, None).await {
            // A node that got a child meanwhile is listed again.
            Err(Error::NotEmpty) => continue,
            Ok(()) | Err(Error::NoNode) => {}
            Err(source) => return Err(TreeError::Remove { path, source }),
        }
        pending.pop();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_has_its_causes() {
        let error = TreeError::Remove { path: "/m/cluster".into(), source: Error::NoAuth };
        assert!(story(&error).starts_with("cannot remove /m/cluster: "), "{}", story(&error));
    }

    #[test]
    fn only_the_clusters_own_nodes_are_removed() {
        assert_eq!(tops(&Tree::new("/maxwell")), ["/maxwell/cluster", "/maxwell/shards", "/maxwell/locks"]);
    }
}
