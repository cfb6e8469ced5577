//! What happens to the leader of a MaxwellCluster.

use std::any::Any;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::ValueEnum;
use serde_json::{Value, json};

use super::kubectl::{command, get, kubectl, patch, until};
use super::pod::{Hog, Silence, process};
use super::setup::OPERATOR;
use super::{NAME, PATIENCE};
use crate::lab::{ZOOKEEPER, unique};

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Fault {
    /// SIGKILL of the process.
    Kill,
    /// The same while no operator runs.
    KillWithoutOperator,
    /// The kernel ends the process because its container's memory is full.
    OutOfMemory,
    /// `kubectl delete pod`.
    DeletePod,
    /// The same without any time to end.
    DeletePodAtOnce,
    /// The eviction API, as anything that respects a PodDisruptionBudget uses it.
    Evict,
    /// The node is cordoned and drained; what the budget protects stays.
    Drain,
    /// The annotation that asks for a switchover.
    Switchover,
    /// A change of the settings: every pod is replaced, the leader's last.
    Roll,
    /// Another image: the same.
    UpdateImage,
    /// The pod reaches ZooKeeper no more, and everything else.
    CutFromZookeeper,
    /// The pod reaches nothing any more.
    Cut,
}

/// A fault that has begun.
pub(super) struct Struck {
    /// When it struck the leader.
    pub at: Instant,
    /// Takes back what there is to be taken back, when dropped.
    pub healing: Option<Box<dyn Any>>,
}

impl Fault {
    /// As the report and the command line have it.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether it leaves the leader no time to hand over.
    pub(super) fn is_failover(self) -> bool {
        matches!(
            self,
            Self::Kill | Self::KillWithoutOperator | Self::OutOfMemory | Self::Cut | Self::CutFromZookeeper
        )
    }

    /// The longest silence that passes, in milliseconds: far above what is usual, for a debug build on a busy machine.
    pub(super) fn bound(self) -> u64 {
        match self {
            Self::Kill | Self::KillWithoutOperator | Self::OutOfMemory | Self::DeletePodAtOnce => 10_000,
            Self::Cut => 25_000,
            _ => 5_000,
        }
    }

    /// Does it to the pod `leader`.
    pub(super) async fn inflict(self, namespace: &str, leader: &str) -> anyhow::Result<Struck> {
        let mut at = Instant::now();
        let mut healing: Option<Box<dyn Any>> = None;
        match self {
            Self::Kill => kill(&process(namespace, leader)?)?,
            Self::KillWithoutOperator => {
                healing = Some(Box::new(NoOperator::begin()?));
                at = Instant::now();
                kill(&process(namespace, leader)?)?;
            }
            Self::OutOfMemory => {
                healing = Some(Box::new(Hog::begin(&process(namespace, leader)?)?));
                was_out_of_memory(namespace, leader).await?;
            }
            Self::DeletePod => delete(namespace, leader, &["--wait=false"])?,
            Self::DeletePodAtOnce => delete(namespace, leader, &["--force", "--grace-period=0"])?,
            Self::Evict => evict(namespace, leader)?,
            Self::Drain => healing = Some(Box::new(drain(namespace, leader)?)),
            Self::Switchover => switchover(namespace, "any")?,
            Self::Roll => at = roll(namespace, leader).await?,
            Self::UpdateImage => at = update_image(namespace, leader).await?,
            Self::CutFromZookeeper | Self::Cut => {
                let servers = zookeeper_addresses();
                let others = (self == Self::CutFromZookeeper).then_some(servers.as_str());
                let process = process(namespace, leader)?;
                at = Instant::now();
                healing = Some(Box::new(Silence::begin(&process, others)?));
            }
        }
        Ok(Struck { at, healing })
    }
}

fn zookeeper_addresses() -> String {
    let addresses: Vec<&str> = ZOOKEEPER.split(',').filter_map(|server| server.split(':').next()).collect();
    addresses.join(",")
}

/// SIGKILL.
pub(super) fn kill(process: &str) -> anyhow::Result<()> {
    command("kill", &["-KILL", process], None).map(drop)
}

/// The annotation that asks the leader to hand over to `to`.
pub(super) fn switchover(namespace: &str, to: &str) -> anyhow::Result<()> {
    let annotation = format!("maxwell-cdc.io/switchover-to={to}");
    kubectl(&["-n", namespace, "annotate", "maxwellcluster", NAME, &annotation]).map(drop)
}

fn delete(namespace: &str, pod: &str, how: &[&str]) -> anyhow::Result<()> {
    kubectl(&[&["-n", namespace, "delete", "pod", pod], how].concat()).map(drop)
}

const DEPLOYMENT: &str = "maxwell-operator";

/// No operator runs until this is dropped.
struct NoOperator {
    /// How many there were.
    count: String,
}

impl NoOperator {
    fn begin() -> anyhow::Result<Self> {
        let count = get(OPERATOR, "deployment", DEPLOYMENT)?["spec"]["replicas"].to_string();
        let absence = Self { count };
        scale_operator("0")?;
        let pods = "app.kubernetes.io/name=maxwell-operator";
        kubectl(&["-n", OPERATOR, "wait", "--for=delete", "pod", "-l", pods, "--timeout=60s"])?;
        Ok(absence)
    }
}

impl Drop for NoOperator {
    fn drop(&mut self) {
        // Whoever waits for what an operator does finds out.
        let _scaled = scale_operator(&self.count);
    }
}

fn scale_operator(count: &str) -> anyhow::Result<()> {
    let replicas = format!("--replicas={count}");
    kubectl(&["-n", OPERATOR, "scale", "deployment", DEPLOYMENT, &replicas]).map(drop)
}

fn evict(namespace: &str, pod: &str) -> anyhow::Result<()> {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/eviction");
    let body = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace},
    });
    command("kubectl", &["create", "--raw", &path, "-f", "-"], Some(&body.to_string())).map(drop)
}

/// A node that takes no pods until this is dropped.
struct Cordoned(String);

impl Drop for Cordoned {
    fn drop(&mut self) {
        // Whoever waits for a pod finds out.
        let _uncordoned = kubectl(&["uncordon", &self.0]);
    }
}

/// Drains the leader's node of the leader, then of the others, which its budget must not let go: there is no other node
/// for the leader's successor.
fn drain(namespace: &str, leader: &str) -> anyhow::Result<Cordoned> {
    let pod = get(namespace, "pod", leader)?;
    let node = Cordoned(pod["spec"]["nodeName"].as_str().context("the leader is on no node")?.to_owned());
    let drain = |more: &str, timeout: &str| {
        let selector = format!("--pod-selector=app.kubernetes.io/instance={NAME}{more}");
        kubectl(&["drain", &node.0, &selector, "--ignore-daemonsets", "--delete-emptydir-data", timeout])
    };
    drain(",maxwell-cdc.io/role=leader", "--timeout=60s")?;
    let refused = drain("", "--timeout=6s").err().context("the budget let another member go")?.to_string();
    anyhow::ensure!(refused.contains("disruption budget"), "{refused}");
    Ok(node)
}

async fn roll(namespace: &str, leader: &str) -> anyhow::Result<Instant> {
    let shown = get(namespace, "maxwellcluster", NAME)?["spec"]["output"]["serverId"] == true;
    replaced(namespace, leader, &json!({"output": {"serverId": !shown}})).await
}

async fn update_image(namespace: &str, leader: &str) -> anyhow::Result<Instant> {
    let image = format!("localhost/maxwell:{}", unique("next"));
    command("ctr", &["-n", "k8s.io", "images", "tag", "localhost/maxwell:dev", &image], None)?;
    replaced(namespace, leader, &json!({"image": image})).await
}

/// Changes the spec so that every pod is replaced, and waits until the leader's goes; when that was. Every other one must
/// be new by then.
async fn replaced(namespace: &str, leader: &str, spec: &Value) -> anyhow::Result<Instant> {
    let old = get(namespace, "statefulset", NAME)?["status"]["updateRevision"].take();
    patch(namespace, NAME, spec)?;
    until("the leader's pod ends", PATIENCE, || {
        let pods: Value = serde_json::from_str(&kubectl(&["-n", namespace, "get", "pods", "-o", "json"])?)?;
        let pods = pods["items"].as_array().cloned().unwrap_or_default();
        let stays = |pod: &Value| {
            pod["metadata"]["name"] == leader && !pod["metadata"]["deletionTimestamp"].is_string()
        };
        if pods.iter().any(stays) {
            return Ok(None);
        }
        let at = Instant::now();
        let others: Vec<_> = pods.iter().filter(|pod| pod["metadata"]["name"] != leader).collect();
        let new = |pod: &&&Value| pod["metadata"]["labels"]["controller-revision-hash"] != old;
        anyhow::ensure!(
            others.iter().filter(new).count() == 2,
            "the leader is replaced while other pods are still old: {others:?}"
        );
        Ok(Some(at))
    })
    .await
}

/// Waits for the word that the kernel ended the process for want of memory.
async fn was_out_of_memory(namespace: &str, pod: &str) -> anyhow::Result<()> {
    until("OOMKilled", Duration::from_secs(30), || {
        let found = get(namespace, "pod", pod)?;
        let status = &found["status"]["containerStatuses"][0];
        let reasons =
            [&status["lastState"]["terminated"]["reason"], &status["state"]["terminated"]["reason"]];
        Ok(reasons.into_iter().any(|reason| reason == "OOMKilled").then_some(()))
    })
    .await
}
