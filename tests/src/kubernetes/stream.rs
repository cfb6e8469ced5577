//! A cluster under load, what happens to its leader, what is asked of it, and the history check at the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::ValueEnum;
use maxwell_protocol::reader::TreeReader;
use serde_json::{Value, json};

use super::fault::{Fault, Struck};
use super::kubectl::{apply, command, get, kubectl, status, until};
use super::leader::Watch;
use super::{NAME, PATIENCE, asked, live, report, setup};
use crate::chaos::gap::{Span, gap};
use crate::chaos::load::Load;
use crate::chaos::report::{Inflicted, Report};
use crate::chaos::{median_p95_worst, recovery, table};
use crate::consumer::{self, Isolation, Running};
use crate::history::check;
use crate::lab::{Server, ZOOKEEPER, unique};
use crate::writer::Writer;

/// Milliseconds, as by default.
const SESSION: u64 = 15_000;
/// Members, and shards.
const SIZE: (u32, u32) = (3, 1);
/// Between a recovery and the next fault, so that each one's gap can be told.
const SETTLE: Duration = Duration::from_secs(1);

/// The cluster under load.
pub(super) struct Scene<'a> {
    pub namespace: &'a str,
    pub load: Load,
    pub consumer: Running,
    /// The leader as `kubectl get` shows it.
    pub watch: Watch,
}

/// What came of the faults.
#[derive(Default)]
struct Done {
    inflicted: Vec<Inflicted>,
    /// Milliseconds until `kubectl get` showed another leader, by fault.
    shown: BTreeMap<String, Vec<u64>>,
}

/// Each of `faults` `times` times; all if there are none.
pub(super) async fn stream(
    namespace: &str,
    server: Server,
    faults: &[Fault],
    times: usize,
) -> anyhow::Result<()> {
    let topic = unique(server.name);
    let mut writer = Writer::new(server, &topic, 1).await?;
    apply(&setup::manifest(namespace, NAME, server, &topic, &json!({"replicas": SIZE.0})))?;
    setup::until_condition(namespace, NAME, ("Ready", true, ""), PATIENCE).await?;
    until("3 of 3 members ready", PATIENCE, || setup::all_ready(namespace, NAME, SIZE)).await?;
    shows_what_it_is(namespace)?;
    live::changes_live(namespace, &topic).await?;
    writer.transaction(1).await?;
    let consumer = consumer::start(&topic, Isolation::Committed)?;
    let load = Load::start(server, writer, &topic, 1);
    let scene = Scene { namespace, load, consumer, watch: Watch::start(namespace, NAME)? };
    let faults = if faults.is_empty() { Fault::value_variants() } else { faults };
    let mut done = Done::default();
    let ended = exercise(&scene, &faults.repeat(times), &mut done).await;
    judge(scene, server, done).await?;
    ended?;
    ends(namespace, &topic, faults.iter().any(|fault| fault.is_failover())).await?;
    crate::topic::delete(&[&topic, &format!("{topic}.positions")]).await
}

async fn exercise(scene: &Scene<'_>, faults: &[Fault], done: &mut Done) -> anyhow::Result<()> {
    for fault in faults {
        inflict(scene, *fault, done).await.with_context(|| fault.name())?;
    }
    asked::asked(scene).await.context("what is asked of it")
}

impl Scene<'_> {
    /// The leader, once every member is there and the shard has its owner.
    pub(super) async fn leader(&self) -> anyhow::Result<String> {
        until("3 of 3 members ready", PATIENCE, || setup::all_ready(self.namespace, NAME, SIZE)).await
    }

    /// Waits until a heartbeat row comes that was written after `since`.
    pub(super) async fn streams(&self, since: Instant) -> anyhow::Result<Instant> {
        recovery(&self.load, &self.consumer, since).await.context("nothing comes any more")
    }
}

async fn inflict(scene: &Scene<'_>, fault: Fault, done: &mut Done) -> anyhow::Result<()> {
    let leader = scene.leader().await?;
    tokio::time::sleep(SETTLE).await;
    let (begun, above) = (Instant::now(), scene.load.value());
    let Struck { at, healing } = fault.inflict(scene.namespace, &leader).await?;
    if fault == Fault::KillWithoutOperator {
        scene.streams(Instant::now()).await?;
    } else {
        until("another leader", PATIENCE, || Ok(scene.watch.other(&leader, at))).await?;
    }
    drop(healing);
    let healed = Instant::now();
    let recovered = scene.streams(healed).await?;
    let seen = until("another leader", PATIENCE, || Ok(scene.watch.other(&leader, at))).await?;
    done.shown.entry(fault.name()).or_default().push((seen - at).as_millis() as u64);
    let inflicted = Inflicted::new(fault.name(), Span { begun, healed, recovered }, above);
    inflicted.print();
    done.inflicted.push(inflicted);
    Ok(())
}

/// Holds what was written against what was seen, and tells of each fault.
async fn judge(scene: Scene<'_>, server: Server, done: Done) -> anyhow::Result<()> {
    let Scene { load, consumer, .. } = scene;
    let written = load.written().clone();
    let (expected, beaten) = load.finish().await?;
    consumer.until_beat(beaten).await;
    let seen = tokio::task::spawn_blocking(move || consumer.finish()).await??;
    let verdict = check(&expected, &seen.messages);
    let mut reports =
        [Report::new(format!("{} x {} pods", server.name, SIZE.0), expected.rows, &verdict, true)];
    let [one] = &mut reports;
    one.count_beats(beaten, 1, &seen, true);
    let measured = done.inflicted.into_iter();
    let measured = measured.map(|one| one.measured(|span| gap(&seen.arrivals[0], &written, span)));
    one.attribute(measured.collect(), &verdict.values, true);
    let faults = one.inflicted.len();
    let gaps = table(&reports, SESSION);
    let shown: BTreeMap<String, Value> =
        done.shown.into_iter().map(|(fault, times)| (fault, median_p95_worst(times))).collect();
    let [one] = &reports;
    report(&json!({
        "changes": one.changes, "lost": one.lost, "repeated": one.repeated, "out_of_order": one.out_of_order,
        "torn": one.torn, "faults": faults, "kinds": gaps.len(), "gaps": gaps, "leader_shown": shown,
    }));
    anyhow::ensure!(one.is_clean(), "the history is not clean: {:?}", one.examples);
    for fault in Fault::value_variants() {
        let worst = gaps.get(&fault.name()).and_then(|gaps| gaps["worst"].as_u64()).unwrap_or_default();
        let (name, bound) = (fault.name(), fault.bound());
        anyhow::ensure!(worst <= bound, "{name}: silent for {worst} ms, {bound} allowed");
    }
    Ok(())
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

/// The finalizer removes the tree; the owner references take the rest.
async fn ends(namespace: &str, topic: &str, failed_over: bool) -> anyhow::Result<()> {
    let status = status(namespace, NAME)?;
    let measured = status["lastFailover"]["gapMilliseconds"].is_number();
    anyhow::ensure!(measured == failed_over, "the status has the failover {}", status["lastFailover"]);
    setup::delete(namespace, NAME)?;
    let root = setup::root(topic);
    let reader = TreeReader::connect(ZOOKEEPER, &root, None).await?;
    anyhow::ensure!(reader.client().check_stat(&root).await?.is_none(), "{root} is still in ZooKeeper");
    until("the StatefulSet is gone", PATIENCE, || {
        Ok(get(namespace, "statefulset", NAME)?.is_null().then_some(()))
    })
    .await?;
    forget_images()
}

/// Takes the names away under which the image was known to updates.
fn forget_images() -> anyhow::Result<()> {
    let known = command("ctr", &["-n", "k8s.io", "images", "ls", "-q"], None)?;
    for image in known.lines().filter(|image| image.starts_with("localhost/maxwell:next_")) {
        command("ctr", &["-n", "k8s.io", "images", "rm", image], None)?;
    }
    Ok(())
}
