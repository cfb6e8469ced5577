//! `cluster/layout`: which shards there are and what decides about a row's.

use serde::{Deserialize, Serialize};

use crate::id::ShardId;
use crate::position::{Position, Seal};
use crate::settings::{Mode, Settings, Sharding, Strategy};

/// The only way rows are hashed so far; another one gets another number, and a layout keeps the one it began with.
pub const HASH: u32 = 1;

/// The shards of a cluster: those that rows are hashed to, by number, then those with names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layout {
    /// Grows with every change of the layout; part of every position record.
    pub generation: u64,
    /// How many shards there are.
    pub shards: u32,
    /// What decides about a row that is not pinned.
    #[serde(default)]
    pub strategy: Strategy,
    /// Strategy Time: how long a window is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_window_seconds: Option<u32>,
    /// How it is hashed: [`HASH`].
    #[serde(default = "hash")]
    pub hash: u32,
    /// What is pinned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<Share>,
    /// Where the shards of this generation begin. Written by the owner that looked for the place first, so that no
    /// other one begins elsewhere; absent until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<Position>,
    /// A change that is being carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// The highest generation that a change was begun with: one that was undone is never used again. 0 before the first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tried: u64,
    /// The change that this layout came of; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// What a layout came of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// Who asked for the change.
    #[serde(default)]
    pub by: String,
    /// When, milliseconds since the epoch.
    pub asked_at: i64,
    /// When it was begun: from then on nothing was read but what leads to the place where this layout begins.
    pub begun_at: i64,
    /// When this layout came into force.
    pub in_force_at: i64,
}

/// What is pinned to one shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// The shard.
    pub shard: ShardId,
    /// Its databases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<String>,
    /// Its tables as `database.table`; they win over databases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
}

/// A change of the layout: every shard streams up to one place and ends there, the shards of the next layout begin there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// What the layout becomes. Its beginning is written by the owner that came there first.
    pub to: Box<Layout>,
    /// When it was begun, milliseconds since the epoch.
    pub at: i64,
    /// The server that every shard read then.
    pub server: String,
    /// How far it is.
    pub phase: Phase,
    /// Where every shard ends. Written by the owner that asked the source first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barrier: Option<Barrier>,
}

/// How far a change of the layout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Owners commit what they have and read nothing.
    Stopping,
    /// All have stopped: they go on to one place, which none has come to yet.
    CatchingUp,
}

/// A place between two transactions in the binlog of one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Barrier {
    /// The server.
    pub server: String,
    /// Binlog file.
    pub file: String,
    /// Offset in it.
    pub offset: u64,
}

fn hash() -> u32 {
    HASH
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            generation: 1,
            shards: 1,
            strategy: Strategy::default(),
            time_window_seconds: None,
            hash: HASH,
            shares: Vec::new(),
            begins: None,
            change: None,
            tried: 0,
            origin: None,
        }
    }
}

impl Layout {
    /// The first layout that settings ask for.
    pub fn wanted(settings: &Settings) -> Self {
        match &settings.sharding {
            Some(sharding) if settings.mode != Mode::ActiveStandby => Self::of(sharding),
            _ => Self::default(),
        }
    }

    /// The division that they ask for, as a first layout.
    pub fn of(sharding: &Sharding) -> Self {
        let own = |database: &String| Share {
            shard: ShardId(database.clone()),
            databases: vec![database.clone()],
            tables: Vec::new(),
        };
        let mut shares: Vec<Share> = sharding.databases.iter().map(own).collect();
        for pin in &sharding.pins {
            let shard = ShardId(pin.shard.clone());
            let share = match shares.iter().position(|share| share.shard == shard) {
                Some(at) => &mut shares[at],
                None => {
                    shares.push(Share { shard, databases: Vec::new(), tables: Vec::new() });
                    shares.last_mut().expect("just pushed")
                }
            };
            share.databases.extend(pin.databases.iter().cloned());
            share.tables.extend(pin.tables.iter().cloned());
        }
        // Where a hashed shard runs is no matter of the layout.
        shares.retain(|share| !(is_hashed(share) && share.databases.is_empty() && share.tables.is_empty()));
        Self {
            shards: sharding.count(),
            strategy: sharding.strategy,
            time_window_seconds: sharding.time_window_seconds.filter(|_| sharding.strategy == Strategy::Time),
            shares,
            ..Self::default()
        }
    }

    /// How many shards rows are hashed to: numbers below this.
    pub fn hashed(&self) -> u32 {
        self.shards.saturating_sub(self.named().count() as u32).max(1)
    }

    fn named(&self) -> impl Iterator<Item = &ShardId> {
        self.shares.iter().filter(|share| !is_hashed(share)).map(|share| &share.shard)
    }

    /// The shards, each with its number: its partition on the position topic.
    pub fn shards(&self) -> impl Iterator<Item = (ShardId, u32)> {
        let hashed = (0..self.hashed()).map(|number| ShardId(number.to_string()));
        hashed.chain(self.named().cloned()).zip(0..)
    }

    /// This layout with a change to the division of `wanted` begun at `at`, while every shard reads `server`.
    pub fn changing(&self, wanted: &Self, at: i64, server: String) -> Self {
        let generation = self.generation.max(self.tried) + 1;
        let to = Self {
            generation,
            begins: None,
            change: None,
            tried: generation,
            origin: None,
            ..wanted.clone()
        };
        let change = Change { to: Box::new(to), at, server, phase: Phase::Stopping, barrier: None };
        Self { change: Some(change), tried: generation, ..self.clone() }
    }

    /// Whether what ends with `seal` must not be followed by anything of this layout.
    pub fn keeps_sealed(&self, seal: Seal) -> bool {
        match seal {
            // Without that change it was undone: its generation is never used again.
            Seal::Layout { generation } => {
                generation <= self.generation
                    || self.change.as_ref().is_some_and(|change| change.to.generation == generation)
            }
            // The records of the others tell when.
            Seal::Window { .. } => false,
        }
    }

    /// Whether it has a shard of that name.
    pub fn has(&self, shard: &ShardId) -> bool {
        self.shards().any(|(known, _)| known == *shard)
    }

    /// Whether rows are divided alike.
    pub fn divides_like(&self, other: &Self) -> bool {
        (self.shards, self.strategy, self.time_window_seconds, self.hash, &self.shares)
            == (other.shards, other.strategy, other.time_window_seconds, other.hash, &other.shares)
    }
}

fn is_hashed(share: &Share) -> bool {
    crate::settings::is_number(share.shard.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Pin;

    fn names(layout: &Layout) -> Vec<String> {
        layout.shards().map(|(shard, number)| format!("{number}:{shard}")).collect()
    }

    #[test]
    fn named_shards_come_after_the_hashed_ones() {
        let pin = |shard: &str, tables: &[&str]| Pin {
            shard: shard.into(),
            tables: tables.iter().map(|&table| table.to_owned()).collect(),
            ..Pin::default()
        };
        let pins = vec![pin("hot", &["shop.orders"]), pin("1", &["shop.items"]), pin("0", &[])];
        let sharding = Sharding { shards: 4, pins, ..Sharding::default() };
        let layout = Layout::of(&sharding);
        assert_eq!(names(&layout), ["0:0", "1:1", "2:2", "3:hot"]);
        assert_eq!((layout.hashed(), layout.shares.len()), (3, 2));

        let databases = vec!["a".to_owned(), "b".to_owned()];
        let layout = Layout::of(&Sharding { databases, strategy: Strategy::Database, ..Sharding::default() });
        assert_eq!(names(&layout), ["0:0", "1:a", "2:b"]);
    }

    #[test]
    fn a_seal_is_void_once_its_change_is_undone() {
        let seal = Seal::Layout { generation: 3 };
        let undone = Layout { generation: 1, tried: 2, ..Layout::default() };
        let before = Layout { tried: 3, ..undone.clone() };
        let changing = undone.changing(&Layout { shards: 4, ..Layout::default() }, 0, String::new());
        assert_eq!((changing.generation, changing.tried, changing.shards), (1, 3, 1));
        assert!(!before.keeps_sealed(seal));
        assert!(changing.keeps_sealed(seal));
        assert!(!changing.keeps_sealed(Seal::Layout { generation: 2 }));
        assert!(Layout { generation: 3, ..before.clone() }.keeps_sealed(seal));
        assert!(Layout { generation: 4, ..before }.keeps_sealed(seal));
    }

    #[test]
    fn a_layout_of_before_there_were_strategies_is_read() {
        let layout: Layout = serde_json::from_str(r#"{"generation":1,"shards":1}"#).unwrap();
        assert_eq!(layout, Layout::default());
        assert_eq!(names(&layout), ["0:0"]);
    }
}
