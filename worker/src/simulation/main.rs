//! `maxwell-simulate`: see `make simulate`.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use maxwell_worker::mistake::Mistake;
use maxwell_worker::simulation::report::{replay, simulate};

/// The worker's coordination and take-over over random schedules, in virtual time.
#[derive(Parser)]
struct Options {
    /// How long, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seed of the first schedule; the time if none is given.
    #[arg(long)]
    seed: Option<u64>,
    /// Runs the schedule of this seed alone and tells what happens.
    #[arg(long, conflicts_with = "seed")]
    replay: Option<u64>,
    /// Plants this mistake in the worker.
    #[arg(long, value_enum)]
    mistake: Option<Mistake>,
    /// Shows that every planted mistake is found within the seconds.
    #[arg(long, conflicts_with_all = ["mistake", "replay"])]
    mistakes: bool,
}

#[expect(clippy::print_stdout, reason = "the report is for the person at the terminal")]
fn main() -> ExitCode {
    let options = Options::parse();
    let time = Duration::from_secs(options.seconds);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seed = options.seed.unwrap_or(now * 1000);
    if let Some(seed) = options.replay {
        tracing_subscriber::fmt().without_time().with_writer(std::io::stderr).init();
        let told = match replay(seed, options.mistake) {
            Ok(None) => format!("seed {seed}: no violation"),
            Ok(Some(violation)) => format!("seed {seed}: {violation}"),
            Err(error) => format!("seed {seed}: {error}"),
        };
        println!("{told}");
        return ExitCode::SUCCESS;
    }
    if options.mistakes {
        return all_found(seed, time);
    }
    let report = simulate(seed, time, options.mistake);
    println!("seed {seed}: {}", report.summary());
    for (seed, violation) in &report.violations {
        println!("seed {seed}: {violation}\n  replay: make simulate REPLAY={seed}");
    }
    println!("schedules {} violations {}", report.schedules, report.violations.len());
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stdout, reason = "the report is for the person at the terminal")]
fn all_found(seed: u64, time: Duration) -> ExitCode {
    let mut found = 0;
    for mistake in Mistake::ALL {
        let report = simulate(seed, time, Some(mistake));
        let (took, schedules) = (report.took.as_secs_f64(), report.schedules);
        match report.violations.first() {
            Some((seed, violation)) => {
                found += 1;
                println!(
                    "found   {took:5.1} s {schedules:5} schedules  {mistake:?}: seed {seed}, {violation}"
                );
            }
            None => println!("MISSED  {took:5.1} s {schedules:5} schedules  {mistake:?}"),
        }
    }
    println!("planted {} found {found}", Mistake::ALL.len());
    if found == Mistake::ALL.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
