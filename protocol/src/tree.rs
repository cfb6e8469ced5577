//! The paths of the ZooKeeper tree. The only file that spells one.

use crate::id::{MemberId, ShardId};

/// What a path below the root stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// `cluster/leader`.
    Leader,
    /// `cluster/members/<id>`.
    Member(MemberId),
    /// `cluster/roster/<id>`.
    Roster(MemberId),
    /// `cluster/config`.
    Config,
    /// `cluster/layout`.
    Layout,
    /// `cluster/history`.
    History,
    /// `cluster/requests/<id>`.
    Request(String),
    /// `cluster/position/<shard>`.
    Position(ShardId),
    /// `shards/<shard>`.
    Assignment(ShardId),
    /// `locks/leader-election/<name>`.
    LeaderLock(String),
    /// `locks/shards/<shard>/<name>`.
    ShardLock(ShardId, String),
}

/// Builds the paths below one cluster's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    root: String,
}

impl Tree {
    /// The tree below `root`, for example `/maxwell/cdc/orders`. A trailing slash is dropped.
    pub fn new(root: &str) -> Self {
        Self { root: root.trim_end_matches('/').to_owned() }
    }

    /// The root that a cluster gets when none is set: `/maxwell/<namespace>/<name>`.
    pub fn default_root(namespace: &str, name: &str) -> String {
        format!("/maxwell/{namespace}/{name}")
    }

    /// The root itself.
    pub fn root(&self) -> &str {
        &self.root
    }

    fn below(&self, path: &str) -> String {
        format!("{}/{path}", self.root)
    }

    /// The cluster's identity.
    pub fn cluster_id(&self) -> String {
        self.below("cluster/id")
    }

    /// The leader's record; ephemeral.
    pub fn leader(&self) -> String {
        self.below("cluster/leader")
    }

    /// The parent of the members' records.
    pub fn members(&self) -> String {
        self.below("cluster/members")
    }

    /// A member's record; ephemeral.
    pub fn member(&self, id: &MemberId) -> String {
        self.below(&format!("cluster/members/{id}"))
    }

    /// The parent of the expected members.
    pub fn roster(&self) -> String {
        self.below("cluster/roster")
    }

    /// An expected member.
    pub fn roster_entry(&self, id: &MemberId) -> String {
        self.below(&format!("cluster/roster/{id}"))
    }

    /// The settings that change without a restart.
    pub fn config(&self) -> String {
        self.below("cluster/config")
    }

    /// The oldest shard's position; parent of all positions.
    pub fn positions(&self) -> String {
        self.below("cluster/position")
    }

    /// The mirror of a shard's position.
    pub fn position(&self, shard: &ShardId) -> String {
        self.below(&format!("cluster/position/{shard}"))
    }

    /// The parent of the requests.
    pub fn requests(&self) -> String {
        self.below("cluster/requests")
    }

    /// A request.
    pub fn request(&self, id: &str) -> String {
        self.below(&format!("cluster/requests/{id}"))
    }

    /// The last failovers, switchovers and moves.
    pub fn history(&self) -> String {
        self.below("cluster/history")
    }

    /// The shard layout.
    pub fn layout(&self) -> String {
        self.below("cluster/layout")
    }

    /// The parent of the assignments.
    pub fn shards(&self) -> String {
        self.below("shards")
    }

    /// A shard's assignment.
    pub fn shard(&self, shard: &ShardId) -> String {
        self.below(&format!("shards/{shard}"))
    }

    /// The directory of the leader locks.
    pub fn leader_locks(&self) -> String {
        self.below("locks/leader-election")
    }

    /// The parent of the directories of the shard locks.
    pub fn locks_of_shards(&self) -> String {
        self.below("locks/shards")
    }

    /// The directory of a shard's locks.
    pub fn shard_locks(&self, shard: &ShardId) -> String {
        self.below(&format!("locks/shards/{shard}"))
    }

    /// What `path` stands for; `None` for directories and for what is not of this tree.
    pub fn node(&self, path: &str) -> Option<Node> {
        let below = path.strip_prefix(&self.root)?.strip_prefix('/')?;
        let segments: Vec<&str> = below.split('/').collect();
        Some(match segments[..] {
            ["cluster", "leader"] => Node::Leader,
            ["cluster", "config"] => Node::Config,
            ["cluster", "layout"] => Node::Layout,
            ["cluster", "history"] => Node::History,
            ["cluster", "members", id] => Node::Member(id.into()),
            ["cluster", "roster", id] => Node::Roster(id.into()),
            ["cluster", "requests", id] => Node::Request(id.to_owned()),
            ["cluster", "position", shard] => Node::Position(shard.into()),
            ["shards", shard] => Node::Assignment(shard.into()),
            ["locks", "leader-election", name] => Node::LeaderLock(name.to_owned()),
            ["locks", "shards", shard, name] => Node::ShardLock(shard.into(), name.to_owned()),
            _ => return None,
        })
    }

    /// Every persistent directory, parents first: what a worker creates before it joins.
    pub fn directories(&self) -> Vec<String> {
        let mut directories: Vec<String> = self
            .root
            .match_indices('/')
            .skip(1)
            .map(|(end, _)| self.root[..end].to_owned())
            .chain(std::iter::once(self.root.clone()))
            .filter(|path| !path.is_empty())
            .collect();
        let fixed = [
            "cluster",
            "cluster/members",
            "cluster/roster",
            "cluster/position",
            "cluster/requests",
            "shards",
            "locks",
            "locks/leader-election",
            "locks/config-update",
            "locks/shards",
        ];
        directories.extend(fixed.iter().map(|path| self.below(path)));
        directories
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_from_what_it_stands_for() {
        let tree = Tree::new("/m");
        let shard = ShardId::from("0");
        assert_eq!(tree.node(&tree.leader()), Some(Node::Leader));
        assert_eq!(tree.node(&tree.member(&"a".into())), Some(Node::Member("a".into())));
        assert_eq!(tree.node(&tree.position(&shard)), Some(Node::Position(shard.clone())));
        assert_eq!(tree.node(&tree.shard(&shard)), Some(Node::Assignment(shard.clone())));
        let lock = format!("{}/x-1", tree.shard_locks(&shard));
        assert_eq!(tree.node(&lock), Some(Node::ShardLock(shard, "x-1".into())));
        assert_eq!(tree.node(&tree.members()), None);
        assert_eq!(tree.node("/other/cluster/leader"), None);
    }

    #[test]
    fn directories_come_parents_first() {
        let directories = Tree::new("/maxwell/cdc/orders/").directories();
        assert_eq!(
            directories[..4],
            ["/maxwell", "/maxwell/cdc", "/maxwell/cdc/orders", "/maxwell/cdc/orders/cluster"]
        );
        for (at, path) in directories.iter().enumerate() {
            if let Some((parent, _)) = path.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) {
                assert!(directories[..at].iter().any(|earlier| earlier == parent), "{parent} before {path}");
            }
        }
    }
}
