//! The workload: sysbench's table, filled by large transactions, then changed by many small ones as its
//! `oltp_write_only` does.

use std::fmt::Write as _;

use anyhow::Context;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::lab::{Server, admin};

/// Where it is.
pub(super) const DATABASE: &str = "maxwell_bench";

const LARGE_TRANSACTIONS: u32 = 60;
const LARGE_ROWS: u32 = 10_000;
const SMALL_TRANSACTIONS: u32 = 100_000;
/// Two updates, a delete and an insert.
const SMALL_ROWS: u32 = 4;
const WRITERS: u32 = 4;

const ROWS: u64 =
    LARGE_TRANSACTIONS as u64 * LARGE_ROWS as u64 + SMALL_TRANSACTIONS as u64 * SMALL_ROWS as u64;
const TRANSACTIONS: u64 = LARGE_TRANSACTIONS as u64 + SMALL_TRANSACTIONS as u64;

/// A finished binlog file and what is in it.
#[derive(Debug, Clone)]
pub(super) struct Workload {
    /// The file.
    pub(super) file: String,
    /// Its size.
    pub(super) bytes: u64,
    /// Row changes in it.
    pub(super) rows: u64,
    /// Transactions of those.
    pub(super) transactions: u64,
}

/// Gives the workload that the server has, or builds it.
pub(super) async fn prepare(server: Server) -> anyhow::Result<Workload> {
    let mut conn = admin(server).await?;
    if let Some(workload) = present(&mut conn).await? {
        return Ok(workload);
    }
    conn.query_drop(format!("DROP DATABASE IF EXISTS {DATABASE}")).await?;
    conn.query_drop(format!("CREATE DATABASE {DATABASE}")).await?;
    conn.query_drop(format!("USE {DATABASE}")).await?;
    conn.query_drop(
        "CREATE TABLE sbtest1 (id INT NOT NULL PRIMARY KEY, k INT NOT NULL DEFAULT 0, c CHAR(120) NOT NULL DEFAULT '', \
         pad CHAR(60) NOT NULL DEFAULT '')",
    )
    .await?;
    conn.query_drop("FLUSH BINARY LOGS").await?;
    let (file, _) = last_file(&mut conn).await?;
    fill(&mut conn).await?;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let mut conn = admin(server).await?;
        conn.query_drop(format!("USE {DATABASE}")).await?;
        writers.push(tokio::spawn(change(conn, writer)));
    }
    for writer in writers {
        writer.await??;
    }
    let (end, bytes) = last_file(&mut conn).await?;
    anyhow::ensure!(
        end == file,
        "the workload does not fit into one binlog file; mend: a larger max_binlog_size"
    );
    conn.query_drop("FLUSH BINARY LOGS").await?;
    // In the file behind: no part of the workload.
    conn.query_drop("CREATE TABLE built (file VARCHAR(100))").await?;
    conn.query_drop(format!("INSERT INTO built VALUES ('{file}')")).await?;
    Ok(Workload { file, bytes, rows: ROWS, transactions: TRANSACTIONS })
}

/// The workload of an earlier call, if the server still has its file.
async fn present(conn: &mut Conn) -> anyhow::Result<Option<Workload>> {
    let Ok(Some(file)) = conn.query_first::<String, _>(format!("SELECT file FROM {DATABASE}.built")).await
    else {
        return Ok(None);
    };
    let found = files(conn).await?.into_iter().find(|(name, _)| *name == file);
    Ok(found.map(|(file, bytes)| Workload { file, bytes, rows: ROWS, transactions: TRANSACTIONS }))
}

async fn files(conn: &mut Conn) -> anyhow::Result<Vec<(String, u64)>> {
    Ok(conn
        .query_map("SHOW BINARY LOGS", |(name, size, _encrypted): (String, u64, String)| (name, size))
        .await?)
}

async fn last_file(conn: &mut Conn) -> anyhow::Result<(String, u64)> {
    files(conn).await?.pop().context("the server writes no binlog")
}

/// `groups` of eleven digits, as sysbench fills its texts.
pub(crate) fn digits(random: &mut StdRng, groups: usize) -> String {
    let mut text = String::with_capacity(groups * 12);
    for group in 0..groups {
        let number = random.random_range(0..100_000_000_000u64);
        let dash = if group == 0 { "" } else { "-" };
        write!(text, "{dash}{number:011}").expect("a String takes every character");
    }
    text
}

fn values(random: &mut StdRng, id: u32) -> String {
    let k = random.random_range(1..600_000);
    format!("({id},{k},'{}','{}')", digits(random, 10), digits(random, 5))
}

/// The large transactions.
async fn fill(conn: &mut Conn) -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(1);
    for transaction in 0..LARGE_TRANSACTIONS {
        let first = transaction * LARGE_ROWS + 1;
        let rows: Vec<String> = (first..first + LARGE_ROWS).map(|id| values(&mut random, id)).collect();
        conn.query_drop(format!("INSERT INTO sbtest1 (id, k, c, pad) VALUES {}", rows.join(","))).await?;
    }
    Ok(())
}

/// One writer's share of the small transactions, on rows of its own.
async fn change(mut conn: Conn, writer: u32) -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(u64::from(writer) + 2);
    let share = LARGE_TRANSACTIONS * LARGE_ROWS / WRITERS;
    let ids = writer * share + 1..=(writer + 1) * share;
    for _ in 0..SMALL_TRANSACTIONS / WRITERS {
        let mut id = || random.random_range(ids.clone());
        let (index, other, replaced) = (id(), id(), id());
        let text = digits(&mut random, 10);
        let new = values(&mut random, replaced);
        let statements = [
            "BEGIN".to_owned(),
            format!("UPDATE sbtest1 SET k=k+1 WHERE id={index}"),
            format!("UPDATE sbtest1 SET c='{text}' WHERE id={other}"),
            format!("DELETE FROM sbtest1 WHERE id={replaced}"),
            format!("INSERT INTO sbtest1 (id, k, c, pad) VALUES {new}"),
            "COMMIT".to_owned(),
        ];
        conn.query_drop(statements.join(";")).await?;
    }
    Ok(())
}
