//! What a storm of schema changes adds to the lag of the rows beside it.

use std::time::{Duration, Instant};

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio_util::sync::CancellationToken;

use super::say;
use crate::consumer::{self, Isolation, Seen};
use crate::lab::{Server, admin, unique};
use crate::topic;
use crate::worker::{Spec, Worker, free_port};

const TABLES: u64 = 10;
const STATEMENTS: u64 = 1000;
const STORM: Duration = Duration::from_secs(60);
/// What the lag without a storm is taken from.
const CALM: Duration = Duration::from_secs(10);
const BEAT: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest lag of any row during a thousand ALTERs in a minute, less the longest in the seconds before.
pub(super) async fn added_lag(server: Server) -> anyhow::Result<f64> {
    let name = unique("storm");
    let mut conn = admin(server).await?;
    conn.query_drop(format!("CREATE DATABASE {name}")).await?;
    conn.query_drop(format!("USE {name}")).await?;
    conn.query_drop("CREATE TABLE beat (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)").await?;
    for table in 0..TABLES {
        let columns = "id BIGINT PRIMARY KEY, v BIGINT NOT NULL, name VARCHAR(80) CHARACTER SET utf8mb4";
        conn.query_drop(format!("CREATE TABLE t{table} ({columns})")).await?;
    }
    topic::make(&name, 1, "delete").await?;
    let changes = format!("{name}.ddl");
    topic::make(&changes, 1, "delete").await?;
    let mut spec = Spec::kafka(server, &name, &name, &name, free_port()?);
    spec.arguments.push(format!("--filter=exclude: *.*, include: {name}.*"));
    spec.arguments.extend(["--output_ddl".to_owned(), format!("--ddl_kafka_topic={changes}")]);
    let mut worker = Worker::start(&spec)?;
    worker.ready(PATIENCE).await?;
    let consumer = consumer::start(&name, Isolation::Committed)?;
    let stop = CancellationToken::new();
    let beats = tokio::spawn(beat(admin(server).await?, name.clone(), stop.clone()));
    tokio::time::sleep(CALM).await;
    let stormed = Instant::now();
    storm(&mut conn).await?;
    let took = stormed.elapsed();
    stop.cancel();
    let written = beats.await??;
    consumer.until_beat(written.len() as u64).await;
    worker.signal("TERM")?;
    worker.wait()?;
    let seen = tokio::task::spawn_blocking(move || consumer.finish()).await??;
    conn.query_drop(format!("DROP DATABASE {name}")).await?;
    topic::delete(&[&name, &changes, &format!("{name}.positions")]).await?;
    let rows = STATEMENTS as usize;
    anyhow::ensure!(
        seen.messages.len() == rows,
        "{rows} rows were written, but a consumer sees {}",
        seen.messages.len()
    );
    let (calm, storm) = longest_lags(&written, &seen, stormed)?;
    say(&format!(
        "{}: {STATEMENTS} ALTERs in {:.0} s, longest lag {calm:.3} s before and {storm:.3} s beside them",
        server.name,
        took.as_secs_f64()
    ));
    Ok((storm - calm).max(0.0))
}

/// Writes numbered rows until told to stop; when each was committed.
async fn beat(mut conn: Conn, database: String, stop: CancellationToken) -> anyhow::Result<Vec<Instant>> {
    let mut tick = tokio::time::interval(BEAT);
    let mut written = Vec::new();
    while !stop.is_cancelled() {
        tick.tick().await;
        let id = written.len() + 1;
        conn.query_drop(format!("INSERT INTO {database}.beat VALUES ({id}, {id})")).await?;
        written.push(Instant::now());
    }
    Ok(written)
}

/// The statements, evenly over their time, with a row into the changed table behind each.
async fn storm(conn: &mut Conn) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(STORM / STATEMENTS as u32);
    for number in 0..STATEMENTS {
        tick.tick().await;
        let (table, round) = (number % TABLES, number / TABLES);
        conn.query_drop(format!("ALTER TABLE t{table} {}", change(round))).await?;
        conn.query_drop(format!("INSERT INTO t{table} (id, v) VALUES ({number}, {number})")).await?;
    }
    Ok(())
}

/// Columns that come, change and go.
fn change(round: u64) -> String {
    let column = round / 4;
    match round % 4 {
        0 => format!("ADD COLUMN c{column} INT"),
        1 => format!("MODIFY COLUMN c{column} VARCHAR(40) CHARACTER SET latin1"),
        2 => format!("CHANGE COLUMN c{column} d{column} VARCHAR(60) CHARACTER SET utf8mb4 FIRST"),
        _ => format!("DROP COLUMN d{column}"),
    }
}

/// Seconds from a row's commit to its sight, at the longest: of rows before `storm` and behind.
fn longest_lags(written: &[Instant], seen: &Seen, storm: Instant) -> anyhow::Result<(f64, f64)> {
    anyhow::ensure!(
        seen.beats.iter().map(|(_, id)| *id as usize).eq(1..=written.len()),
        "{} rows were written, but a consumer sees {}",
        written.len(),
        seen.beats.len()
    );
    let longest = |before: bool| {
        let of = written.iter().zip(&seen.beats).filter(|(at, _)| (**at < storm) == before);
        let lags = of.map(|(at, (seen, _))| seen.saturating_duration_since(*at).as_secs_f64());
        lags.fold(0.0, f64::max)
    };
    Ok((longest(true), longest(false)))
}
