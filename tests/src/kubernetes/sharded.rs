//! A cluster of several shards under load: what its resource shows, members that die, leave and join, another division
//! by the resource, and the history check at the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use super::fault::kill;
use super::kubectl::{apply, kubectl, patch, status, until};
use super::pod::process;
use super::{PATIENCE, report, setup};
use crate::chaos::load::Load;
use crate::chaos::recovery;
use crate::consumer::{self, Isolation, Running};
use crate::history::check_divided;
use crate::lab::{Server, unique};
use crate::writer::Writer;

const NAME: &str = "shards";
const SHARDS: u32 = 4;
/// Shards at the end.
const MORE: u32 = 6;
/// After this long without a record everything has come.
const SILENCE: Duration = Duration::from_secs(5);

/// One cluster from its start to its deletion.
pub(super) async fn sharded(namespace: &str, server: Server) -> anyhow::Result<()> {
    let topic = unique(server.name);
    let mut writer = Writer::new(server, &topic, 1).await?;
    writer.redivided = true;
    let more =
        json!({"mode": "Sharded", "replicas": 3, "sharding": {"shards": SHARDS, "strategy": "PrimaryKey"}});
    apply(&setup::manifest(namespace, NAME, server, &topic, &more))?;
    all_there(namespace, (3, SHARDS)).await?;
    writer.transaction(1).await?;
    let consumer = consumer::start(&topic, Isolation::Committed)?;
    let load = Load::start(server, writer, &topic, 1);
    let ended = exercise(namespace, &load, &consumer).await;
    let (mut expected, beaten) = load.finish().await?;
    consumer.until_beat(beaten).await;
    consumer.until_quiet(SILENCE).await;
    let seen = tokio::task::spawn_blocking(move || consumer.finish()).await??;
    expected.settle(&seen.messages);
    let verdict = check_divided(&expected, &seen.messages, u64::from(MORE));
    let mut beats: Vec<i64> = seen.beats.iter().map(|(_, id)| *id).collect();
    let came = beats.len() as u64;
    beats.sort_unstable();
    beats.dedup();
    let distinct = beats.len() as u64;
    let (lost, repeated) = (verdict.lost + (beaten - distinct), verdict.repeated + (came - distinct));
    report(&json!({
        "shards": MORE, "changes": expected.rows + beaten, "lost": lost, "repeated": repeated,
        "out_of_order": verdict.out_of_order, "torn": verdict.torn,
    }));
    ended?;
    anyhow::ensure!(verdict.is_clean() && (lost, repeated) == (0, 0), "not clean: {:?}", verdict.examples);
    setup::delete(namespace, NAME)?;
    crate::topic::delete(&[&topic, &format!("{topic}.positions")]).await
}

async fn exercise(namespace: &str, load: &Load, consumer: &Running) -> anyhow::Result<()> {
    let there = async |members: u32| {
        all_there(namespace, (members, SHARDS)).await?;
        recovery(load, consumer, Instant::now()).await.context("nothing comes any more").map(drop)
    };
    let table = kubectl(&["-n", namespace, "get", "mxc", NAME])?;
    for word in ["Sharded", "4/4", "3/3", "Running"] {
        anyhow::ensure!(table.contains(word), "no {word} in\n{table}");
    }
    shown(namespace, SHARDS, false).await?;
    let refused = patch(namespace, NAME, &json!({"mode": "ActiveStandby", "sharding": null})).err();
    let refused = refused.context("one shard was accepted instead of many")?.to_string();
    anyhow::ensure!(refused.contains("immutable"), "{refused}");
    let status = status(namespace, NAME)?;
    let leader = status["leader"].as_str().context("nobody leads")?.to_owned();
    let shards = status["shards"].as_array().cloned().unwrap_or_default();
    let owners = shards.iter().filter_map(|shard| shard["owner"].as_str());
    let follower = owners.into_iter().find(|owner| *owner != leader).context("the leader owns everything")?;
    for victim in [follower, &leader] {
        kill(&process(namespace, victim)?)?;
        there(3).await.with_context(|| format!("{victim} was killed"))?;
    }
    for members in [2, 3] {
        kubectl(&["-n", namespace, "scale", "mxc", NAME, &format!("--replicas={members}")])?;
        there(members).await.with_context(|| format!("scaled to {members}"))?;
    }
    shown(namespace, SHARDS, true).await?;
    let before = pods(namespace)?;
    patch(namespace, NAME, &json!({"sharding": {"shards": MORE}}))?;
    shown(namespace, MORE, false).await.context("divided in another way")?;
    all_there(namespace, (3, MORE)).await?;
    recovery(load, consumer, Instant::now()).await.context("nothing comes behind the division")?;
    anyhow::ensure!(pods(namespace)? == before, "pods were replaced for another division");
    Ok(())
}

/// The cluster's pods, each life of them.
fn pods(namespace: &str) -> anyhow::Result<String> {
    let ids = "jsonpath={.items[*].metadata.uid}";
    kubectl(&["-n", namespace, "get", "pods", "-l", &format!("app.kubernetes.io/instance={NAME}"), "-o", ids])
}

async fn all_there(namespace: &str, (members, shards): (u32, u32)) -> anyhow::Result<String> {
    let what = format!("{members} members, {shards} shards");
    until(&what, PATIENCE, || setup::all_ready(namespace, NAME, (members, shards))).await
}

/// Waits until the status shows every shard as it must, with its place too if that is asked for: places are figures, which
/// come up to 15 seconds late.
async fn shown(namespace: &str, count: u32, places: bool) -> anyhow::Result<()> {
    let mut wrong = None;
    let found = until("every shard is shown", PATIENCE, || {
        wrong = shows_every_shard(&status(namespace, NAME)?, count, places).err();
        Ok(wrong.is_none().then_some(()))
    })
    .await;
    found.map_err(|error| wrong.unwrap_or(error))
}

/// Each shard with its owner, and nobody has more of them than are due.
fn shows_every_shard(status: &Value, count: u32, places: bool) -> anyhow::Result<()> {
    let shards = status["shards"].as_array().cloned().unwrap_or_default();
    let mut owned: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (number, shard) in shards.iter().enumerate() {
        let number = number.to_string();
        let whole = shard["name"].as_str() == Some(&number)
            && shard["state"] == "Streaming"
            && shard["epoch"].as_u64().is_some_and(|epoch| epoch > 0)
            && (!places || shard["position"]["file"].is_string());
        let owner = shard["owner"].as_str().filter(|_| whole);
        let owner = owner.with_context(|| format!("shard {number} is shown as {shard}"))?;
        owned.entry(owner.to_owned()).or_default().push(number);
    }
    anyhow::ensure!(shards.len() == count as usize, "{} shards are shown", shards.len());
    for member in status["members"].as_array().into_iter().flatten() {
        let of = owned.remove(member["name"].as_str().unwrap_or_default()).unwrap_or_default();
        let shown = if of.is_empty() { Value::Null } else { json!(of) };
        anyhow::ensure!(member["shards"] == shown, "it is the owner of {of:?}, and shown as {member}");
        anyhow::ensure!(of.len() <= 2, "{member} has more shards than are due");
    }
    anyhow::ensure!(owned.is_empty(), "owners that are no members: {owned:?}");
    Ok(())
}
