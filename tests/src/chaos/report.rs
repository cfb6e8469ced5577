//! What came of the rounds, and whether it is good enough.

use std::collections::BTreeMap;

use maxwell_protocol::settings::Delivery;
use serde::Serialize;

use super::fault::Fault;
use super::{Plan, median_p95_worst};
use crate::consumer::Seen;
use crate::history::Verdict;
use crate::lab::Server;

/// What came of one round.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The server and the shape of the cluster.
    pub round: String,
    /// Changes written, heartbeat rows among them.
    pub changes: u64,
    /// Changes not seen.
    pub lost: u64,
    /// Changes seen again, where the guarantee excludes it.
    pub repeated: u64,
    /// Changes in a wrong order, where the guarantee excludes it.
    pub out_of_order: u64,
    /// Transactions with a wrong structure, where the guarantee excludes it.
    pub torn: u64,
    /// Runs that went on inside a MySQL transaction.
    pub resumed_inside_transaction: u64,
    /// Kafka transactions that were aborted with rows in them.
    pub aborted_transactions: u64,
    /// Milliseconds of silence after each fault.
    pub gaps: Vec<(Fault, u64)>,
    /// The first findings in words.
    pub examples: Vec<String>,
}

impl Report {
    /// What the history check found. With at-least-once delivery only losses count.
    pub fn new(server: Server, plan: &Plan, changes: u64, verdict: Verdict, exact: bool) -> Self {
        let delivery = if plan.shape.delivery == Delivery::ExactlyOnce { "" } else { ", at least once" };
        let only = |count: u64| if exact { count } else { 0 };
        let examples = if exact || verdict.lost > 0 { verdict.examples } else { Vec::new() };
        Self {
            round: format!("{} x {}{delivery}", server.name, plan.shape.members),
            changes,
            lost: verdict.lost,
            repeated: only(verdict.repeated),
            out_of_order: only(verdict.out_of_order),
            torn: only(verdict.torn),
            examples,
            ..Self::default()
        }
    }

    /// Holds the heartbeat rows that came against those that were written, `1..=written`.
    pub fn count_beats(&mut self, written: u64, seen: &Seen, exact: bool) {
        let mut ids: Vec<i64> = seen.beats.iter().map(|(_, id)| *id).collect();
        let came = ids.len() as u64;
        ids.sort_unstable();
        ids.dedup();
        let distinct = ids.len() as u64;
        self.changes += written;
        self.lost += written.saturating_sub(distinct);
        if exact {
            self.repeated += came - distinct;
        }
        if distinct != written {
            self.examples.push(format!("{written} heartbeat rows were written, {distinct} came"));
        }
    }

    /// Whether nothing was lost, repeated, reordered or torn.
    pub fn is_clean(&self) -> bool {
        (self.lost, self.repeated, self.out_of_order, self.torn) == (0, 0, 0, 0)
    }

    /// The round in a line, with its findings below.
    #[expect(clippy::print_stdout, reason = "the report is the output")]
    pub fn print(&self) {
        println!(
            "{:<26} {:>7} changes  lost {} repeated {} out of order {} torn {}  resumed inside {} aborted {}",
            self.round,
            self.changes,
            self.lost,
            self.repeated,
            self.out_of_order,
            self.torn,
            self.resumed_inside_transaction,
            self.aborted_transactions,
        );
        for example in &self.examples {
            println!("    {example}");
        }
    }
}

/// What a run must have hit at least to count.
#[derive(Debug, Clone, Copy)]
pub struct Minimums {
    /// Row changes.
    pub changes: u64,
    /// Runs that went on inside a MySQL transaction.
    pub resumed_inside_transaction: u64,
    /// Aborted Kafka transactions.
    pub aborted_transactions: u64,
}

/// Prints the table of faults and the line of figures; an error if the history is not clean, or not enough was hit.
#[expect(clippy::print_stdout, reason = "the report is the output")]
pub fn summary(reports: &[Report], minimums: Minimums) -> anyhow::Result<()> {
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    let mut gaps: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (fault, gap) in reports.iter().flat_map(|report| &report.gaps) {
        gaps.entry(fault.name()).or_default().push(*gap);
    }
    println!("\n{:<20} {:>6} {:>10} {:>10} {:>10}", "fault", "count", "median ms", "95th ms", "worst ms");
    let mut figures = serde_json::Map::new();
    for (name, gaps) in gaps {
        let of = median_p95_worst(gaps);
        println!("{name:<20} {:>6} {:>10} {:>10} {:>10}", of["count"], of["median"], of["p95"], of["worst"]);
        figures.insert(name, of);
    }
    let (resumed, aborted) = (sum(|r| r.resumed_inside_transaction), sum(|r| r.aborted_transactions));
    let line = serde_json::json!({
        "changes": sum(|r| r.changes), "lost": sum(|r| r.lost), "repeated": sum(|r| r.repeated),
        "out_of_order": sum(|r| r.out_of_order), "torn": sum(|r| r.torn), "faults": sum(|r| r.gaps.len() as u64),
        "resumed_inside_transaction": resumed, "aborted_transactions": aborted, "gaps": figures,
    });
    println!("{line}");
    anyhow::ensure!(reports.iter().all(Report::is_clean), "the history is not clean");
    let Minimums { changes, resumed_inside_transaction, aborted_transactions } = minimums;
    anyhow::ensure!(sum(|r| r.changes) >= changes, "fewer than {changes} changes");
    anyhow::ensure!(
        resumed >= resumed_inside_transaction,
        "{resumed} runs resumed inside a transaction, {resumed_inside_transaction} at least must"
    );
    anyhow::ensure!(
        aborted >= aborted_transactions,
        "{aborted} Kafka transactions were aborted, {aborted_transactions} at least must"
    );
    Ok(())
}
