//! `maxwell-tests`: the long checks, with a report each.

use clap::{Parser, Subcommand};
use maxwell_tests::chaos::{Plan, Report, kill_and_restart};
use maxwell_tests::lab::SERVERS;

/// The long checks against the lab.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Kills workers under load and checks every change.
    Chaos {
        /// Row changes in all.
        #[arg(long, default_value_t = 200_000)]
        changes: u64,
        /// Kills in all.
        #[arg(long, default_value_t = 20)]
        kills: u32,
        /// Seed of the load.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let What::Chaos { changes, kills, seed } = Arguments::parse().what;
    let share = Plan { changes: changes / 4, kills: kills.div_ceil(4), seed };
    let mut reports = Vec::new();
    for server in SERVERS {
        let report = kill_and_restart(server, share).await?;
        print(&report);
        reports.push(report);
    }
    summary(&reports)
}

#[expect(clippy::print_stdout, reason = "the report is the output")]
fn print(report: &Report) {
    let mut gaps = report.gaps.clone();
    gaps.sort_unstable();
    let at = |part: usize| {
        gaps.get((gaps.len() * part / 100).min(gaps.len().saturating_sub(1))).copied().unwrap_or(0)
    };
    println!(
        "{:<8} {:>7} changes {:>3} kills  lost {} repeated {} out of order {} torn {}  resumed inside {}  gap {} / {} / {} ms",
        report.server,
        report.changes,
        report.faults,
        report.lost,
        report.repeated,
        report.out_of_order,
        report.torn,
        report.resumed_inside_transaction,
        at(50),
        at(95),
        at(100),
    );
    for example in &report.examples {
        println!("    {example}");
    }
}

#[expect(clippy::print_stdout, reason = "the report is the output")]
fn summary(reports: &[Report]) -> anyhow::Result<()> {
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    let mut gaps: Vec<u64> = reports.iter().flat_map(|report| report.gaps.iter().copied()).collect();
    gaps.sort_unstable();
    let at = |part: usize| {
        gaps.get((gaps.len() * part / 100).min(gaps.len().saturating_sub(1))).copied().unwrap_or(0)
    };
    let line = serde_json::json!({
        "changes": sum(|r| r.changes), "lost": sum(|r| r.lost), "repeated": sum(|r| r.repeated),
        "out_of_order": sum(|r| r.out_of_order), "torn": sum(|r| r.torn), "faults": sum(|r| u64::from(r.faults)),
        "resumed_inside_transaction": sum(|r| r.resumed_inside_transaction),
        "gaps": {"kill_and_restart": {"median": at(50), "p95": at(95), "worst": at(100)}},
    });
    println!("{line}");
    anyhow::ensure!(reports.iter().all(Report::is_clean), "the history is not clean");
    anyhow::ensure!(sum(|r| r.resumed_inside_transaction) > 0, "no run resumed inside a transaction");
    Ok(())
}
