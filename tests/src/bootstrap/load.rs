//! A table that is being changed while it is copied.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Rows that one statement inserts.
const AT_ONCE: u64 = 2000;

/// Makes the table `database.database` with `rows` rows: no other test's statements name it.
pub async fn fill(conn: &mut Conn, database: &str, rows: u64) -> anyhow::Result<()> {
    conn.query_drop(format!("CREATE DATABASE {database}")).await?;
    conn.query_drop(format!("USE {database}")).await?;
    let columns = "id BIGINT PRIMARY KEY, v BIGINT NOT NULL, c CHAR(120) NOT NULL, pad CHAR(60) NOT NULL";
    conn.query_drop(format!("CREATE TABLE {database} ({columns})")).await?;
    let (c, pad) = ("68487932199-96439406143-".repeat(5), "22195207048-70116052123-".repeat(2));
    let mut next = 1;
    while next <= rows {
        let end = (next + AT_ONCE - 1).min(rows);
        let values: Vec<String> = (next..=end).map(|id| format!("({id},0,'{c}','{pad}')")).collect();
        conn.query_drop(format!("INSERT INTO {database} VALUES {}", values.join(","))).await?;
        next = end + 1;
    }
    Ok(())
}

/// Writes `per_second` changes a second to `table` until `stop`. Every change gives its row a larger value.
pub async fn change(
    mut conn: Conn,
    table: String,
    (rows, per_second, seed): (u64, u32, u64),
    stop: Arc<AtomicBool>,
) -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut value = 0;
    // Keys beyond the table's end too, so that some are made and moved while the copy runs.
    let beyond = (rows + rows / 10).cast_signed();
    let begun = Instant::now();
    while !stop.load(Ordering::Acquire) {
        conn.query_drop("BEGIN").await?;
        for _ in 0..random.random_range(1..8) {
            let (id, other) = (random.random_range(1..=beyond), random.random_range(1..=beyond));
            value += 1;
            let sql = match random.random_range(0..10) {
                0 | 1 => format!("DELETE FROM {table} WHERE id={id}"),
                2 => format!("UPDATE IGNORE {table} SET id={other}, v={value} WHERE id={id}"),
                3 => format!("INSERT IGNORE INTO {table} VALUES ({id},{value},'new','new')"),
                _ => format!("UPDATE {table} SET v={value} WHERE id={id}"),
            };
            conn.query_drop(sql).await?;
        }
        let end = if random.random_range(0..20) == 0 { "ROLLBACK" } else { "COMMIT" };
        conn.query_drop(end).await?;
        let ahead = Duration::from_secs_f64(value as f64 / f64::from(per_second.max(1)));
        tokio::time::sleep(ahead.saturating_sub(begun.elapsed())).await;
    }
    Ok(())
}

/// What is in the table: id to value.
pub async fn contents(conn: &mut Conn, database: &str) -> anyhow::Result<BTreeMap<i64, i64>> {
    let rows: Vec<(i64, i64)> = conn.query(format!("SELECT id, v FROM {database}.{database}")).await?;
    Ok(rows.into_iter().collect())
}
