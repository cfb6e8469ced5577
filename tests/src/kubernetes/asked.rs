//! What is asked of a running cluster by its resource, under load.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use super::fault::switchover;
use super::kubectl::{get, kubectl, patch, status, until};
use super::stream::Scene;
use super::{NAME, PATIENCE, setup};

/// Nothing comes for this long while it is paused.
const STILL: Duration = Duration::from_secs(1);

/// Switchovers to whom there is, to whom there is not, and a pause.
pub(super) async fn asked(scene: &Scene<'_>) -> anyhow::Result<()> {
    refused(scene).await?;
    named(scene).await?;
    pause(scene).await
}

/// Nothing moves, and the status says why.
async fn refused(scene: &Scene<'_>) -> anyhow::Result<()> {
    let leader = scene.leader().await?;
    for (to, why) in [("nobody", "there is no member 'nobody'"), (leader.as_str(), "has it already")] {
        let request = asked_for(scene.namespace, to, "Refused").await?;
        let said = request["detail"].as_str().unwrap_or_default();
        anyhow::ensure!(said.contains(why), "a switchover to {to} was refused without '{why}': {request}");
    }
    let events = kubectl(&["-n", scene.namespace, "get", "events", "-o", "json"])?;
    anyhow::ensure!(events.contains("there is no member 'nobody'"), "no event tells of the refusal");
    anyhow::ensure!(scene.leader().await? == leader, "a switchover that was refused took place");
    Ok(())
}

/// The member that is named leads.
async fn named(scene: &Scene<'_>) -> anyhow::Result<()> {
    let leader = scene.leader().await?;
    let names = (0..3).map(|at| format!("{NAME}-{at}"));
    let to = names.into_iter().find(|name| *name != leader).context("nobody else is there")?;
    asked_for(scene.namespace, &to, "Done").await?;
    until("the leader that was named", PATIENCE, || {
        Ok((status(scene.namespace, NAME)?["leader"] == to.as_str()).then_some(()))
    })
    .await?;
    scene.streams(Instant::now()).await.map(drop)
}

/// Asks for a switchover, and waits until the status tells that this became of it; the request as the status has it.
async fn asked_for(namespace: &str, to: &str, state: &str) -> anyhow::Result<Value> {
    switchover(namespace, to)?;
    let mut last = Value::Null;
    let what = format!("a switchover to {to}: {state}");
    let found = until(&what, PATIENCE, || {
        last = status(namespace, NAME)?["lastRequest"].take();
        let about = last["ask"].as_str().is_some_and(|ask| ask.contains(to));
        Ok((about && last["state"] == state).then(|| last.clone()))
    })
    .await;
    let found = found.with_context(|| format!("the status has {last}"))?;
    let kept = &get(namespace, "maxwellcluster", NAME)?["metadata"]["annotations"];
    anyhow::ensure!(kept["maxwell-cdc.io/switchover-to"].is_null(), "the annotation stays: {kept}");
    Ok(found)
}

/// Nothing comes until the cluster is told to run.
async fn pause(scene: &Scene<'_>) -> anyhow::Result<()> {
    let leader = scene.leader().await?;
    let state = |state: &str| patch(scene.namespace, NAME, &json!({"state": state}));
    state("Paused")?;
    setup::until_condition(scene.namespace, NAME, ("Paused", true, ""), PATIENCE).await?;
    let shown = status(scene.namespace, NAME)?;
    anyhow::ensure!(shown["phase"] == "Paused", "the phase is {}", shown["phase"]);
    anyhow::ensure!(shown["shards"][0]["state"] == "Paused", "the shards are {}", shown["shards"]);
    let before = scene.consumer.last_beat();
    tokio::time::sleep(STILL).await;
    let after = scene.consumer.last_beat();
    anyhow::ensure!(before == after, "{} heartbeat rows came while it was paused", after - before);
    state("Running")?;
    scene.streams(Instant::now()).await?;
    setup::until_condition(scene.namespace, NAME, ("Paused", false, ""), PATIENCE).await?;
    anyhow::ensure!(scene.leader().await? == leader, "the pause moved the lead");
    Ok(())
}
