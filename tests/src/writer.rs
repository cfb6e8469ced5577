//! A load whose outcome is known: inserts, updates, deletes, key changes, small and large transactions, rollbacks.

use std::collections::BTreeMap;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use xxhash_rust::xxh3::xxh3_64;

use crate::history::Expected;

const TABLES: [&str; 3] = ["h1", "h2", "h3"];

/// Writes into one database and remembers what it committed.
pub struct Writer {
    conn: Conn,
    random: StdRng,
    next_value: i64,
    next_id: i64,
    /// What is in the tables: id to value.
    live: BTreeMap<(usize, i64), i64>,
    /// What was committed.
    pub expected: Expected,
    /// Shards that keys are hashed to, if they are: an update that takes a row from one to another shows as a delete and
    /// an insert.
    pub divided: Option<u64>,
    /// How many such updates were committed.
    pub split: u64,
}

/// The shard of a row with this key, as `docs/sharding.md` has it.
pub fn shard_of(id: i64, shards: u64) -> u64 {
    xxh3_64(format!("{id}\0").as_bytes()) % shards
}

struct Step {
    table: usize,
    kind: &'static str,
    id: i64,
    value: i64,
    sql: String,
    /// The key and value before, of an update that changes the key.
    before: Option<(i64, i64)>,
}

impl Writer {
    /// Makes the database and its tables.
    pub async fn new(mut conn: Conn, database: &str, seed: u64) -> anyhow::Result<Self> {
        conn.query_drop(format!("CREATE DATABASE {database}")).await?;
        conn.query_drop(format!("USE {database}")).await?;
        for table in TABLES {
            let columns = "id BIGINT PRIMARY KEY, v BIGINT NOT NULL, note VARCHAR(40) CHARACTER SET utf8mb4";
            conn.query_drop(format!("CREATE TABLE {table} ({columns})")).await?;
        }
        conn.query_drop("CREATE TABLE beat (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)").await?;
        let random = StdRng::seed_from_u64(seed);
        Ok(Self {
            conn,
            random,
            next_value: 1,
            next_id: 1,
            live: BTreeMap::new(),
            expected: Expected::default(),
            divided: None,
            split: 0,
        })
    }

    /// One transaction of `rows` changes; every twentieth small one is rolled back.
    pub async fn transaction(&mut self, rows: usize) -> anyhow::Result<()> {
        let rolled_back = rows < 20 && self.random.random_range(0..20) == 0;
        self.run(rows, rolled_back).await
    }

    /// A transaction of `rows` changes that is rolled back.
    pub async fn rolled_back(&mut self, rows: usize) -> anyhow::Result<()> {
        self.run(rows, true).await
    }

    async fn run(&mut self, rows: usize, rolled_back: bool) -> anyhow::Result<()> {
        let before = self.live.clone_if(rolled_back);
        self.conn.query_drop("BEGIN").await?;
        let mut steps = Vec::with_capacity(rows);
        if rows >= 100 {
            self.bulk(rows, &mut steps).await?;
        } else {
            for _ in 0..rows {
                let step = self.step();
                self.conn.query_drop(&step.sql).await?;
                steps.push(step);
            }
        }
        if let Some(before) = before {
            self.conn.query_drop("ROLLBACK").await?;
            self.live = before;
            return Ok(());
        }
        self.conn.query_drop("COMMIT").await?;
        for step in steps {
            self.expect(step);
        }
        Ok(())
    }

    fn expect(&mut self, step: Step) {
        let table = TABLES[step.table];
        let mut kind = step.kind;
        if let (Some(shards), Some((old, was))) = (self.divided, step.before)
            && shard_of(old, shards) != shard_of(step.id, shards)
        {
            self.expected.push((table.into(), old), "delete", was);
            self.split += 1;
            kind = "insert";
        }
        self.expected.push((table.into(), step.id), kind, step.value);
    }

    /// Rows of a large transaction, many to a statement.
    async fn bulk(&mut self, rows: usize, steps: &mut Vec<Step>) -> anyhow::Result<()> {
        while steps.len() < rows {
            let count = (rows - steps.len()).min(500);
            let mut values = Vec::with_capacity(count);
            for _ in 0..count {
                let (id, value) = self.fresh();
                self.live.insert((0, id), value);
                values.push(format!("({id},{value},'bulk ñ')"));
                steps.push(Step { table: 0, kind: "insert", id, value, sql: String::new(), before: None });
            }
            self.conn.query_drop(format!("INSERT INTO h1 VALUES {}", values.join(","))).await?;
        }
        Ok(())
    }

    fn fresh(&mut self) -> (i64, i64) {
        self.next_id += 1;
        self.next_value += 1;
        (self.next_id, self.next_value)
    }

    fn step(&mut self) -> Step {
        let some = self.random.random_range(0..=i64::MAX) % self.next_id.max(1);
        let chosen = self.live.range((0, some)..).next().map(|(key, value)| (*key, *value));
        let action = self.random.random_range(0..10);
        let (id, value) = self.fresh();
        match chosen {
            Some(((table, old), _)) if action < 4 => {
                self.live.insert((table, old), value);
                let sql = format!("UPDATE {} SET v={value} WHERE id={old}", TABLES[table]);
                Step { table, kind: "update", id: old, value, sql, before: None }
            }
            Some(((table, old), was)) if action < 6 => {
                self.live.remove(&(table, old));
                let sql = format!("DELETE FROM {} WHERE id={old}", TABLES[table]);
                Step { table, kind: "delete", id: old, value: was, sql, before: None }
            }
            Some(((table, old), was)) if action < 7 => {
                self.live.remove(&(table, old));
                self.live.insert((table, id), value);
                let sql = format!("UPDATE {} SET id={id}, v={value} WHERE id={old}", TABLES[table]);
                Step { table, kind: "update", id, value, sql, before: Some((old, was)) }
            }
            _ => {
                let table = self.random.random_range(0..TABLES.len());
                self.live.insert((table, id), value);
                let sql = format!("INSERT INTO {} VALUES ({id},{value},'one \"q\" \\\\ ü')", TABLES[table]);
                Step { table, kind: "insert", id, value, sql, before: None }
            }
        }
    }
}

trait CloneIf: Clone {
    fn clone_if(&self, wanted: bool) -> Option<Self> {
        wanted.then(|| self.clone())
    }
}

impl<T: Clone> CloneIf for T {}
