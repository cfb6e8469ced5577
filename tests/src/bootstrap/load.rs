//! A table that is being changed while it is copied.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::bench::load::digits;

/// Rows that one statement inserts.
const AT_ONCE: u64 = 5000;

/// What tells the table's rows apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Keys {
    /// A primary key.
    Primary,
    /// A unique key that is NOT NULL.
    Unique,
    /// Nothing, as far as the server knows.
    None,
}

/// Makes the table `database.database` with `rows` rows as sysbench does: no other test's statements name it. Nothing of
/// that is in the binlog.
pub async fn fill(conn: &mut Conn, database: &str, rows: u64, keys: Keys) -> anyhow::Result<()> {
    conn.query_drop(format!("CREATE DATABASE {database}")).await?;
    conn.query_drop(format!("USE {database}")).await?;
    let key = match keys {
        Keys::Primary => "PRIMARY KEY (id)",
        Keys::Unique => "UNIQUE KEY by_id (id)",
        Keys::None => "KEY by_id (id)",
    };
    let columns =
        format!("id BIGINT NOT NULL, k BIGINT NOT NULL, c CHAR(120) NOT NULL, pad CHAR(60) NOT NULL, {key}");
    conn.query_drop(format!("CREATE TABLE {database} ({columns})")).await?;
    conn.query_drop("SET SESSION sql_log_bin=0").await?;
    let mut random = StdRng::seed_from_u64(1);
    let mut next = 1;
    while next <= rows {
        let end = (next + AT_ONCE - 1).min(rows);
        let row = |id: u64| format!("({id},0,'{}','{}')", digits(&mut random, 10), digits(&mut random, 5));
        let values: Vec<String> = (next..=end).map(row).collect();
        conn.query_drop(format!("INSERT INTO {database} VALUES {}", values.join(","))).await?;
        next = end + 1;
    }
    conn.query_drop("SET SESSION sql_log_bin=1").await?;
    Ok(())
}

/// How a table is changed.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Rows of the table at first.
    pub rows: u64,
    /// Rows that are really changed a second.
    pub per_second: u32,
    /// Seed of what is changed.
    pub seed: u64,
    /// Whether keys are changed, too.
    pub moves: bool,
}

/// Changes `table` until `stop`. Every change gives its row a larger value than any before.
pub async fn change(mut conn: Conn, table: String, load: Load, stop: Arc<AtomicBool>) -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(load.seed);
    let first: Option<i64> = conn.query_first(format!("SELECT MAX(k) FROM {table}")).await?;
    let (mut value, mut changed) = (first.unwrap_or_default(), 0);
    // Keys beyond the table's end too, so that some are made and moved while the copy runs.
    let beyond = (load.rows + load.rows / 10).cast_signed();
    let begun = Instant::now();
    while !stop.load(Ordering::Acquire) {
        let mut touched = 0;
        conn.query_drop("BEGIN").await?;
        for _ in 0..random.random_range(1..8) {
            let (id, other) = (random.random_range(1..=beyond), random.random_range(1..=beyond));
            value += 1;
            let sql = match random.random_range(0..10) {
                0 | 1 => format!("DELETE FROM {table} WHERE id={id}"),
                2 if load.moves => format!("UPDATE IGNORE {table} SET id={other}, k={value} WHERE id={id}"),
                3 => format!(
                    "INSERT INTO {table} SELECT {id},{value},'new','new' FROM (SELECT 1) one \
                     WHERE NOT EXISTS (SELECT * FROM {table} WHERE id={id})"
                ),
                _ => format!("UPDATE {table} SET k={value} WHERE id={id}"),
            };
            conn.query_drop(sql).await?;
            touched += conn.affected_rows();
        }
        if random.random_range(0..20) == 0 {
            conn.query_drop("ROLLBACK").await?;
        } else {
            conn.query_drop("COMMIT").await?;
            changed += touched;
        }
        let ahead = Duration::from_secs_f64(changed as f64 / f64::from(load.per_second.max(1)));
        tokio::time::sleep(ahead.saturating_sub(begun.elapsed())).await;
    }
    Ok(())
}

/// What is in the table: id to value.
pub async fn contents(conn: &mut Conn, database: &str) -> anyhow::Result<BTreeMap<i64, i64>> {
    let rows: Vec<(i64, i64)> = conn.query(format!("SELECT id, k FROM {database}.{database}")).await?;
    Ok(rows.into_iter().collect())
}
