//! What is done to the leader's pod, on a real node.

use std::fs::read_to_string;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::kubectl::{command, get, kubectl, until};
use super::{NAME, PATIENCE};
use crate::lab::ZOOKEEPER;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// SIGKILL of the process.
    Kill,
    /// `kubectl delete pod`.
    Delete,
    /// The eviction API, as anything that respects a PodDisruptionBudget uses it.
    Evict,
    /// `kubectl drain` of the node, as far as the leader goes; it is made schedulable again at once.
    Drain,
    /// The kernel ends the process because its container's memory is full.
    OutOfMemory,
    /// The pod reaches ZooKeeper no more, and everything else.
    Partition,
    /// The annotation that asks for a switchover.
    Handover,
    /// Another image: every pod is replaced, the leader's last.
    Update,
}

impl Fault {
    /// Those that happen to one pod, and can be repeated.
    pub(super) const OF_A_POD: [Self; 7] = [
        Self::Kill,
        Self::Delete,
        Self::Evict,
        Self::Drain,
        Self::OutOfMemory,
        Self::Partition,
        Self::Handover,
    ];

    /// As the report names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Delete => "delete_pod",
            Self::Evict => "evict",
            Self::Drain => "drain",
            Self::OutOfMemory => "out_of_memory",
            Self::Partition => "partition",
            Self::Handover => "handover",
            Self::Update => "update",
        }
    }

    /// The longest silence that passes, in milliseconds: far above what is usual, for a debug build on a busy machine.
    pub(super) fn bound(self) -> u64 {
        match self {
            Self::Kill | Self::OutOfMemory => 10_000,
            Self::Delete | Self::Evict | Self::Drain | Self::Handover | Self::Update => 5_000,
            Self::Partition => 15_000,
        }
    }
}

/// Undoes a fault when dropped.
pub(super) enum Healing {
    Nothing,
    /// The network of this process is whole again.
    Network(String),
    /// This process, which takes the memory, ends.
    Memory(Child),
}

impl Drop for Healing {
    fn drop(&mut self) {
        match self {
            Self::Nothing => {}
            Self::Network(pid) => {
                // A pod that is gone needs no network.
                let _gone = routes(pid, "del");
            }
            Self::Memory(hog) => {
                let _ended = hog.kill().and_then(|()| hog.wait());
            }
        }
    }
}

/// Inflicts `fault` on the pod `leader`; when, and what undoes it.
pub(super) async fn inflict(
    fault: Fault,
    namespace: &str,
    leader: &str,
) -> anyhow::Result<(Instant, Healing)> {
    let mut at = Instant::now();
    let mut healing = Healing::Nothing;
    match fault {
        Fault::Kill => command("kill", &["-KILL", &process(namespace, leader)?], None).map(drop)?,
        Fault::Delete => {
            kubectl(&["-n", namespace, "delete", "pod", leader, "--wait=false"])?;
        }
        Fault::Evict => evict(namespace, leader)?,
        Fault::Drain => drain(namespace)?,
        Fault::OutOfMemory => healing = fill_memory(&process(namespace, leader)?)?,
        Fault::Partition => {
            let pid = process(namespace, leader)?;
            at = Instant::now();
            routes(&pid, "add")?;
            healing = Healing::Network(pid);
        }
        Fault::Handover => {
            let annotation = "maxwell-cdc.io/switchover-to=any";
            kubectl(&["-n", namespace, "annotate", "maxwellcluster", NAME, annotation])?;
        }
        Fault::Update => at = update(namespace, leader).await?,
    }
    Ok((at, healing))
}

/// The process of the container of `pod`, as the node's own machine numbers it.
fn process(namespace: &str, pod: &str) -> anyhow::Result<String> {
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

fn evict(namespace: &str, pod: &str) -> anyhow::Result<()> {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/eviction");
    let body = serde_json::json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace},
    });
    command("kubectl", &["create", "--raw", &path, "-f", "-"], Some(&body.to_string())).map(drop)
}

fn drain(namespace: &str) -> anyhow::Result<()> {
    let nodes = kubectl(&["get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"])?;
    let selector = format!("--pod-selector=app.kubernetes.io/instance={NAME},maxwell-cdc.io/role=leader");
    let drained = kubectl(&[
        "drain",
        &nodes,
        &selector,
        "--ignore-daemonsets",
        "--delete-emptydir-data",
        "--timeout=60s",
    ]);
    kubectl(&["uncordon", &nodes])?;
    drained.map(drop).with_context(|| format!("draining the leader of {namespace}"))
}

/// Adds or takes away routes that lead nowhere, in the network of a process.
fn routes(pid: &str, action: &str) -> anyhow::Result<()> {
    for server in ZOOKEEPER.split(',') {
        let address = server.split(':').next().unwrap_or_default();
        command("nsenter", &["-t", pid, "-n", "ip", "route", action, "blackhole", address], None)?;
    }
    Ok(())
}

/// Puts a process that takes all it can get into the container's memory group. The kernel then ends the other one: this
/// one is not to be ended.
fn fill_memory(pid: &str) -> anyhow::Result<Healing> {
    let groups = read_to_string(format!("/proc/{pid}/cgroup"))?;
    let place = groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (kind, path) = (parts.next()?, parts.next()?);
        match kind {
            "memory" => Some(format!("/sys/fs/cgroup/memory{path}/cgroup.procs")),
            "" if std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() => {
                Some(format!("/sys/fs/cgroup{path}/cgroup.procs"))
            }
            _ => None,
        }
    });
    let place = place.context("the container has no memory group")?;
    let script = format!("echo -1000 >/proc/self/oom_score_adj && echo $$ >{place} && exec tail /dev/zero");
    let hog = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    Ok(Healing::Memory(hog))
}

/// Names another image, and waits until the leader's pod is about to be replaced; when that was. Every other pod must be
/// new and ready by then.
async fn update(namespace: &str, leader: &str) -> anyhow::Result<Instant> {
    let image = format!("localhost/maxwell:{}", crate::lab::unique("next").replace('_', "-"));
    command("ctr", &["-n", "k8s.io", "images", "tag", "localhost/maxwell:dev", &image], None)?;
    let patch = serde_json::json!({"spec": {"image": image}}).to_string();
    let old = get(namespace, "statefulset", NAME)?["status"]["currentRevision"].take();
    kubectl(&["-n", namespace, "patch", "maxwellcluster", NAME, "--type=merge", "-p", &patch])?;
    until("the leader's pod ends", PATIENCE, || {
        let pods = kubectl(&["-n", namespace, "get", "pods", "-o", "json"])?;
        let pods: serde_json::Value = serde_json::from_str(&pods)?;
        let pods = pods["items"].as_array().cloned().unwrap_or_default();
        let stays = |pod: &serde_json::Value| {
            pod["metadata"]["name"] == leader && !pod["metadata"]["deletionTimestamp"].is_string()
        };
        if pods.iter().any(stays) {
            return Ok(None);
        }
        let at = Instant::now();
        let others: Vec<_> = pods.iter().filter(|pod| pod["metadata"]["name"] != leader).collect();
        let new = |pod: &&&serde_json::Value| pod["metadata"]["labels"]["controller-revision-hash"] != old;
        anyhow::ensure!(
            others.iter().filter(new).count() == 2,
            "the leader is replaced while other pods are still old: {others:?}"
        );
        Ok(Some(at))
    })
    .await
}

/// Waits for the kernel's word that it ended the process for want of memory.
pub(super) async fn was_out_of_memory(namespace: &str, pod: &str) -> anyhow::Result<()> {
    until("OOMKilled", Duration::from_secs(30), || {
        let found = get(namespace, "pod", pod)?;
        let status = &found["status"]["containerStatuses"][0];
        let reasons =
            [&status["lastState"]["terminated"]["reason"], &status["state"]["terminated"]["reason"]];
        Ok(reasons.into_iter().any(|reason| reason == "OOMKilled").then_some(()))
    })
    .await
}
