//! The leader of a MaxwellCluster: as `kubectl get --watch` shows it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context;

/// A running `kubectl get --watch`.
pub(super) struct Watch {
    child: Child,
    seen: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Watch {
    /// Starts to watch.
    pub(super) fn start(namespace: &str, name: &str) -> anyhow::Result<Self> {
        let template = "jsonpath={.status.leader}{\"\\n\"}";
        let mut child = Command::new("kubectl")
            .args(["-n", namespace, "get", "maxwellcluster", name, "--watch", "-o", template])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("no output of kubectl")?).lines();
        let seen: Arc<Mutex<Vec<(Instant, String)>>> = Arc::default();
        let noting = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                noting.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), line));
            }
        });
        Ok(Self { child, seen })
    }

    /// When another leader than `before` was shown for the first time after `since`.
    pub(super) fn other(&self, before: &str, since: Instant) -> Option<Instant> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter()
            .find(|(at, leader)| *at > since && !leader.is_empty() && leader != before)
            .map(|(at, _)| *at)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Already ended is fine.
        if self.child.kill().is_ok() {
            let _status = self.child.wait();
        }
    }
}
