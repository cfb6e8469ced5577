//! A session that changes rows and tables of its own, and remembers what it committed.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::check::{History, Shown};
use super::table::Table;

const TABLES: usize = 3;

/// See the module.
pub(super) struct Session {
    conn: Conn,
    random: StdRng,
    /// What its names begin with.
    prefix: String,
    tables: Vec<Table>,
    /// Number of the next row and the last column or table. Sessions count apart from each other.
    next_id: u64,
    numbers: u64,
    /// What it committed.
    pub(super) written: History,
    /// Statements that changed a table.
    pub(super) statements: u64,
}

impl Session {
    /// Makes its tables in the database `database`; `number` tells it from other sessions.
    pub(super) async fn new(mut conn: Conn, database: &str, number: u64, seed: u64) -> anyhow::Result<Self> {
        conn.query_drop(format!("USE {database}")).await?;
        let random = StdRng::seed_from_u64(seed * 100 + number);
        let mut session = Self {
            conn,
            random,
            prefix: format!("s{number}"),
            tables: Vec::new(),
            next_id: number * 1_000_000_000,
            numbers: 0,
            written: History::new(),
            statements: 0,
        };
        for _ in 0..TABLES {
            let table = session.fresh();
            session.conn.query_drop(table.create()).await?;
            session.tables.push(table);
        }
        Ok(session)
    }

    fn name(&mut self) -> String {
        self.numbers += 1;
        format!("{}_t{}", self.prefix, self.numbers)
    }

    fn fresh(&mut self) -> Table {
        let name = self.name();
        Table::random(name, &mut self.numbers, &mut self.random)
    }

    /// A transaction, and often a statement that changes a table behind it.
    pub(super) async fn step(&mut self) -> anyhow::Result<()> {
        let changes_table = self.random.random_range(0..3) == 0;
        // Which commits what is open.
        let open = changes_table && self.random.random();
        self.transaction(open).await?;
        if changes_table {
            for sql in self.change_table() {
                self.conn.query_drop(&sql).await.map_err(|error| anyhow::anyhow!("{sql}: {error}"))?;
                self.statements += 1;
            }
        }
        Ok(())
    }

    async fn transaction(&mut self, left_open: bool) -> anyhow::Result<()> {
        let rolled_back = !left_open && self.random.random_range(0..20) == 0;
        let before = rolled_back.then(|| self.tables.clone());
        self.conn.query_drop("BEGIN").await?;
        let mut done = Vec::new();
        for _ in 0..self.random.random_range(1..8) {
            let at = self.random.random_range(0..TABLES);
            self.next_id += 1;
            let change = self.tables[at].change(self.next_id, &mut self.random);
            self.conn.query_drop(&change.sql).await?;
            let table = self.tables[at].name.clone();
            done.push((
                change.id,
                Shown { table, kind: change.kind.into(), data: change.data, old: change.old },
            ));
        }
        if let Some(before) = before {
            self.tables = before;
            self.conn.query_drop("ROLLBACK").await?;
            return Ok(());
        }
        if !left_open {
            self.conn.query_drop("COMMIT").await?;
        }
        done.into_iter().for_each(|(id, shown)| self.written.entry(id).or_default().push(shown));
        Ok(())
    }

    /// Statements that change one or two tables.
    fn change_table(&mut self) -> Vec<String> {
        let at = self.random.random_range(0..TABLES);
        let other = (at + 1) % TABLES;
        match self.random.random_range(0..10) {
            0 => {
                let name = self.name();
                let before = std::mem::replace(&mut self.tables[at].name, name);
                vec![format!("RENAME TABLE {before} TO {}", self.tables[at].name)]
            }
            1 => self.swap(at, other),
            // Under the same name, with another shape.
            2 => {
                let name = self.tables[at].name.clone();
                self.tables[at] = Table::random(name.clone(), &mut self.numbers, &mut self.random);
                vec![format!("DROP TABLE {name}"), self.tables[at].create()]
            }
            3 => {
                let name = self.tables[other].name.clone();
                self.tables[other] = self.tables[at].like(name.clone());
                let like = format!("CREATE TABLE {name} LIKE {}", self.tables[at].name);
                vec![format!("DROP TABLE {name}"), like]
            }
            4 => {
                self.tables[at].truncate();
                vec![format!("TRUNCATE TABLE {}", self.tables[at].name)]
            }
            _ => vec![self.tables[at].alter(&mut self.numbers, &mut self.random)],
        }
    }

    /// As tools for changes online end: two tables change their names.
    fn swap(&mut self, at: usize, other: usize) -> Vec<String> {
        let (a, b) = (self.tables[at].name.clone(), self.tables[other].name.clone());
        let between = self.name();
        self.tables[at].name.clone_from(&b);
        self.tables[other].name.clone_from(&a);
        vec![format!("RENAME TABLE {a} TO {between}, {b} TO {a}, {between} TO {b}")]
    }
}
