//! A worker's wall clock that can be moved while it runs: see `tests/lab/clock/clock.c`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use anyhow::Context;
use procfs::process::{MMapPath, Process};

use crate::lab::variable;

const SECOND: i64 = 1_000_000_000;

/// How far a worker's wall clock is ahead of the system's.
#[derive(Debug, Clone)]
pub struct Clock {
    library: String,
    file: PathBuf,
}

impl Clock {
    /// One that is right, for the worker called `name`.
    pub(crate) fn of(name: &str) -> anyhow::Result<Self> {
        let file = std::env::temp_dir().join(format!("maxwell-tests-{name}.clock"));
        let clock = Self { library: variable("LAB_CLOCK")?, file };
        std::fs::write(&clock.file, 0i64.to_ne_bytes())?;
        Ok(clock)
    }

    /// What a process is started with that shall go by it.
    pub(crate) fn environment(&self) -> [String; 2] {
        [format!("LD_PRELOAD={}", self.library), format!("WALL_CLOCK={}", self.file.display())]
    }

    /// Moves it to so many seconds ahead of the system's clock. Written in place: it is mapped.
    pub(crate) fn set(&self, seconds: i64) -> anyhow::Result<()> {
        let file = File::options().write(true).open(&self.file)?;
        Ok(file.write_all_at(&(seconds * SECOND).to_ne_bytes(), 0)?)
    }

    /// Whether the process goes by it.
    pub(crate) fn is_read_by(&self, process: u32) -> anyhow::Result<bool> {
        let maps = Process::new(process.cast_signed())?.maps().context("what the process has mapped")?;
        let own = MMapPath::Path(self.file.clone());
        Ok(maps.into_iter().any(|map| map.pathname == own))
    }
}
