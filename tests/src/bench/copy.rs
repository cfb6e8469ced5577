//! Copies of a sysbench table of two million rows while it is changed: undisturbed, and with the worker killed on the
//! way. Each copy is checked row by row afterwards.

use serde::Serialize;

use super::{median, round, say};
use crate::bootstrap::load::Keys;
use crate::bootstrap::{self, Plan, Table};
use crate::lab::Server;

const ROWS: u64 = 2_000_000;
/// Changes a second beside a copy: a thousand, and a little for the moments before the first and after the last.
const CHANGES: u32 = 1050;
const KILLS: u64 = 5;

/// What came of all copies.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Outcome {
    /// Rows a second, exactly once, from the request until the end of the copy is committed.
    pub bootstrap_rows_per_second: f64,
    /// The same with five kills on the way.
    pub bootstrap_rows_per_second_with_kills: f64,
    /// Changes a second that the stream carried beside the undisturbed copies.
    pub bootstrap_stream_rows_per_second: f64,
    /// The worker's processor time, the stream's share included.
    pub bootstrap_cpu_seconds_per_million_rows: f64,
    /// The worker's peak resident memory.
    pub bootstrap_peak_mib: f64,
}

/// Copies the table `runs` times each way; the first copy is not counted.
pub(super) async fn copies(server: Server, runs: usize) -> anyhow::Result<Outcome> {
    say(&format!("filling a table of {ROWS} rows"));
    let table = Table::make(server, ROWS, Keys::Primary).await?;
    let measured = measure(&table, runs).await;
    table.delete().await?;
    measured
}

async fn measure(table: &Table, runs: usize) -> anyhow::Result<Outcome> {
    copy(table, "warm-up", 0).await?;
    let (mut smooth, mut killed) = (Vec::new(), Vec::new());
    for number in 1..=runs.max(1) {
        smooth.push(copy(table, &format!("copy {number}"), 0).await?);
        killed.push(copy(table, &format!("copy {number} with kills"), KILLS).await?);
    }
    let rate = |copies: &[bootstrap::Outcome]| median(copies.iter().map(|copy| copy.rows_per_second as f64));
    let cpu = median(smooth.iter().map(|copy| copy.usage.cpu.as_secs_f64()));
    let peak = smooth.iter().chain(&killed).map(|copy| copy.usage.peak_bytes).max().unwrap_or(0);
    Ok(Outcome {
        bootstrap_rows_per_second: rate(&smooth),
        bootstrap_rows_per_second_with_kills: rate(&killed),
        bootstrap_stream_rows_per_second: median(smooth.iter().map(|copy| copy.changes_per_second as f64)),
        bootstrap_cpu_seconds_per_million_rows: round(cpu * 1e6 / ROWS as f64, 100.0),
        bootstrap_peak_mib: round(peak as f64 / f64::from(1 << 20), 10.0),
    })
}

async fn copy(table: &Table, name: &str, kills: u64) -> anyhow::Result<bootstrap::Outcome> {
    let plan = Plan {
        rows: ROWS,
        changes: CHANGES,
        kills,
        without_gtid: false,
        minimal: false,
        keys: Keys::Primary,
        moves: false,
        seed: 1,
    };
    let copied = table.copy(plan).await?;
    say(&format!(
        "{name}: {:>7} rows/s beside {} changes/s, {} copied, peak {:.1} MiB, {:.2} s of CPU",
        copied.rows_per_second,
        copied.changes_per_second,
        copied.copied,
        copied.usage.peak_bytes as f64 / f64::from(1 << 20),
        copied.usage.cpu.as_secs_f64(),
    ));
    Ok(copied)
}
