//! The leader of a MaxwellCluster: as `kubectl get --watch` shows it, and the process that it is.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context;

use super::kubectl::{command, get};

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

/// Sends SIGKILL to the process of the container of `pod`, on the node's own machine.
pub(super) fn kill_process(namespace: &str, pod: &str) -> anyhow::Result<()> {
    let found = get(namespace, "pod", pod)?;
    let id = found["status"]["containerStatuses"][0]["containerID"]
        .as_str()
        .context("the pod has no container")?;
    let id = id.strip_prefix("containerd://").context("the runtime is not containerd")?;
    let tasks = command("ctr", &["-n", "k8s.io", "tasks", "ls"], None)?;
    let pid = tasks.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(id)).then(|| words.next()).flatten()
    });
    command("kill", &["-KILL", pid.context("the container has no process")?], None).map(drop)
}
