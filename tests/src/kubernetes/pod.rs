//! A pod's process, memory and network, on the node's own machine.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};

use anyhow::Context;

use super::kubectl::{command, get};

/// The process of the container of `pod`, as the node's own machine numbers it.
pub(super) fn process(namespace: &str, pod: &str) -> anyhow::Result<String> {
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
    pid.map(ToOwned::to_owned).context("the container has no process")
}

/// A pod's network in which packets vanish, until this is dropped.
pub(super) struct Silence {
    /// Kept open: the process may have ended by then.
    network: File,
    rules: [Vec<String>; 2],
}

impl Silence {
    /// Between the pod of this process and `others`, addresses separated by commas; with none, everybody.
    pub(super) fn begin(process: &str, others: Option<&str>) -> anyhow::Result<Self> {
        let rule = |chain: &str, side: &str| {
            let mut rule = vec![chain.to_owned()];
            rule.extend(others.into_iter().flat_map(|others| [side.to_owned(), others.to_owned()]));
            rule.extend(["-j".to_owned(), "DROP".to_owned()]);
            rule
        };
        let network = File::open(format!("/proc/{process}/ns/net"))?;
        let silence = Self { network, rules: [rule("OUTPUT", "-d"), rule("INPUT", "-s")] };
        silence.change("-A")?;
        Ok(silence)
    }

    fn change(&self, action: &str) -> anyhow::Result<()> {
        let network = format!("--net=/proc/{}/fd/{}", std::process::id(), self.network.as_raw_fd());
        for rule in &self.rules {
            let mut arguments = vec![network.as_str(), "iptables", "-w", action];
            arguments.extend(rule.iter().map(String::as_str));
            command("nsenter", &arguments, None)?;
        }
        Ok(())
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // What was not begun cannot be ended.
        let _ended = self.change("-D");
    }
}

/// A process that takes all memory that it gets, until this is dropped.
pub(super) struct Hog(Child);

impl Hog {
    /// In the memory group of the container of this process. Processes of a pod are the kernel's first choice when one of
    /// the group has to end.
    pub(super) fn begin(process: &str) -> anyhow::Result<Self> {
        let group = memory_group(process)?;
        let script = format!("echo $$ >{group}/cgroup.procs && exec tail /dev/zero");
        let mut hog = Command::new("sh");
        hog.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(hog.spawn()?))
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// The folder of the group that counts a process's memory, of either version of control groups.
fn memory_group(process: &str) -> anyhow::Result<String> {
    let groups = std::fs::read_to_string(format!("/proc/{process}/cgroup"))?;
    let group = |controller: &str, mounted: &str| {
        groups.lines().find_map(|line| {
            let (of, path) = line.split_once(':')?.1.split_once(':')?;
            (of == controller).then(|| format!("{mounted}{path}"))
        })
    };
    let found = group("memory", "/sys/fs/cgroup/memory").or_else(|| group("", "/sys/fs/cgroup"));
    found.context("the container has no memory group")
}
