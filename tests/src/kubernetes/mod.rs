//! End to end on a real node: the chart, the operator, a MaxwellCluster, changes to Kafka, leaders that die.

mod kubectl;
mod leader;
mod live;
mod setup;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use maxwell_protocol::reader::TreeReader;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use crate::chaos::gap::{Span, gap};
use crate::chaos::load::Beats;
use crate::chaos::median_p95_worst;
use crate::consumer::{self, Isolation};
use crate::history::{Verdict, check};
use crate::lab::{SERVERS, Server, ZOOKEEPER, unique};
use crate::writer::Writer;
use kubectl::{apply, get, kubectl, until};
use leader::{Watch, kill_process};

/// The MaxwellCluster's name.
const NAME: &str = "orders";
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two faults, so that each one's gap can be told.
const SETTLE: Duration = Duration::from_secs(4);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// SIGKILL of the leader's process.
    Kill,
    /// `kubectl delete pod` of the leader.
    Delete,
    /// A change of the spec that replaces every pod, the leader's last.
    Roll,
}

/// What one fault did.
struct Done {
    fault: Fault,
    at: Instant,
    /// Until `kubectl get` showed another leader.
    shown: Duration,
}

/// Runs everything, `times` leaders killed and as many deleted.
pub async fn kubernetes(times: usize) -> anyhow::Result<()> {
    let server = SERVERS.into_iter().find(|server| server.name == "mysql80").context("no server")?;
    let namespace = unique("e2e").replace('_', "-");
    step("helm install");
    setup::install_operator()?;
    setup::make_namespace(&namespace)?;
    step("what is wrong is refused, or named");
    refused(&namespace, server)?;
    named(&namespace, server).await?;
    step("a cluster that streams, and leaders that die");
    stream(&namespace, server, times).await?;
    step("nothing is left behind");
    kubectl(&["delete", "namespace", &namespace, "--wait", "--timeout=120s"])?;
    setup::uninstall_operator()
}

#[expect(clippy::print_stdout, reason = "the report is the output")]
fn step(what: &str) {
    println!("  {what}");
}

/// What the API server itself refuses, with words that name the field and the mend.
fn refused(namespace: &str, server: Server) -> anyhow::Result<()> {
    let cases = [
        ("  replicas: 1\n", "singleReplica"),
        ("  failover: {sessionTimeoutMilliseconds: 5000}\n", "heartbeatIntervalMilliseconds"),
        ("  mode: Sometimes\n", "mode"),
        ("  nonsense: true\n", "nonsense"),
    ];
    for (more, words) in cases {
        let tried = apply(&setup::manifest(namespace, "refused", server, "refused", "mysql", more));
        let said = tried.err().with_context(|| format!("accepted: {more}"))?.to_string();
        anyhow::ensure!(said.contains(words), "{more} was refused without naming {words}: {said}");
    }
    Ok(())
}

/// What only the operator or a worker can find becomes a condition that says what to do.
async fn named(namespace: &str, server: Server) -> anyhow::Result<()> {
    let (absent, wrong) = (unique("absent"), unique("wrong"));
    apply(&setup::manifest(namespace, "absent", server, &absent, "no-such-secret", ""))?;
    apply(&setup::manifest(namespace, "wrong", server, &wrong, "wrong", ""))?;
    let missing = ("ConfigValid", false, "kubectl");
    setup::until_condition(namespace, "absent", missing, PATIENCE).await?;
    let denied = ("SourceReachable", false, "maxwell");
    setup::until_condition(namespace, "wrong", denied, PATIENCE).await?;
    let told = kubectl(&["-n", namespace, "get", "maxwellcluster,configmap,pod", "-o", "yaml"])?;
    anyhow::ensure!(!told.contains("not-the-password"), "a password is shown");
    setup::delete(namespace, "absent")?;
    setup::delete(namespace, "wrong")
}

async fn stream(namespace: &str, server: Server, times: usize) -> anyhow::Result<()> {
    let topic = unique(server.name);
    let mut writer = Writer::new(server, &topic, 1).await?;
    apply(&setup::manifest(namespace, NAME, server, &topic, "mysql", "  replicas: 3\n"))?;
    setup::until_condition(namespace, NAME, ("Ready", true, ""), PATIENCE).await?;
    until("3 of 3 members ready", PATIENCE, || all_ready(namespace)).await?;
    shows_what_it_is(namespace)?;
    live::changes_live(namespace, &topic).await?;
    writer.transaction(1).await?;
    let consumer = consumer::start(&topic, Isolation::Committed)?;
    let stop = CancellationToken::new();
    let beats = Beats::start(Arc::new(RwLock::new(server)), topic.clone());
    let written = beats.written.clone();
    let load = tokio::spawn(load(writer, stop.clone()));
    let done = inflict_all(namespace, times).await;
    stop.cancel();
    let (beaten, writer) = (beats.finish().await?, load.await??);
    let done = done?;
    setup::until_condition(namespace, NAME, ("Ready", true, ""), PATIENCE).await?;
    consumer.until_beat(beaten).await;
    let seen = tokio::task::spawn_blocking(move || consumer.finish()).await??;
    let Verdict { lost, repeated, out_of_order, torn, examples, .. } =
        check(&writer.expected, &seen.messages);
    let lost = lost + beaten.saturating_sub(seen.beats.len() as u64);
    let changes = writer.expected.rows + beaten;
    let gaps = |wanted: Fault| {
        median_p95_worst(
            done.iter()
                .filter(|one| one.fault == wanted)
                .map(|one| Span { begun: one.at, healed: one.at, recovered: one.at + SETTLE })
                .map(|span| gap(&seen.arrivals, &written, span))
                .collect(),
        )
    };
    let shown = median_p95_worst(done.iter().map(|one| one.shown.as_millis() as u64).collect());
    report(&json!({
        "changes": changes, "lost": lost, "repeated": repeated, "out_of_order": out_of_order, "torn": torn,
        "gaps": {"kill": gaps(Fault::Kill), "delete_pod": gaps(Fault::Delete), "roll": gaps(Fault::Roll)}, "leader_shown": shown,
    }));
    anyhow::ensure!(
        (lost, repeated, out_of_order, torn) == (0, 0, 0, 0),
        "the history is not clean: {examples:?}"
    );
    ends(namespace, &topic).await
}

#[expect(clippy::print_stdout, reason = "the report is the output")]
fn report(line: &serde_json::Value) {
    println!("{line}");
}

/// The children, and what `kubectl get` prints.
fn shows_what_it_is(namespace: &str) -> anyhow::Result<()> {
    let table = kubectl(&["-n", namespace, "get", "mxc", NAME])?;
    for word in
        ["MODE", "LEADER", "SHARDS", "READY", "LAG", "PHASE", "ActiveStandby", "1/1", "3/3", "Running"]
    {
        anyhow::ensure!(table.contains(word), "no {word} in\n{table}");
    }
    let pod = get(namespace, "pod", &format!("{NAME}-0"))?;
    let spec = &pod["spec"];
    anyhow::ensure!(spec["automountServiceAccountToken"] == false, "the worker gets an API token");
    anyhow::ensure!(
        spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"] == true,
        "the root file system is writable"
    );
    for (kind, name) in [
        ("serviceaccount", NAME),
        ("statefulset", NAME),
        ("poddisruptionbudget", NAME),
        ("configmap", "orders-settings"),
        ("service", "orders-members"),
        ("service", "orders-leader"),
    ] {
        anyhow::ensure!(!get(namespace, kind, name)?.is_null(), "there is no {kind} {name}");
    }
    Ok(())
}

/// Writes small transactions until told to stop.
async fn load(mut writer: Writer, stop: CancellationToken) -> anyhow::Result<Writer> {
    let mut random = StdRng::seed_from_u64(2);
    while !stop.is_cancelled() {
        writer.transaction(random.random_range(1..15)).await?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(writer)
}

async fn inflict_all(namespace: &str, times: usize) -> anyhow::Result<Vec<Done>> {
    let watch = Watch::start(namespace, NAME)?;
    let mut done = Vec::new();
    let mut faults = [Fault::Kill, Fault::Delete].repeat(times);
    faults.push(Fault::Roll);
    for fault in faults {
        tokio::time::sleep(SETTLE).await;
        let before = until("3 of 3 members ready", PATIENCE, || all_ready(namespace)).await?;
        let mut at = Instant::now();
        match fault {
            Fault::Kill => kill_process(namespace, &before)?,
            Fault::Delete => {
                kubectl(&["-n", namespace, "delete", "pod", &before, "--wait=false"])?;
            }
            Fault::Roll => at = roll(namespace, &before).await?,
        }
        let shown = until("another leader", PATIENCE, || Ok(watch.other(&before, at))).await?;
        done.push(Done { fault, at, shown: shown - at });
    }
    tokio::time::sleep(SETTLE).await;
    Ok(done)
}

/// Changes what every pod is made from, and waits until the leader's is about to be replaced; when that was. Every
/// other pod must be new and ready by then.
async fn roll(namespace: &str, leader: &str) -> anyhow::Result<Instant> {
    let patch = r#"{"spec": {"output": {"serverId": true}}}"#;
    kubectl(&["-n", namespace, "patch", "maxwellcluster", NAME, "--type=merge", "-p", patch])?;
    let old = get(namespace, "statefulset", NAME)?["status"]["currentRevision"].take();
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

/// The leader, once every pod is ready and the shard has its owner.
fn all_ready(namespace: &str) -> anyhow::Result<Option<String>> {
    let status = get(namespace, "maxwellcluster", NAME)?["status"].take();
    let pods = get(namespace, "statefulset", NAME)?["status"]["readyReplicas"].take();
    let ready = status["ready"] == "3/3" && status["owned"] == "1/1" && pods == 3;
    Ok(status["leader"].as_str().filter(|leader| ready && !leader.is_empty()).map(ToOwned::to_owned))
}

/// The finalizer removes the tree; the owner references take the rest.
async fn ends(namespace: &str, topic: &str) -> anyhow::Result<()> {
    let cluster = get(namespace, "maxwellcluster", NAME)?;
    let failover = &cluster["status"]["lastFailover"];
    anyhow::ensure!(failover["gapMilliseconds"].is_number(), "no gap in the status: {failover}");
    setup::delete(namespace, NAME)?;
    let root = format!("/tests/{topic}");
    let reader = TreeReader::connect(ZOOKEEPER, &root, None).await?;
    anyhow::ensure!(reader.client().check_stat(&root).await?.is_none(), "{root} is still in ZooKeeper");
    until("the StatefulSet is gone", PATIENCE, || {
        Ok(get(namespace, "statefulset", NAME)?.is_null().then_some(()))
    })
    .await
}
