//! What a process has used, from `/proc`.

use std::time::Duration;

use anyhow::Context;
use procfs::process::Process;

/// A process's use of the machine since its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Processor time, user and system.
    pub(crate) cpu: Duration,
    /// Peak resident memory.
    pub(crate) peak_bytes: u64,
}

/// Reads it.
pub(crate) fn usage(process: u32) -> anyhow::Result<Usage> {
    let process = Process::new(process.cast_signed())?;
    let stat = process.stat()?;
    let ticks = (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64;
    let peak = process.status()?.vmhwm.context("the system does not tell the peak memory")?;
    Ok(Usage { cpu: Duration::from_secs_f64(ticks), peak_bytes: peak * 1024 })
}
