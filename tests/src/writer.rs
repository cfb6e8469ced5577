//! A load whose outcome is known, whatever becomes of the server meanwhile: inserts, updates, deletes, key changes,
//! small and large transactions, rollbacks, schema changes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use xxhash_rust::xxh3::xxh3_64;

use crate::history::Expected;
use crate::lab::Server;
use crate::session::Session;

const TABLES: [&str; 3] = ["h1", "h2", "h3"];
/// How long the server may be away.
const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(50);

/// Writes into one database and remembers what it committed.
pub struct Writer {
    session: Session,
    database: String,
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
    /// Whether it changes meanwhile how keys are divided.
    pub redivided: bool,
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
    /// The key and value before, of an update that changes the key.
    before: Option<(i64, i64)>,
}

impl Writer {
    /// Makes the database and its tables.
    pub async fn new(server: Server, database: &str, seed: u64) -> anyhow::Result<Self> {
        let mut statements = vec![format!("CREATE DATABASE {database}")];
        for table in TABLES {
            let columns = "id BIGINT PRIMARY KEY, v BIGINT NOT NULL, note VARCHAR(40) CHARACTER SET utf8mb4";
            statements.push(format!("CREATE TABLE {database}.{table} ({columns})"));
        }
        statements.push(format!("CREATE TABLE {database}.beat (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)"));
        let mut session = Session::new(server);
        session.run(&statements).await?;
        let random = StdRng::seed_from_u64(seed);
        Ok(Self {
            session,
            database: database.to_owned(),
            random,
            next_value: 1,
            next_id: 1,
            live: BTreeMap::new(),
            expected: Expected::default(),
            divided: None,
            split: 0,
            redivided: false,
        })
    }

    /// Goes on at another server, which has what was committed.
    pub fn turn_to(&mut self, server: Server) {
        self.session.turn_to(server);
    }

    /// No change made up to now has a higher value.
    pub fn value(&self) -> i64 {
        self.next_value
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

    /// Adds a column, or drops one: `number` tells which.
    pub async fn alter(&mut self, number: u64) -> anyhow::Result<()> {
        let (database, table) = (&self.database, TABLES[1 + (number / 2 % 2) as usize]);
        let column = format!("extra{}", number / 2);
        let change = if number.is_multiple_of(2) { "ADD COLUMN" } else { "DROP COLUMN" };
        let kind = if number.is_multiple_of(2) { "INT" } else { "" };
        let statement = [format!("ALTER TABLE {database}.{table} {change} {column} {kind}")];
        let question = format!(
            "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = '{database}' \
             AND table_name = '{table}' AND column_name = '{column}'"
        );
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = self.session.run(&statement).await {
            let there = self.session.ask::<u64>(&question).await? == Some(1);
            if there == number.is_multiple_of(2) {
                break;
            }
            again(deadline, error).await?;
        }
        Ok(())
    }

    async fn run(&mut self, rows: usize, rolled_back: bool) -> anyhow::Result<()> {
        let before = self.live.clone_if(rolled_back);
        let (steps, mut statements) = self.plan(rows);
        statements.push(if rolled_back { "ROLLBACK" } else { "COMMIT" }.to_owned());
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = self.session.run(&statements).await {
            if rolled_back || self.has_happened(&steps).await? {
                break;
            }
            again(deadline, error).await?;
        }
        if let Some(before) = before {
            self.live = before;
            return Ok(());
        }
        for step in steps {
            self.expect(step);
        }
        Ok(())
    }

    fn expect(&mut self, step: Step) {
        let table = TABLES[step.table];
        let mut kind = step.kind;
        if let (true, Some((old, was))) = (self.redivided, step.before) {
            self.expected.push_move(((table.into(), old), was), ((table.into(), step.id), step.value));
            return;
        }
        if let (Some(shards), Some((old, was))) = (self.divided, step.before)
            && shard_of(old, shards) != shard_of(step.id, shards)
        {
            self.expected.push((table.into(), old), "delete", was);
            self.split += 1;
            kind = "insert";
        }
        self.expected.push((table.into(), step.id), kind, step.value);
    }

    /// Whether a transaction of unknown outcome was committed: its last change tells.
    async fn has_happened(&mut self, steps: &[Step]) -> anyhow::Result<bool> {
        let Some(Step { table, kind, id, value, .. }) = steps.last() else { return Ok(true) };
        let question = format!("SELECT v FROM {}.{} WHERE id = {id}", self.database, TABLES[*table]);
        let found = self.session.ask::<i64>(&question).await?;
        Ok(if *kind == "delete" { found.is_none() } else { found == Some(*value) })
    }

    /// The changes of a transaction, and the statements that make them.
    fn plan(&mut self, rows: usize) -> (Vec<Step>, Vec<String>) {
        let mut steps = Vec::with_capacity(rows);
        let mut statements = vec![format!("USE {}", self.database), "BEGIN".to_owned()];
        if rows >= 100 {
            self.bulk(rows, &mut steps, &mut statements);
        } else {
            for _ in 0..rows {
                let (step, sql) = self.step();
                statements.push(sql);
                steps.push(step);
            }
        }
        (steps, statements)
    }

    /// Rows of a large transaction, many to a statement.
    fn bulk(&mut self, rows: usize, steps: &mut Vec<Step>, statements: &mut Vec<String>) {
        while steps.len() < rows {
            let count = (rows - steps.len()).min(500);
            let mut values = Vec::with_capacity(count);
            for _ in 0..count {
                let (id, value) = self.fresh();
                self.live.insert((0, id), value);
                values.push(format!("({id},{value},'bulk ñ')"));
                steps.push(Step { table: 0, kind: "insert", id, value, before: None });
            }
            statements.push(format!("INSERT INTO h1 (id, v, note) VALUES {}", values.join(",")));
        }
    }

    fn fresh(&mut self) -> (i64, i64) {
        self.next_id += 1;
        self.next_value += 1;
        (self.next_id, self.next_value)
    }

    fn step(&mut self) -> (Step, String) {
        let some = self.random.random_range(0..=i64::MAX) % self.next_id.max(1);
        let chosen = self.live.range((0, some)..).next().map(|(key, value)| (*key, *value));
        let action = self.random.random_range(0..10);
        let (id, value) = self.fresh();
        match chosen {
            Some(((table, old), _)) if action < 4 => {
                self.live.insert((table, old), value);
                let sql = format!("UPDATE {} SET v={value} WHERE id={old}", TABLES[table]);
                (Step { table, kind: "update", id: old, value, before: None }, sql)
            }
            Some(((table, old), was)) if action < 6 => {
                self.live.remove(&(table, old));
                let sql = format!("DELETE FROM {} WHERE id={old}", TABLES[table]);
                (Step { table, kind: "delete", id: old, value: was, before: None }, sql)
            }
            Some(((table, old), was)) if action < 7 => {
                self.live.remove(&(table, old));
                self.live.insert((table, id), value);
                let sql = format!("UPDATE {} SET id={id}, v={value} WHERE id={old}", TABLES[table]);
                (Step { table, kind: "update", id, value, before: Some((old, was)) }, sql)
            }
            _ => {
                let table = self.random.random_range(0..TABLES.len());
                self.live.insert((table, id), value);
                let sql = format!(
                    "INSERT INTO {} (id, v, note) VALUES ({id},{value},'one \"q\" \\\\ ü')",
                    TABLES[table]
                );
                (Step { table, kind: "insert", id, value, before: None }, sql)
            }
        }
    }
}

/// Before another attempt.
async fn again(deadline: Instant, error: anyhow::Error) -> anyhow::Result<()> {
    if Instant::now() > deadline {
        return Err(error).context("the load cannot be written");
    }
    tokio::time::sleep(PAUSE).await;
    Ok(())
}

trait CloneIf: Clone {
    fn clone_if(&self, wanted: bool) -> Option<Self> {
        wanted.then(|| self.clone())
    }
}

impl<T: Clone> CloneIf for T {}
