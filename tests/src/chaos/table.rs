//! The table of faults.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::median_p95_worst;
use super::promise::promise;
use super::report::{Inflicted, Report};

const HEAD: [&str; 11] = [
    "count", "median", "95th", "worst", "recovery", "lost", "repeated", "order", "cpu %", "memory",
    "promised",
];
const FIGURES: [&str; 10] = [
    "count",
    "median",
    "p95",
    "worst",
    "recovery",
    "lost",
    "repeated",
    "out_of_order",
    "cpu_percent",
    "memory_mib",
];

/// Prints what each kind of fault did, with what is promised of its gap; the same by name. `session`: milliseconds that
/// ZooKeeper waits for a member that is silent.
#[expect(clippy::print_stdout, reason = "the report is the output")]
pub(crate) fn table(reports: &[Report], session: u64) -> BTreeMap<String, Value> {
    let mut kinds: BTreeMap<&str, Vec<&Inflicted>> = BTreeMap::new();
    for one in reports.iter().flat_map(|report| &report.inflicted) {
        kinds.entry(&one.name).or_default().push(one);
    }
    println!(
        "\nGaps in milliseconds, memory in mebibytes; promised: median/95th/worst, with ! where it is broken"
    );
    line("fault", &HEAD.map(str::to_owned));
    let mut figures = BTreeMap::new();
    for (name, all) in kinds {
        let mut of = figures_of(&all);
        let shown = |name: &&str| of[name].as_u64().map_or_else(|| "-".to_owned(), |value| value.to_string());
        let mut cells: Vec<String> = FIGURES.iter().map(shown).collect();
        let figure = |name: &str| of[name].as_u64().unwrap_or(0);
        if let Some(promise) = promise(name, session) {
            let kept = promise.is_kept(figure("median"), figure("p95"), figure("worst"));
            cells.push(format!("{promise}{}", if kept { "" } else { " !" }));
            of["promised"] = promise.to_string().into();
            of["kept"] = kept.into();
        }
        line(name, &cells);
        figures.insert(name.to_owned(), of);
    }
    figures
}

/// Of one kind.
fn figures_of(all: &[&Inflicted]) -> Value {
    let mut of = median_p95_worst(all.iter().map(|one| one.gap).collect());
    let recovery = |one: &&Inflicted| (one.span.recovered - one.span.healed).as_millis() as u64;
    of["recovery"] = all.iter().map(recovery).max().into();
    for (at, name) in ["lost", "repeated", "out_of_order"].into_iter().enumerate() {
        of[name] = json!(all.iter().map(|one| one.violations[at]).sum::<u64>());
    }
    of["problems"] = all.iter().filter(|one| one.problem.is_some()).count().into();
    of["cpu_percent"] = all.iter().filter_map(|one| one.used).map(|(cpu, _)| cpu).max().into();
    of["memory_mib"] = all.iter().filter_map(|one| one.used).map(|(_, memory)| memory).max().into();
    of
}

#[expect(clippy::print_stdout, reason = "the report is the output")]
fn line(name: &str, cells: &[String]) {
    const WIDTHS: [usize; 11] = [5, 6, 6, 6, 8, 4, 8, 5, 5, 6, 17];
    let cells = cells.iter().zip(WIDTHS).map(|(cell, width)| format!(" {cell:>width$}"));
    println!("{name:<36}{}", cells.collect::<String>());
}
