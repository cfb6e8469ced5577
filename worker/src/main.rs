//! The `maxwell` binary.

use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use maxwell_worker::coordination::Ended;
use maxwell_worker::options::{self, Asked, Place};
use maxwell_worker::{app, telemetry};

/// Half of the processor time goes into the C library's own allocator otherwise: what one thread allocates for a row,
/// another one frees. `.cargo/config.toml` holds its settings.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "help and errors are for the person at the terminal"
)]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let environment = std::env::vars().collect();
    let hostname = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let hostname = if hostname.trim().is_empty() { "maxwell" } else { hostname.trim() };
    let place = Place { hostname, terminal: std::io::stderr().is_terminal() };
    let asked = options::read(&arguments, &environment, &place);
    let options = match asked {
        Ok(Asked::Run(options)) => options,
        Ok(Asked::Help) => {
            print!("{}", options::help());
            return ExitCode::SUCCESS;
        }
        Ok(Asked::Version) => {
            println!("maxwell {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("maxwell: {error}");
            return ExitCode::FAILURE;
        }
    };
    let set_level = telemetry::init(&options.settings.logging);
    let process = tracing::error_span!(
        "process",
        cluster = options.settings.cluster,
        member = options.process.member_id
    );
    let of_thread = process.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Whatever runs on one of its threads is this process's: entered for good.
        .on_thread_start(move || std::mem::forget(of_thread.clone().entered()))
        .build();
    let _entered = process.entered();
    for notice in &options.notices {
        tracing::warn!("option without effect: {notice}");
    }
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("maxwell: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(app::run(*options, set_level)) {
        Ok(Ended::Stopped) => ExitCode::SUCCESS,
        Ok(Ended::Restart) => {
            drop(runtime);
            restart(&arguments)
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "ended");
            eprintln!("maxwell: {error:#}");
            // As the original's: 2 says that the source refused the position.
            if error.is::<app::PositionLost>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// Begins anew in this process, with what it was started with: there may be nobody to start it again.
#[expect(clippy::print_stderr, reason = "the error is for the person at the terminal")]
fn restart(arguments: &[String]) -> ExitCode {
    let failed = match std::env::current_exe() {
        Ok(program) => std::process::Command::new(program).args(arguments).exec(),
        Err(error) => error,
    };
    eprintln!("maxwell: cannot restart: {failed}");
    ExitCode::FAILURE
}
