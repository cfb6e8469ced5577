//! One MySQL transaction that is larger than any buffer: every row with its `xid` and `xoffset`, exactly one `commit`,
//! bounded memory; the same rolled back shows nothing.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::bench::process::usage;
use crate::consumer::{self, Isolation};
use crate::history::{Verdict, check};
use crate::lab::{Server, named, unique};
use crate::output::line;
use crate::worker::{Spec, Worker, free_port};
use crate::writer::Writer;

const PATIENCE: Duration = Duration::from_secs(300);

/// What can be asked of it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Rows of the transaction.
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
    /// Mebibytes that the worker may take at the most.
    #[arg(long, default_value_t = 128)]
    memory: u64,
    /// The lab's names of the servers to take.
    #[arg(long, value_delimiter = ',', default_value = "mysql80")]
    servers: Vec<String>,
}

impl Arguments {
    /// Runs it.
    pub async fn run(&self) -> anyhow::Result<()> {
        for server in named(&self.servers)? {
            let outcome = large(server, self.rows).await?;
            line(&outcome)?;
            anyhow::ensure!(outcome.peak_mib < self.memory, "more than {} MiB", self.memory);
        }
        Ok(())
    }
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The server.
    pub server: String,
    /// Rows of the transaction.
    pub rows: usize,
    /// The worker's peak resident memory.
    pub peak_mib: u64,
    /// From the commit at the source to the last row at the consumer.
    pub seconds: u64,
}

/// Streams one transaction of `rows` rows of `server`, and one that is rolled back.
async fn large(server: Server, rows: usize) -> anyhow::Result<Outcome> {
    let name = unique(server.name);
    let mut writer = Writer::new(server, &name, 1).await?;
    let mut spec = Spec::kafka(server, &name, &name, &name, free_port()?);
    spec.arguments.push(format!("--filter=exclude: *.*, include: {name}.*"));
    let mut worker = Worker::start(&spec)?;
    worker.ready(PATIENCE).await?;
    writer.transaction(1).await?;
    let consumer = consumer::start(&name, Isolation::Committed)?;
    writer.transaction(rows).await?;
    let begun = Instant::now();
    writer.rolled_back(rows / 10).await?;
    // Behind both, so that its arrival says that nothing more comes.
    writer.transaction(100).await?;
    let wanted = writer.expected.rows as f64;
    while worker.metric("maxwell_rows_total").await.unwrap_or(0.0) < wanted {
        anyhow::ensure!(!worker.has_ended(), "the worker has ended, see its log");
        anyhow::ensure!(begun.elapsed() < PATIENCE, "not all rows after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let seconds = begun.elapsed().as_secs();
    let peak_mib = usage(worker.id())?.peak_bytes >> 20;
    worker.signal("TERM")?;
    worker.wait()?;
    let seen = tokio::task::spawn_blocking(move || consumer.finish()).await??;
    let Verdict { lost, repeated, out_of_order, torn, examples, .. } =
        check(&writer.expected, &seen.messages);
    anyhow::ensure!(
        (lost, repeated, out_of_order, torn) == (0, 0, 0, 0),
        "lost {lost}, repeated {repeated}, out of order {out_of_order}, torn {torn}: {examples:?}"
    );
    Ok(Outcome { server: server.name.into(), rows, peak_mib, seconds })
}
