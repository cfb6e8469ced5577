//! Which broker does what.

use std::time::Duration;

use anyhow::Context;
use maxwell_protocol::id::{ClusterId, ShardId};
use maxwell_protocol::reader::TreeReader;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::chaos::cluster::root;
use crate::lab::{SCRIPT, ZOOKEEPER, brokers};

const ANSWER: Duration = Duration::from_secs(10);

/// The topic of a cluster's positions.
pub(super) fn positions(name: &str) -> String {
    format!("{name}.positions")
}

/// The broker that coordinates the transactions of a cluster's first shard.
pub(super) async fn coordinator(name: &str) -> anyhow::Result<String> {
    let tree = TreeReader::connect(ZOOKEEPER, &root(name), None).await?;
    let (bytes, _) = tree.client().get_data(&tree.tree().cluster_id()).await?;
    let cluster: ClusterId = serde_json::from_slice(&bytes)?;
    let id = cluster.transactional_id(&ShardId("0".into()));
    let hash = id.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    leader_of("__transaction_state".to_owned(), move |partitions| (hash & i32::MAX) % partitions).await
}

/// The broker that leads a partition.
pub(super) async fn leader(topic: String, partition: i32) -> anyhow::Result<String> {
    leader_of(topic, move |_| partition).await
}

/// The broker that leads the partition which `choose` names, of so many.
async fn leader_of(
    topic: String,
    choose: impl FnOnce(i32) -> i32 + Send + 'static,
) -> anyhow::Result<String> {
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", brokers()).create()?;
        let metadata = consumer.fetch_metadata(Some(&topic), ANSWER)?;
        let partitions = metadata.topics().first().map(|topic| topic.partitions()).unwrap_or_default();
        let partition = choose((partitions.len() as i32).max(1));
        let found = partitions.iter().find(|found| found.id() == partition);
        let leader = found.with_context(|| format!("{topic} has no partition {partition}"))?.leader();
        anyhow::ensure!(leader > 0, "partition {partition} of {topic} has no leader");
        Ok(format!("kafka{leader}"))
    })
    .await?
}

/// The broker that is the active controller.
pub(super) async fn controller() -> anyhow::Result<String> {
    let said = tokio::process::Command::new(SCRIPT).arg("controller").output().await?;
    anyhow::ensure!(said.status.success(), "no broker knows the active controller");
    Ok(String::from_utf8(said.stdout)?.trim().to_owned())
}

/// What a broker does for a cluster's first shard, for people: how long its end is felt depends on it.
pub(super) async fn roles(broker: &str, name: &str) -> anyhow::Result<String> {
    let leader = leader(positions(name), 0).await?;
    // A lone worker has no tree to find its transactional id in.
    let coordinator = coordinator(name).await.unwrap_or_default();
    let all =
        [(leader, "leads the positions"), (coordinator, "coordinates"), (controller().await?, "controller")];
    let its: Vec<&str> = all.iter().filter(|(of, _)| of == broker).map(|(_, role)| *role).collect();
    Ok(its.join(", "))
}
