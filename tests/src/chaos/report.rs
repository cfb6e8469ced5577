//! What came of the rounds, and whether it is good enough.

use std::time::Instant;

use super::cluster::Counted;
use super::gap::Span;
use super::table::table;
use crate::consumer::Seen;
use crate::history::{Verdict, Violation};

/// A fault that was inflicted, and what it did.
#[derive(Debug, Clone)]
pub struct Inflicted {
    pub(super) name: String,
    pub(super) span: Span,
    /// Milliseconds.
    pub(super) gap: u64,
    /// While it lasted: percent of a core of the busiest worker, resident mebibytes of the largest.
    pub(super) used: Option<(u64, u64)>,
    /// What did not go as it must.
    pub(super) problem: Option<String>,
    /// The values of the changes from its beginning to the next one's are higher.
    above: i64,
    /// How many of those were lost, seen again, seen out of order.
    pub(super) violations: [u64; 3],
}

impl Inflicted {
    /// Before its gap and its violations are known. `above`: the highest value of a change before it.
    pub fn new(name: String, span: Span, above: i64) -> Self {
        Self { name, span, gap: 0, used: None, problem: None, above, violations: [0; 3] }
    }

    /// With what the workers used while it lasted, and what did not go as it must.
    pub fn with(self, used: Option<(u64, u64)>, problem: Option<String>) -> Self {
        Self { used, problem, ..self }
    }

    /// What happened, in a line.
    #[expect(clippy::print_stdout, reason = "the report is the output")]
    pub fn print(&self) {
        let took = |from: Instant, to: Instant| (to - from).as_secs_f64();
        println!(
            "  {:<32} lasted {:>5.1} s, recovered after {:>5.1} s{}",
            self.name,
            took(self.span.begun, self.span.healed),
            took(self.span.healed, self.span.recovered),
            self.used.map_or(String::new(), |(cpu, memory)| format!(", {cpu} % CPU, {memory} MiB")),
        );
        if let Some(problem) = &self.problem {
            println!("    {problem}");
        }
    }

    /// As a kind of its own: other things are promised where repeats are allowed.
    pub fn at_least_once(self) -> Self {
        Self { name: format!("{} (at least once)", self.name), ..self }
    }

    /// With the gap that `measure` finds.
    pub fn measured(self, measure: impl FnOnce(Span) -> u64) -> Self {
        Self { gap: measure(self.span), ..self }
    }
}

/// What came of one round.
#[derive(Debug, Clone, Default)]
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
    /// Percent of all cores' time that went into anything while faults were inflicted.
    pub machine_busy: Option<u64>,
    /// What the workers counted.
    pub counted: Counted,
    /// Kafka transactions that were aborted with rows in them.
    pub aborted_transactions: u64,
    /// Its faults.
    pub inflicted: Vec<Inflicted>,
    /// The first findings in words.
    pub examples: Vec<String>,
}

impl Report {
    /// What the history check found. With at-least-once delivery only losses count.
    pub fn new(round: String, changes: u64, verdict: &Verdict, exact: bool) -> Self {
        let only = |count: u64| if exact { count } else { 0 };
        let examples = if exact || verdict.lost > 0 { verdict.examples.clone() } else { Vec::new() };
        Self {
            round,
            changes,
            lost: verdict.lost,
            repeated: only(verdict.repeated),
            out_of_order: only(verdict.out_of_order),
            torn: only(verdict.torn),
            examples,
            ..Self::default()
        }
    }

    /// Takes in what was inflicted, with what the history check found of the changes after each.
    pub fn attribute(&mut self, inflicted: Vec<Inflicted>, values: &[(Violation, i64)], exact: bool) {
        self.inflicted = inflicted;
        for (violation, value) in
            values.iter().filter(|(violation, _)| exact || *violation == Violation::Lost)
        {
            if let Some(one) = self.inflicted.iter_mut().rev().find(|one| one.above < *value) {
                one.violations[*violation as usize] += 1;
            }
        }
    }

    /// Holds the heartbeat rows that came against those that were written: so many in each shard.
    pub fn count_beats(&mut self, written: u64, shards: u32, seen: &Seen, exact: bool) {
        let written = written * u64::from(shards);
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

    /// Whether nothing was lost, repeated, reordered or torn, and every fault went as it must.
    pub fn is_clean(&self) -> bool {
        (self.lost, self.repeated, self.out_of_order, self.torn) == (0, 0, 0, 0)
            && self.inflicted.iter().all(|one| one.problem.is_none())
    }

    /// The round in a line, with its findings below.
    #[expect(clippy::print_stdout, reason = "the report is the output")]
    pub fn print(&self) {
        println!(
            "{:<26} {:>7} changes {:>3} faults  lost {} repeated {} out of order {} torn {}  resumed inside {} aborted {} fenced {}{}",
            self.round,
            self.changes,
            self.inflicted.len(),
            self.lost,
            self.repeated,
            self.out_of_order,
            self.torn,
            self.counted.resumed,
            self.aborted_transactions,
            self.counted.fenced,
            self.machine_busy.map_or(String::new(), |percent| format!("  machine {percent} % busy")),
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
    /// Faults.
    pub faults: u64,
    /// Kinds of fault.
    pub kinds: u64,
    /// Runs that went on inside a MySQL transaction, and Kafka transactions that were aborted.
    pub inside: u64,
    /// Fenced writers.
    pub fenced: u64,
}

/// Prints the table of faults and the line of figures; an error if the history is not clean, or not enough was hit.
#[expect(clippy::print_stdout, reason = "the report is the output")]
pub fn summary(reports: &[Report], minimums: Minimums, session: u64) -> anyhow::Result<()> {
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    let kinds = table(reports, session);
    let found = Minimums {
        changes: sum(|r| r.changes),
        faults: sum(|r| r.inflicted.len() as u64),
        kinds: kinds.len() as u64,
        inside: sum(|r| r.counted.resumed),
        fenced: sum(|r| r.counted.fenced),
    };
    let broken: Vec<&String> =
        kinds.iter().filter(|(_, kind)| kind["kept"] == false).map(|(name, _)| name).collect();
    let most = |of: &str| kinds.values().filter_map(|kind| kind[of].as_u64()).max();
    let aborted = sum(|r| r.aborted_transactions);
    let busy = reports.iter().filter_map(|report| report.machine_busy).max();
    let line = serde_json::json!({
        "changes": found.changes, "lost": sum(|r| r.lost), "repeated": sum(|r| r.repeated),
        "out_of_order": sum(|r| r.out_of_order), "torn": sum(|r| r.torn), "faults": found.faults,
        "kinds": found.kinds, "resumed_inside_transaction": found.inside, "aborted_transactions": aborted,
        "fenced": found.fenced, "machine_busy_percent": busy, "peak_memory_mib": most("memory_mib"), "peak_cpu_percent": most("cpu_percent"),
        "gaps": kinds, "broken_promises": broken,
    });
    println!("{line}");
    anyhow::ensure!(reports.iter().all(Report::is_clean), "the history is not clean");
    for (what, found, least) in [
        ("changes", found.changes, minimums.changes),
        ("faults", found.faults, minimums.faults),
        ("kinds of fault", found.kinds, minimums.kinds),
        ("runs resumed inside a transaction", found.inside, minimums.inside),
        ("aborted Kafka transactions", aborted, minimums.inside),
        ("fenced writers", found.fenced, minimums.fenced),
    ] {
        anyhow::ensure!(found >= least, "{found} {what}, {least} at least must be");
    }
    Ok(())
}
