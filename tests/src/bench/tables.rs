//! How long a restart takes when the source has ten thousand tables and the filter takes a hundred of them.

use std::time::{Duration, Instant};

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::{median, say};
use crate::consumer::{self, Isolation};
use crate::lab::{Server, admin, unique};
use crate::topic;
use crate::worker::{Spec, Worker, free_port};

const TABLES: usize = 10_000;
/// Sessions that make them, and tables that each makes in one go.
const SESSIONS: usize = 8;
const AT_ONCE: usize = 50;
const RESTARTS: u64 = 5;
const PATIENCE: Duration = Duration::from_secs(60);

/// Seconds from the start of the process to the first record of a row that was written after it: the median of some
/// restarts.
pub(super) async fn restart(server: Server) -> anyhow::Result<f64> {
    let name = unique("tables");
    let begun = Instant::now();
    make(server, &name).await?;
    say(&format!("{}: {TABLES} tables made in {:.0} s", server.name, begun.elapsed().as_secs_f64()));
    let measured = measure(server, &name).await;
    let mut conn = unlogged(server).await?;
    conn.query_drop(format!("DROP DATABASE {name}")).await?;
    let (first, restarts) = measured?;
    let restart = median(restarts.into_iter());
    say(&format!("{}: first start {first:.2} s, restart {restart:.2} s", server.name));
    Ok(restart)
}

/// A session of which the binlog knows nothing: the tables are to be there, their statements are not measured.
async fn unlogged(server: Server) -> anyhow::Result<Conn> {
    let mut conn = admin(server).await?;
    conn.query_drop("SET SESSION sql_log_bin = 0").await?;
    Ok(conn)
}

async fn make(server: Server, name: &str) -> anyhow::Result<()> {
    let mut conn = unlogged(server).await?;
    conn.query_drop(format!("CREATE DATABASE {name}")).await?;
    conn.query_drop(format!("CREATE TABLE {name}.beat (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)")).await?;
    let mut sessions = Vec::new();
    for session in 0..SESSIONS {
        let (mut conn, name) = (unlogged(server).await?, name.to_owned());
        sessions.push(tokio::spawn(async move {
            conn.query_drop(format!("USE {name}")).await?;
            let mine: Vec<usize> = (1..TABLES).filter(|number| number % SESSIONS == session).collect();
            for some in mine.chunks(AT_ONCE) {
                let statements: Vec<String> = some.iter().map(|number| statement(*number)).collect();
                conn.query_drop(statements.join(";")).await?;
            }
            anyhow::Ok(())
        }));
    }
    for session in sessions {
        session.await??;
    }
    Ok(())
}

fn statement(number: usize) -> String {
    format!(
        "CREATE TABLE t{number:05} (id BIGINT PRIMARY KEY, v BIGINT NOT NULL, name VARCHAR(80) CHARACTER SET utf8mb4, \
         state ENUM('new', 'paid', 'sent'), price DECIMAL(10, 2), at DATETIME(3))"
    )
}

/// The first start's seconds, and each restart's.
async fn measure(server: Server, name: &str) -> anyhow::Result<(f64, Vec<f64>)> {
    topic::make(name, 1, "delete").await?;
    let mut spec = Spec::kafka(server, name, name, name, free_port()?);
    spec.arguments.push(filter(name));
    // So that tables are followed on a server whose rows describe themselves, too.
    spec.arguments.push("--output_ddl".to_owned());
    let mut conn = admin(server).await?;
    let consumer = consumer::start(name, Isolation::Committed)?;
    let mut starts = Vec::new();
    for number in 0..=RESTARTS {
        let begun = Instant::now();
        let mut worker = Worker::start(&spec)?;
        if number == 0 {
            // Without a position, it streams what is written from when it is ready.
            worker.ready(PATIENCE).await?;
        }
        conn.query_drop(format!("INSERT INTO {name}.beat VALUES ({number}, {number})")).await?;
        consumer.until_beat(number).await;
        starts.push(begun);
        worker.signal("TERM")?;
        worker.wait()?;
    }
    let seen = tokio::task::spawn_blocking(move || consumer.finish()).await??;
    topic::delete(&[name, &format!("{name}.positions")]).await?;
    anyhow::ensure!(
        seen.beats.iter().map(|(_, id)| id.cast_unsigned()).eq(0..=RESTARTS),
        "the rows of {RESTARTS} restarts were written, but a consumer sees {:?}",
        seen.beats
    );
    let mut seconds = seen.beats.iter().zip(&starts).map(|((seen, _), begun)| (*seen - *begun).as_secs_f64());
    let first = seconds.next().unwrap_or_default();
    Ok((first, seconds.collect()))
}

/// Takes a hundred of them: the first 99, and the one that rows are written to.
fn filter(name: &str) -> String {
    format!("--filter=exclude: *.*, include: {name}.beat, include: {name}./^t000..$/")
}
