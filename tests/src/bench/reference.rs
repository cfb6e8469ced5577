//! MySQL's own reader as the measure of what the source can give.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::process::Command;

use crate::lab::Server;

/// How `mysqlbinlog` connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// Without being told anything: with TLS, which this server offers.
    Default,
    /// Without TLS, as the worker does.
    Plain,
}

/// Copies a binlog file into memory with `mysqlbinlog --read-from-remote-server --raw`, and says how long that took.
pub(super) async fn read(server: Server, file: &str, transport: Transport) -> anyhow::Result<Duration> {
    let target = tempfile::Builder::new().prefix("maxwell-bench").tempdir_in("/dev/shm")?;
    let mut command = command()?;
    command
        .args(["--no-defaults", "--read-from-remote-server", "--raw", "--user=root", "--port=3306"])
        .arg(if transport == Transport::Plain { "--ssl-mode=DISABLED" } else { "--ssl-mode=PREFERRED" })
        .arg(format!("--host={}", server.address))
        .arg(format!("--result-file={}/", target.path().display()))
        .arg(file)
        .stdin(Stdio::null());
    let begun = Instant::now();
    let ended = command.status().await.context("mysqlbinlog")?;
    let elapsed = begun.elapsed();
    anyhow::ensure!(ended.success(), "mysqlbinlog failed: {ended}");
    anyhow::ensure!(target.path().join(file).exists(), "mysqlbinlog has written nothing");
    Ok(elapsed)
}

/// The lab's MySQL 9.7 lives in a folder with a system of its own: its loader finds its libraries without `chroot`.
fn command() -> anyhow::Result<Command> {
    let lab = match std::env::var_os("LAB_DIR") {
        Some(lab) => PathBuf::from(lab),
        None => Path::new(&std::env::var_os("HOME").context("HOME")?).join(".cache/maxwell-lab"),
    };
    let system = lab.join("sid");
    let binary = system.join("usr/bin/mysqlbinlog");
    anyhow::ensure!(
        binary.exists(),
        "{} is not there; mend: tests/lab/lab install mysql97",
        binary.display()
    );
    let mut command = Command::new(system.join("lib64/ld-linux-x86-64.so.2"));
    command.arg("--library-path").arg(system.join("usr/lib/x86_64-linux-gnu")).arg(binary);
    Ok(command)
}
