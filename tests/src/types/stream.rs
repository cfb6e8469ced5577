//! A worker that writes to a file, and its events.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::lab::Server;
use crate::worker::binary;

const PATIENCE: Duration = Duration::from_secs(120);

/// A row's event, its values as they are printed.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    pub(super) table: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) data: BTreeMap<String, Box<RawValue>>,
    pub(super) old: Option<BTreeMap<String, Box<RawValue>>>,
}

impl Event {
    pub(super) fn number(&self, column: &str) -> anyhow::Result<i64> {
        let json = self.data.get(column).with_context(|| format!("{} has no {column}", self.table))?;
        Ok(json.get().parse()?)
    }
}

/// The worker; killed when dropped.
pub(super) struct Stream {
    child: Child,
    directory: tempfile::TempDir,
}

impl Stream {
    /// Starts a worker for one database and waits until it streams.
    pub(super) fn start(server: Server, database: &str) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let file = |name: &str| File::create(directory.path().join(name));
        let child = Command::new(binary()?)
            .args(["--producer=stdout", "--user=maxwell", "--http_port=0", "--state_file=position"])
            .arg(format!("--host={}", server.address))
            .arg(format!("--filter=exclude: *.*, include: {database}.*"))
            .env("MAXWELL_PASSWORD", "maxwell")
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(file("out")?)
            .stderr(file("err")?)
            .spawn()?;
        let mut stream = Self { child, directory };
        stream.until("err", |said| said.contains("streaming"))?;
        Ok(stream)
    }

    /// Waits for so many events and returns them.
    pub(super) fn events(&mut self, count: usize) -> anyhow::Result<Vec<Event>> {
        let lines = |text: &str| text.bytes().filter(|&byte| byte == b'\n').count();
        let text = self.until("out", |text| lines(text) >= count)?;
        ensure!(lines(&text) == count, "{} events instead of {count}", lines(&text));
        text.lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}")))
            .collect()
    }

    fn until(&mut self, file: &str, enough: impl Fn(&str) -> bool) -> anyhow::Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = String::from_utf8(std::fs::read(self.directory.path().join(file))?)?;
            if enough(&text) {
                return Ok(text);
            }
            let said = || std::fs::read_to_string(self.directory.path().join("err")).unwrap_or_default();
            ensure!(self.child.try_wait()?.is_none(), "the worker ended: {}", said());
            ensure!(Instant::now() < deadline, "the worker does not go on: {}", said());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Already ended is fine; a worker must not outlive the test.
        if self.child.kill().is_ok() {
            let _status = self.child.wait();
        }
    }
}
