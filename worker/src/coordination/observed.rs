//! What the tree says, as a value that every decision is taken from: kept current by one recursive watch.

use std::collections::BTreeMap;

use maxwell_protocol::assignment::Assignment;
use maxwell_protocol::history::History;
use maxwell_protocol::id::{Incarnation, MemberId, ShardId};
use maxwell_protocol::layout::{Change as LayoutChange, Layout};
use maxwell_protocol::live::LiveSettings;
use maxwell_protocol::member::{LeaderRecord, LockRecord, MemberRecord, RosterRecord, ShardReport};
use maxwell_protocol::position::PositionMirror;
use maxwell_protocol::request::{Plan, Request};
use maxwell_protocol::tree::{Node, Tree};

use super::store::decode;
use crate::mistake::{Mistake, planted};

/// The locks of one directory, first in line first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Line(BTreeMap<(i64, String), Option<LockRecord>>);

impl Line {
    /// Whether nobody holds or awaits the lock.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the node `name` is in line.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(&key(name))
    }

    /// Who holds the lock.
    pub(super) fn holder(&self) -> Option<&LockRecord> {
        self.0.values().next()?.as_ref()
    }

    /// The nodes of `incarnation`, by name.
    pub(super) fn of(&self, incarnation: Incarnation) -> impl Iterator<Item = &str> {
        let is_its = move |lock: &LockRecord| lock.incarnation == incarnation || planted(Mistake::LockByPath);
        self.records().filter(move |(_, lock)| is_its(lock)).map(|(name, _)| name)
    }

    /// Every node that says whose it is.
    pub(super) fn records(&self) -> impl Iterator<Item = (&str, &LockRecord)> {
        self.0.iter().filter_map(|((_, name), lock)| Some((name.as_str(), lock.as_ref()?)))
    }
}

/// A lock's node is named `<incarnation>-<sequence>`, and the sequence orders the line.
fn key(name: &str) -> (i64, String) {
    let sequence = name.split_once('-').and_then(|(_, digits)| digits.parse().ok());
    (sequence.unwrap_or(i64::MAX), name.to_owned())
}

/// The name that is first in line among `names`.
pub(super) fn first_in_line(names: &[String]) -> Option<&str> {
    names.iter().min_by_key(|name| key(name)).map(String::as_str)
}

/// The tree's content at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Observed {
    /// Members with a session.
    pub(super) members: BTreeMap<MemberId, MemberRecord>,
    /// Members that are expected.
    pub(super) roster: BTreeMap<MemberId, RosterRecord>,
    /// The leader.
    pub(super) leader: Option<LeaderRecord>,
    /// The layout, once a leader wrote it.
    pub(super) layout: Option<Layout>,
    /// Its node's version.
    pub(super) layout_version: i32,
    /// The history and its node's version.
    pub(super) history: Option<(History, i32)>,
    /// What holds for the whole cluster, and its node's version.
    pub(super) live: Option<(LiveSettings, i32)>,
    /// What was asked for, by the name of its node, with the node's version.
    pub(super) requests: BTreeMap<String, (Request, i32)>,
    /// Where each shard is assigned to.
    pub(super) assignments: BTreeMap<ShardId, Assignment>,
    /// How far each shard is.
    pub(super) positions: BTreeMap<ShardId, PositionMirror>,
    /// The candidates for the lead.
    pub(super) leader_locks: Line,
    /// The owners of shards.
    pub(super) shard_locks: BTreeMap<ShardId, Line>,
}

impl Observed {
    /// Takes in that the node at `path` now holds `data` at `version`, or is gone.
    pub(super) fn apply(&mut self, path: &str, node: Node, found: Option<(&[u8], i32)>) {
        let data = found.map(|(data, _)| data);
        match node {
            Node::Leader => self.leader = data.and_then(|data| decode(path, data)),
            Node::Layout => {
                self.layout = data.and_then(|data| decode(path, data));
                self.layout_version = found.map_or(0, |(_, version)| version);
            }
            Node::History => {
                self.history = found.and_then(|(data, version)| Some((decode(path, data)?, version)));
            }
            Node::Config => {
                self.live = found.and_then(|(data, version)| Some((decode(path, data)?, version)));
            }
            Node::Request(id) => {
                match found.and_then(|(data, version)| Some((decode(path, data)?, version))) {
                    Some(request) => drop(self.requests.insert(id, request)),
                    None => drop(self.requests.remove(&id)),
                }
            }
            Node::Member(id) => put(&mut self.members, id, path, data),
            Node::Roster(id) => put(&mut self.roster, id, path, data),
            Node::Position(shard) => put(&mut self.positions, shard, path, data),
            Node::Assignment(shard) => put(&mut self.assignments, shard, path, data),
            Node::LeaderLock(name) => line_up(&mut self.leader_locks, &name, path, data),
            Node::ShardLock(shard, name) => {
                line_up(self.shard_locks.entry(shard).or_default(), &name, path, data);
            }
        }
    }

    /// Whether owners shall read nothing.
    pub(super) fn paused(&self) -> bool {
        self.live.as_ref().is_some_and(|(live, _)| live.paused)
    }

    /// The change of the layout that is being carried out.
    pub(super) fn change(&self) -> Option<&LayoutChange> {
        self.layout.as_ref()?.change.as_ref()
    }

    /// What the holder of the shard's lock says of it.
    pub(super) fn report(&self, shard: &ShardId) -> Option<(&MemberId, &ShardReport)> {
        let holder = self.owner(shard)?;
        let member = self.members.get(&holder.id).filter(|it| it.incarnation == holder.incarnation)?;
        Some((&member.id, member.shards.get(shard)?))
    }

    /// Who holds the shard's lock.
    pub(super) fn owner(&self, shard: &ShardId) -> Option<&LockRecord> {
        self.shard_locks.get(shard)?.holder()
    }

    /// Whether the shard is assigned to `member`.
    pub(super) fn is_assigned_to(&self, shard: &ShardId, member: &MemberId) -> bool {
        self.assignments.get(shard).is_some_and(|assignment| assignment.member == *member)
    }

    /// Whether `incarnation` holds the lock of any shard.
    pub(super) fn holds_any(&self, incarnation: Incarnation) -> bool {
        let mut holders = self.shard_locks.values().filter_map(Line::holder);
        holders.any(|holder| holder.incarnation == incarnation)
    }

    /// Whether `member` stands in line for the shard's lock, or holds it.
    pub(super) fn stands_in_line(&self, shard: &ShardId, member: &MemberId) -> bool {
        self.shard_locks.get(shard).is_some_and(|line| line.records().any(|(_, lock)| lock.id == *member))
    }

    /// What is being carried out.
    pub(super) fn plans(&self) -> impl Iterator<Item = (&Request, &Plan)> {
        self.requests.values().filter_map(|(request, _)| Some((request, request.plan()?)))
    }

    /// Whether the lock node at `path` is there.
    pub(super) fn holds(&self, tree: &Tree, path: &str) -> bool {
        match tree.node(path) {
            Some(Node::LeaderLock(name)) => self.leader_locks.contains(&name),
            Some(Node::ShardLock(shard, name)) => {
                self.shard_locks.get(&shard).is_some_and(|line| line.contains(&name))
            }
            _ => false,
        }
    }

    /// The paths of every lock of `incarnation`.
    pub(super) fn locks_of(&self, tree: &Tree, incarnation: Incarnation) -> Vec<String> {
        let leader = tree.leader_locks();
        let mut paths: Vec<String> =
            self.leader_locks.of(incarnation).map(|name| format!("{leader}/{name}")).collect();
        for (shard, line) in &self.shard_locks {
            let directory = tree.shard_locks(shard);
            paths.extend(line.of(incarnation).map(|name| format!("{directory}/{name}")));
        }
        paths
    }

    /// Every lock record, of the lead and of all shards.
    pub(super) fn lock_records(&self) -> impl Iterator<Item = &LockRecord> {
        let shards = self.shard_locks.values().flat_map(Line::records);
        self.leader_locks.records().chain(shards).map(|(_, lock)| lock)
    }
}

fn put<K: Ord, T: serde::de::DeserializeOwned>(
    map: &mut BTreeMap<K, T>,
    key: K,
    path: &str,
    data: Option<&[u8]>,
) {
    match data.and_then(|data| decode(path, data)) {
        Some(content) => drop(map.insert(key, content)),
        None => drop(map.remove(&key)),
    }
}

/// An unreadable lock still keeps its place in the line.
fn line_up(line: &mut Line, name: &str, path: &str, data: Option<&[u8]>) {
    match data {
        Some(data) => drop(line.0.insert(key(name), decode(path, data))),
        None => drop(line.0.remove(&key(name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordination::store::encode;

    fn lock(id: &str, incarnation: Incarnation) -> Vec<u8> {
        encode(&LockRecord { id: id.into(), incarnation })
    }

    #[test]
    fn the_lowest_sequence_holds_whatever_the_incarnations_sort_like() {
        let (a, b) = (Incarnation::random(), Incarnation::random());
        let mut observed = Observed::default();
        observed.apply("p", Node::LeaderLock(format!("{a}-0000000012")), Some((&lock("a", a), 0)));
        observed.apply("p", Node::LeaderLock(format!("{b}-0000000007")), Some((&lock("b", b), 0)));
        assert_eq!(observed.leader_locks.holder().unwrap().incarnation, b);
        let names = [format!("{a}-0000000012"), format!("{b}-0000000007")];
        assert_eq!(first_in_line(&names), Some(names[1].as_str()));
    }

    #[test]
    fn an_unreadable_lock_keeps_its_place() {
        let mut observed = Observed::default();
        observed.apply("p", Node::LeaderLock("x-0000000001".into()), Some((b"junk", 0)));
        assert!(!observed.leader_locks.is_empty());
        assert_eq!(observed.leader_locks.holder(), None);
        observed.apply("p", Node::LeaderLock("x-0000000001".into()), None);
        assert!(observed.leader_locks.is_empty());
    }

    #[test]
    fn locks_are_found_by_incarnation() {
        let (tree, mine, other) = (Tree::new("/m"), Incarnation::random(), Incarnation::random());
        let mut observed = Observed::default();
        let shard = ShardId::from("0");
        let paths = [
            format!("{}/{mine}-0000000001", tree.leader_locks()),
            format!("{}/{mine}-0000000004", tree.shard_locks(&shard)),
        ];
        for path in &paths {
            observed.apply(path, tree.node(path).unwrap(), Some((&lock("a", mine), 0)));
        }
        let theirs = format!("{}/{other}-0000000005", tree.shard_locks(&shard));
        observed.apply(&theirs, tree.node(&theirs).unwrap(), Some((&lock("b", other), 0)));
        assert_eq!(observed.locks_of(&tree, mine), paths);
        assert!(observed.holds(&tree, &paths[1]) && !observed.holds(&tree, "/m/locks/shards/0/none"));
    }
}
