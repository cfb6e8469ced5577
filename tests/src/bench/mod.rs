//! Throughput: one binlog of a million rows, a worker that starts at its beginning, and MySQL's own reader beside it.
//!
//! A run is timed from the start of the process until `maxwell_rows_total`, which counts committed rows only, has
//! reached the workload's rows; the worker's connections, its take-over and its first position are in that time. Then
//! a `read_committed` consumer counts what is in Kafka, so that a fast wrong answer does not pass. `mysqlbinlog` reads
//! the same file before each run: as it does without being told anything, which is with TLS, and without TLS, as the
//! worker reads. Figures are medians of all runs but for the memory, which is the highest peak. The first runs are not
//! counted: a broker that has just been started is still being compiled, which on two cores takes a good part of both.
//!
//! `copy` measures copies of a table beside the stream.

mod arguments;
mod copy;
pub(crate) mod load;
pub(crate) mod process;
mod reference;
mod storm;
mod tables;
mod verify;

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::lab::{SERVERS, Server, unique};
use crate::topic;
use crate::worker::{Spec, Worker, free_port};
pub use arguments::Arguments;
pub use copy::Outcome as Copies;
use load::Workload;
use process::Usage;
use reference::Transport;

/// Partitions of the topic.
const PARTITIONS: i32 = 4;
/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often the worker is asked how far it is: seldom, so that this is not felt, and often towards the end, for the
/// clock's sake.
const ASK: Duration = Duration::from_millis(100);
const ASK_AT_LAST: Duration = Duration::from_millis(5);
/// Runs before the first that counts.
const WARM_UP: usize = 5;

/// What came of all runs.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Outcome {
    /// Rows a second, exactly once, from MySQL to Kafka.
    pub rows_per_second: f64,
    /// That against the rows a second of `mysqlbinlog --read-from-remote-server --raw`.
    pub ratio_to_mysqlbinlog: f64,
    /// That against the same with `--ssl-mode=DISABLED`.
    pub ratio_to_mysqlbinlog_without_tls: f64,
    /// The worker's peak resident memory.
    pub peak_mib: f64,
    /// The worker's processor time.
    pub cpu_seconds_per_million_rows: f64,
}

/// What tables and their changes cost.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Schema {
    /// From the start of the process to the first record of a row that was written after it, with 10,000 tables in the
    /// source of which the filter takes 100: the median of some restarts, on the slower of MySQL 8.0 and 9.7.
    pub restart_seconds_10000_tables: f64,
    /// What 1,000 ALTERs in a minute add to the longest lag of a row.
    pub ddl_storm_lag_seconds: f64,
}

/// One run's figures.
#[derive(Debug, Clone, Copy)]
struct Run {
    reference: Duration,
    reference_plain: Duration,
    elapsed: Duration,
    usage: Usage,
}

fn server(name: &str) -> Server {
    SERVERS.into_iter().find(|server| server.name == name).unwrap_or(SERVERS[0])
}

/// Restarts beside many tables, and rows beside many schema changes.
pub async fn schema() -> anyhow::Result<Schema> {
    let mut restart: f64 = 0.0;
    for name in ["mysql80", "mysql97"] {
        restart = restart.max(tables::restart(server(name)).await?);
    }
    let lag = storm::added_lag(server("mysql97")).await?;
    Ok(Schema {
        restart_seconds_10000_tables: round(restart, 100.0),
        ddl_storm_lag_seconds: round(lag, 1000.0),
    })
}

/// Builds the workload on MySQL 9.7, unless the server has it from before, and streams it `runs` times.
pub async fn throughput(runs: usize) -> anyhow::Result<Outcome> {
    let server = server("mysql97");
    let workload = load::prepare(server).await?;
    say(&format!(
        "{}: {} rows in {} transactions, {} MiB",
        workload.file,
        workload.rows,
        workload.transactions,
        workload.bytes >> 20
    ));
    for number in 0..WARM_UP {
        report(&format!("warm-up {}", number + 1), &workload, &run(server, &workload).await?);
    }
    let mut measured = Vec::new();
    for number in 0..runs.max(1) {
        let run = run(server, &workload).await?;
        report(&format!("run {}", number + 1), &workload, &run);
        measured.push(run);
    }
    Ok(outcome(&workload, &measured))
}

/// Copies a table beside the stream, `runs` times without and as often with kills.
pub async fn copies(runs: usize) -> anyhow::Result<Copies> {
    copy::copies(server("mysql97"), runs).await
}

async fn run(server: Server, workload: &Workload) -> anyhow::Result<Run> {
    let reference = reference::read(server, &workload.file, Transport::Default).await?;
    let reference_plain = reference::read(server, &workload.file, Transport::Plain).await?;
    let topic = unique("bench");
    topic::make(&topic, PARTITIONS, "delete").await?;
    let mut spec = Spec::kafka(server, &topic, &topic, &topic, free_port()?);
    spec.arguments.push(format!("--init_position={}:4", workload.file));
    spec.arguments.push(format!("--filter=exclude: *.*, include: {}.sbtest1", load::DATABASE));
    let begun = Instant::now();
    let mut worker = Worker::start(&spec)?;
    let elapsed = finished(&mut worker, workload.rows, begun).await?;
    let usage = process::usage(worker.id())?;
    worker.signal("TERM")?;
    worker.wait()?;
    let counted = topic.clone();
    let seen = tokio::task::spawn_blocking(move || verify::count(&counted, PARTITIONS)).await??;
    topic::delete(&[&topic, &format!("{topic}.positions")]).await?;
    anyhow::ensure!(
        (seen.rows, seen.distinct, seen.transactions)
            == (workload.rows, workload.rows, workload.transactions),
        "written were {} rows in {} transactions, but a consumer sees {seen:?}",
        workload.rows,
        workload.transactions
    );
    Ok(Run { reference, reference_plain, elapsed, usage })
}

async fn finished(worker: &mut Worker, rows: u64, begun: Instant) -> anyhow::Result<Duration> {
    loop {
        let done = worker.metric("maxwell_rows_total").await.unwrap_or(0.0);
        let elapsed = begun.elapsed();
        if done >= rows as f64 {
            return Ok(elapsed);
        }
        anyhow::ensure!(!worker.has_ended(), "the worker has ended after {done} rows, see its log");
        anyhow::ensure!(elapsed < PATIENCE, "only {done} of {rows} rows after {elapsed:?}");
        let at_last = done > 0.8 * rows as f64;
        tokio::time::sleep(if at_last { ASK_AT_LAST } else { ASK }).await;
    }
}

fn outcome(workload: &Workload, runs: &[Run]) -> Outcome {
    let rows = workload.rows as f64;
    let rate = median(runs.iter().map(|run| rows / run.elapsed.as_secs_f64()));
    let reference = median(runs.iter().map(|run| rows / run.reference.as_secs_f64()));
    let plain = median(runs.iter().map(|run| rows / run.reference_plain.as_secs_f64()));
    let cpu = median(runs.iter().map(|run| run.usage.cpu.as_secs_f64()));
    let peak = runs.iter().map(|run| run.usage.peak_bytes).max().unwrap_or(0);
    Outcome {
        rows_per_second: rate.round(),
        ratio_to_mysqlbinlog: round(rate / reference, 100.0),
        ratio_to_mysqlbinlog_without_tls: round(rate / plain, 100.0),
        peak_mib: round(peak as f64 / f64::from(1 << 20), 10.0),
        cpu_seconds_per_million_rows: round(cpu * 1e6 / rows, 100.0),
    }
}

fn round(value: f64, places: f64) -> f64 {
    (value * places).round() / places
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn report(name: &str, workload: &Workload, run: &Run) {
    let rate = |elapsed: Duration| workload.rows as f64 / elapsed.as_secs_f64();
    say(&format!(
        "{name}: {:>7.0} rows/s ({:.2} s), mysqlbinlog {:.2} s, without TLS {:.2} s, peak {:.1} MiB, {:.2} s of CPU",
        rate(run.elapsed),
        run.elapsed.as_secs_f64(),
        run.reference.as_secs_f64(),
        run.reference_plain.as_secs_f64(),
        run.usage.peak_bytes as f64 / f64::from(1 << 20),
        run.usage.cpu.as_secs_f64(),
    ));
}

#[expect(clippy::print_stdout, reason = "the report is the output")]
fn say(text: &str) {
    println!("{text}");
}
