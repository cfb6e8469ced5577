//! The corpus: SQL in, the records that must come of it, a file a case, held against every server.
//!
//! ```text
//! case (a file) ─▶ plan (cases of equal options, a worker each) ─▶ run (SQL, then a marker row) ─▶ compare
//!                       pattern, expand: what a record must look like ─────────────────────────────┘
//! ```
//!
//! The format is described in `tests/corpus/README.md`.

mod arguments;
pub mod case;
pub mod compare;
pub mod decrypt;
pub mod expand;
mod feed;
mod kafka;
pub mod pattern;
pub mod plan;
mod run;
mod session;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::{StreamExt, stream};

use crate::lab::Server;
pub use arguments::Arguments;
use case::Case;

/// What is asked of a run.
#[derive(Debug, Clone)]
struct Asked {
    /// Part of the names of the cases to run; empty for all.
    only: String,
    /// How long a case's records may take.
    patience: Duration,
}

/// Workers of one server that run at a time.
const WORKERS: usize = 3;

/// Runs the cases of `folder` on every server. An error if one fails.
async fn corpus(folder: &Path, servers: &[Server], asked: &Asked) -> anyhow::Result<()> {
    let cases = read(folder, &asked.only)?;
    let began = Instant::now();
    let runs = servers.iter().map(|server| on(*server, &cases, asked));
    let mut failed = 0;
    let mut lines = Vec::new();
    for (server, outcome) in servers.iter().zip(futures::future::join_all(runs).await) {
        let (passed, all) = outcome.with_context(|| server.name)?;
        failed += all - passed;
        lines.push(format!("corpus: {} {passed} of {all} passed", server.name));
    }
    lines.push(format!("corpus: {:.0} s", began.elapsed().as_secs_f64()));
    print(&lines.join("\n"));
    anyhow::ensure!(failed == 0, "{failed} cases of the corpus failed");
    Ok(())
}

/// How many passed, of how many that apply to the server.
async fn on(server: Server, cases: &[Case], asked: &Asked) -> anyhow::Result<(usize, usize)> {
    let names = plan::Names::new();
    let groups = plan::groups(cases, server.name, &names);
    // All before the first worker starts, which then meets no DDL but that of its cases.
    for group in &groups {
        run::prepare(server, group).await?;
    }
    let all = groups.iter().map(|group| group.cases.len()).sum();
    let done = stream::iter(groups.iter().map(|group| run::run(server, group, asked)))
        .buffer_unordered(WORKERS)
        .collect::<Vec<_>>()
        .await;
    session::drop_databases(server, &names, cases).await?;
    let mut passed = 0;
    for outcome in done {
        passed += outcome?;
    }
    Ok((passed, all))
}

fn read(folder: &Path, only: &str) -> anyhow::Result<Vec<Case>> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .with_context(|| format!("{}", folder.display()))?
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "case"))
        .collect();
    files.sort();
    let mut cases = Vec::new();
    for path in files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if name.contains(only) {
            let text = std::fs::read_to_string(&path)?;
            cases.push(Case::parse(&name, &text).with_context(|| format!("{}", path.display()))?);
        }
    }
    anyhow::ensure!(!cases.is_empty(), "no case in {} has '{only}' in its name", folder.display());
    Ok(cases)
}

#[expect(clippy::print_stdout, reason = "the report is the output")]
fn print(text: &str) {
    println!("{text}");
}
