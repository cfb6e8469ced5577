//! Many schedules, and what they showed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::schedule::{Outcome, run};
use super::world::{Counts, lock};
use crate::mistake::Mistake;

/// Every so manieth schedule is run twice, to see that a seed says it all.
const TWICE: u64 = 64;

/// What schedules showed.
pub struct Report {
    /// How many were run.
    pub schedules: u64,
    /// Seeds, and the invariants that did not hold.
    pub violations: Vec<(u64, String)>,
    /// How long it took.
    pub took: Duration,
    counts: Counts,
}

/// Runs the schedules of the seeds from `first` on, on every processor, until `time` has passed; with a planted mistake
/// until that is found.
pub fn simulate(first: u64, time: Duration, mistake: Option<Mistake>) -> Report {
    let begun = Instant::now();
    let (next, over) = (AtomicU64::new(first), AtomicBool::new(false));
    let report = Mutex::new(Report {
        schedules: 0,
        violations: Vec::new(),
        took: Duration::ZERO,
        counts: Counts::default(),
    });
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(|| {
                while begun.elapsed() < time && !over.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let (counts, violation) = examine(seed, mistake);
                    let mut report = lock(&report);
                    report.schedules += 1;
                    report.counts.add(&counts);
                    if let Some(violation) = violation {
                        report.violations.push((seed, violation));
                        over.store(mistake.is_some() || report.violations.len() >= 10, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut report = report.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    report.took = begun.elapsed();
    report
}

/// Runs one schedule; some of them twice.
fn examine(seed: u64, mistake: Option<Mistake>) -> (Counts, Option<String>) {
    let once = match run(seed, mistake, false) {
        Ok(outcome) => outcome,
        Err(error) => return (Counts::default(), Some(format!("no runtime: {error}"))),
    };
    let Outcome { violation, counts, digest } = once;
    if cfg!(tokio_unstable) && seed.is_multiple_of(TWICE) {
        let again = run(seed, mistake, false).map(|again| again.digest);
        if !again.is_ok_and(|again| again == digest) {
            return (counts, Some("the seed does not say it all: another run of it went otherwise".into()));
        }
    }
    (counts, violation)
}

/// Runs one schedule and tells what happens.
pub fn replay(seed: u64, mistake: Option<Mistake>) -> std::io::Result<Option<String>> {
    run(seed, mistake, true).map(|outcome| outcome.violation)
}

impl Report {
    /// What happened in them.
    pub fn summary(&self) -> String {
        let Self { schedules, counts, took, .. } = self;
        format!(
            "{schedules} schedules in {:.1} s: {} faults, {} rows, {} producers initialised, {} fenced, {} Kafka \
             transactions aborted, {} sessions expired, {} locks of the dead deleted, {} answers lost, {} layouts changed, \
             {} changes of one undone, slowest recovery {:.1} s",
            took.as_secs_f64(),
            counts.faults,
            counts.rows,
            counts.fences,
            counts.fenced,
            counts.aborted,
            counts.expired,
            counts.deposed,
            counts.unanswered,
            counts.divided,
            counts.undone,
            counts.recovery.as_secs_f64(),
        )
    }
}
