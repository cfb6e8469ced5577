//! The znodes of the simulated ensemble. Pure.

use std::collections::BTreeMap;

use zookeeper_client::{CreateMode, Error};

use crate::coordination::client::Change;

/// A session's number.
pub(super) type SessionId = u64;

/// A node.
#[derive(Debug, Clone)]
pub(super) struct Znode {
    pub(super) data: Vec<u8>,
    pub(super) version: i32,
    /// The session that it ends with.
    pub(super) owner: Option<SessionId>,
    /// How many sequential nodes were made below it.
    sequence: u32,
}

/// What became of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Changed(String),
    Deleted(String),
}

/// All nodes by path.
#[derive(Debug, Default)]
pub(super) struct Znodes {
    nodes: BTreeMap<String, Znode>,
}

/// What a change replaced, to take it back.
type Undo = Vec<(String, Option<Znode>)>;

impl Znodes {
    pub(super) fn get(&self, path: &str) -> Option<&Znode> {
        self.nodes.get(path)
    }

    /// The names below a node.
    pub(super) fn children(&self, path: &str) -> Vec<String> {
        let prefix = format!("{path}/");
        let below = self.nodes.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        below
            .map(|(path, _)| &path[prefix.len()..])
            .filter(|name| !name.contains('/'))
            .map(str::to_owned)
            .collect()
    }

    /// Makes a node; its path, with a sequence if the mode asks for one.
    pub(super) fn create(
        &mut self,
        session: SessionId,
        path: &str,
        data: &[u8],
        mode: CreateMode,
    ) -> Result<(String, Vec<Event>), Error> {
        let mut path = path.to_owned();
        if matches!(mode, CreateMode::EphemeralSequential | CreateMode::PersistentSequential) {
            let parent = self.nodes.get_mut(parent(&path)).ok_or(Error::NoNode)?;
            path = format!("{path}{:010}", parent.sequence);
            parent.sequence += 1;
        }
        let mut undo = Undo::new();
        let event = self.make(session, &path, data, mode, &mut undo)?;
        Ok((path, vec![event]))
    }

    /// Carries out all changes, or none.
    pub(super) fn commit(&mut self, session: SessionId, changes: &[Change]) -> Result<Vec<Event>, Error> {
        let mut undo = Undo::new();
        let mut events = Vec::new();
        for change in changes {
            match self.apply(session, change, &mut undo) {
                Ok(event) => events.extend(event),
                Err(error) => {
                    for (path, before) in undo.into_iter().rev() {
                        match before {
                            Some(node) => self.nodes.insert(path, node),
                            None => self.nodes.remove(&path),
                        };
                    }
                    return Err(error);
                }
            }
        }
        Ok(events)
    }

    fn apply(
        &mut self,
        session: SessionId,
        change: &Change,
        undo: &mut Undo,
    ) -> Result<Option<Event>, Error> {
        match change {
            Change::Check(path) => self.nodes.get(path).map(|_| None).ok_or(Error::NoNode),
            Change::Create(path, data, mode) => self.make(session, path, data, *mode, undo).map(Some),
            Change::Set(path, data, version) => {
                let node = self.nodes.get_mut(path).ok_or(Error::NoNode)?;
                if version.is_some_and(|version| version != node.version) {
                    return Err(Error::BadVersion);
                }
                undo.push((path.clone(), Some(node.clone())));
                (node.data, node.version) = (data.clone(), node.version + 1);
                Ok(Some(Event::Changed(path.clone())))
            }
            Change::Delete(path, version) => {
                let node = self.nodes.get(path).ok_or(Error::NoNode)?;
                if version.is_some_and(|version| version != node.version) {
                    return Err(Error::BadVersion);
                }
                if !self.children(path).is_empty() {
                    return Err(Error::NotEmpty);
                }
                undo.push((path.clone(), self.nodes.remove(path)));
                Ok(Some(Event::Deleted(path.clone())))
            }
        }
    }

    fn make(
        &mut self,
        session: SessionId,
        path: &str,
        data: &[u8],
        mode: CreateMode,
        undo: &mut Undo,
    ) -> Result<Event, Error> {
        let above = parent(path);
        if !above.is_empty() && !self.nodes.contains_key(above) {
            return Err(Error::NoNode);
        }
        if self.nodes.contains_key(path) {
            return Err(Error::NodeExists);
        }
        let ephemeral = matches!(mode, CreateMode::Ephemeral | CreateMode::EphemeralSequential);
        let node =
            Znode { data: data.to_vec(), version: 0, owner: ephemeral.then_some(session), sequence: 0 };
        self.nodes.insert(path.to_owned(), node);
        undo.push((path.to_owned(), None));
        Ok(Event::Changed(path.to_owned()))
    }

    /// Deletes what ends with a session.
    pub(super) fn end(&mut self, session: SessionId) -> Vec<Event> {
        let mut events = Vec::new();
        self.nodes.retain(|path, node| {
            let ends = node.owner == Some(session);
            if ends {
                events.push(Event::Deleted(path.clone()));
            }
            !ends
        });
        events
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(above, _)| above)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_changes_or_none() {
        let mut nodes = Znodes::default();
        let create = |path: &str| Change::Create(path.into(), b"1".to_vec(), CreateMode::Persistent);
        nodes.commit(1, &[create("/a"), create("/a/b")]).unwrap();
        let set = Change::Set("/a".into(), b"2".to_vec(), Some(0));
        let failed = nodes.commit(1, &[set, Change::Delete("/a/b".into(), None), create("/c/d")]);
        assert_eq!(failed, Err(Error::NoNode));
        assert_eq!(nodes.get("/a").map(|node| (node.data.as_slice(), node.version)), Some((&b"1"[..], 0)));
        assert_eq!(nodes.children("/a"), ["b"]);
        assert_eq!(nodes.commit(1, &[Change::Delete("/a".into(), None)]), Err(Error::NotEmpty));
    }

    #[test]
    fn sequences_grow_and_ephemerals_end_with_their_session() {
        let mut nodes = Znodes::default();
        nodes.create(1, "/l", b"", CreateMode::Persistent).unwrap();
        let mode = CreateMode::EphemeralSequential;
        assert_eq!(nodes.create(1, "/l/x-", b"", mode).unwrap().0, "/l/x-0000000000");
        assert_eq!(nodes.create(2, "/l/y-", b"", mode).unwrap().0, "/l/y-0000000001");
        assert_eq!(nodes.end(1), [Event::Deleted("/l/x-0000000000".into())]);
        assert_eq!(nodes.children("/l"), ["y-0000000001"]);
    }
}
