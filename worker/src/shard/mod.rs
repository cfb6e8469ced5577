//! Which shard a row belongs to. Pure.
//!
//! Hash number 1 is XXH3 (64 bits, seed 0) of a text, modulo the number of shards that rows are hashed to. The text is
//!
//! | strategy | text |
//! |---|---|
//! | `Database` | the database's name |
//! | `Table` | `database.table` |
//! | `PrimaryKey` | the values of the key's columns in the key's order, each as a record's key shows it under the default settings and followed by a zero byte; for a table without a key as for `Table` |
//!
//! so that rows with one key on Kafka are in one shard, whatever the settings of the output are. Pins come before: of
//! the table, else of the database. Under strategy `Time` nothing is hashed: `windows` tells which transactions a shard
//! streams, `turn` when.

pub mod turn;
pub mod windows;

use std::collections::HashMap;

use maxwell_protocol::layout::{HASH, Layout};
use maxwell_protocol::settings::Strategy;
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

/// Why rows cannot be divided.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShardError {
    /// A version to come hashed them.
    #[error(
        "the layout's rows are hashed by number {0}, and this version knows {HASH}; run the version that made it"
    )]
    Hash(u32),
}

/// Whose the rows of a table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// All are this shard's.
    Whole,
    /// None is.
    Not,
    /// Each row's key tells; of a table without a key, [`Divider::holds_by_name`].
    ByKey,
}

/// One shard's view of a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divider {
    share: Share,
    strategy: Strategy,
    databases: HashMap<String, u32>,
    tables: HashMap<String, u32>,
}

/// The part of what is hashed that one shard holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    number: u32,
    hashed: u32,
}

impl Share {
    /// Whether what this text stands for is in it.
    pub fn holds(self, text: &[u8]) -> bool {
        (xxh3_64(text) % u64::from(self.hashed)) as u32 == self.number
    }
}

impl Divider {
    /// The view of the shard with this number.
    pub fn new(layout: &Layout, number: u32) -> Result<Self, ShardError> {
        if layout.hash != HASH {
            return Err(ShardError::Hash(layout.hash));
        }
        let numbers: HashMap<_, _> = layout.shards().collect();
        let (mut databases, mut tables) = (HashMap::new(), HashMap::new());
        for share in &layout.shares {
            let Some(&at) = numbers.get(&share.shard) else { continue };
            databases.extend(share.databases.iter().map(|name| (name.clone(), at)));
            tables.extend(share.tables.iter().map(|name| (name.clone(), at)));
        }
        let share = Share { number, hashed: layout.hashed() };
        Ok(Self { share, strategy: layout.strategy, databases, tables })
    }

    /// Whether it is this shard that tells of schema changes: exactly one does, under strategy `Time` the one whose turn
    /// it is.
    pub fn tells_of_schema(&self) -> bool {
        match self.strategy {
            Strategy::Time => self.is_hashed(),
            _ => self.share.number == 0,
        }
    }

    /// Whether tables can be copied. Who takes turns has none long enough, and who only holds pins keeps to the same
    /// rules.
    pub fn copies(&self) -> bool {
        self.strategy != Strategy::Time
    }

    /// Whether the shard is one without a name.
    fn is_hashed(&self) -> bool {
        self.share.number < self.share.hashed
    }

    /// Whose the rows of a table are.
    pub fn table(&self, database: &str, table: &str) -> Held {
        let whole = |mine: bool| if mine { Held::Whole } else { Held::Not };
        if self.share.hashed == 1 && self.databases.is_empty() && self.tables.is_empty() {
            return Held::Whole;
        }
        if let Some(at) = self.pinned(database, table) {
            return whole(at == self.share.number);
        }
        match self.strategy {
            Strategy::Database => whole(self.share.holds(database.as_bytes())),
            // Everything while it is its turn.
            Strategy::Time => whole(self.is_hashed()),
            Strategy::PrimaryKey if !self.is_hashed() => Held::Not,
            Strategy::PrimaryKey if self.share.hashed > 1 => Held::ByKey,
            Strategy::Table | Strategy::PrimaryKey => whole(self.by_name(database, table)),
        }
    }

    /// Whether a table that has no key is this shard's.
    pub fn holds_by_name(&self, database: &str, table: &str) -> bool {
        match self.pinned(database, table) {
            Some(at) => at == self.share.number,
            None => self.by_name(database, table),
        }
    }

    fn by_name(&self, database: &str, table: &str) -> bool {
        self.share.holds(format!("{database}.{table}").as_bytes())
    }

    fn pinned(&self, database: &str, table: &str) -> Option<u32> {
        if !self.tables.is_empty()
            && let Some(at) = self.tables.get(&format!("{database}.{table}"))
        {
            return Some(*at);
        }
        self.databases.get(database).copied()
    }

    /// How many shards hold rows of a table.
    pub fn parts(&self, database: &str, table: &str) -> u32 {
        match self.table(database, table) {
            Held::ByKey => self.share.hashed,
            Held::Whole | Held::Not => 1,
        }
    }

    /// The part of the keys that is this shard's.
    pub fn keys(&self) -> Share {
        self.share
    }
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::settings::Settings;
    use serde_json::{Value, json};

    use super::*;

    fn layout(sharding: Value) -> Layout {
        let document = json!({"mysql": {"host": "m"}, "mode": "Sharded", "sharding": sharding});
        Layout::wanted(&serde_json::from_value::<Settings>(document).unwrap())
    }

    fn dividers(layout: &Layout) -> Vec<Divider> {
        (0..layout.shards).map(|number| Divider::new(layout, number).unwrap()).collect()
    }

    fn holders(layout: &Layout, database: &str, table: &str) -> Vec<u32> {
        let whole = |(_, divider): &(u32, Divider)| divider.table(database, table) == Held::Whole;
        (0..).zip(dividers(layout)).filter(whole).map(|(number, _)| number).collect()
    }

    #[test]
    fn the_hash_stays_what_it_is() {
        // Stored layouts hang on these.
        let share = |number| Share { number, hashed: 1000 };
        let number = |text: &[u8]| (0..1000).find(|&number| share(number).holds(text)).unwrap();
        assert_eq!(
            (number(b"shop.orders"), number(b"1\0"), number(b"\"a\"\x002\0"), number(b"")),
            (778, 72, 584, 138)
        );
    }

    #[test]
    fn every_table_has_one_holder() {
        for strategy in ["Database", "Table"] {
            let layout = layout(json!({"shards": 5, "strategy": strategy}));
            let mut used = std::collections::BTreeSet::new();
            for n in 0..200 {
                let holders = holders(&layout, &format!("d{n}"), "t");
                assert_eq!(holders.len(), 1, "{strategy} d{n}");
                used.extend(holders);
            }
            assert_eq!(used.len(), 5);
        }
    }

    #[test]
    fn pins_win_the_table_over_its_database() {
        let pins = json!([
            {"shard": "hot", "tables": ["shop.orders"]}, {"shard": "1", "databases": ["shop"]},
        ]);
        for strategy in ["Table", "PrimaryKey", "Database"] {
            let layout = layout(json!({"shards": 4, "strategy": strategy, "pins": pins}));
            assert_eq!(holders(&layout, "shop", "orders"), [3]);
            assert_eq!(holders(&layout, "shop", "items"), [1]);
            let hot = Divider::new(&layout, 3).unwrap();
            assert_eq!(hot.table("other", "t"), Held::Not);
            assert!(!hot.holds_by_name("other", "t"));
        }
    }

    #[test]
    fn every_key_has_one_holder() {
        let layout = layout(json!({"shards": 4, "strategy": "PrimaryKey"}));
        let dividers = dividers(&layout);
        assert!(dividers.iter().all(|divider| divider.table("d", "t") == Held::ByKey));
        for key in 0..500 {
            let text = format!("{key}\0");
            assert_eq!(dividers.iter().filter(|d| d.keys().holds(text.as_bytes())).count(), 1);
        }
        assert_eq!(dividers.iter().filter(|divider| divider.holds_by_name("d", "keyless")).count(), 1);
        assert_eq!(dividers.iter().filter(|divider| divider.tells_of_schema()).count(), 1);
    }

    #[test]
    fn who_takes_turns_holds_everything_that_is_not_pinned() {
        let pins = json!([{"shard": "hot", "tables": ["shop.orders"]}]);
        let layout = layout(json!({"shards": 4, "strategy": "Time", "timeWindowSeconds": 60, "pins": pins}));
        assert_eq!(holders(&layout, "shop", "orders"), [3]);
        assert_eq!(holders(&layout, "shop", "items"), [0, 1, 2]);
        let tell: Vec<bool> = dividers(&layout).iter().map(Divider::tells_of_schema).collect();
        assert_eq!(tell, [true, true, true, false]);
    }

    #[test]
    fn one_shard_holds_everything() {
        let only = Divider::new(&Layout::default(), 0).unwrap();
        assert_eq!(only.table("d", "t"), Held::Whole);
    }

    #[test]
    fn a_hash_to_come_is_refused() {
        let layout = Layout { hash: 2, ..Layout::default() };
        assert_eq!(Divider::new(&layout, 0), Err(ShardError::Hash(2)));
    }
}
