//! Brokers that are killed, frozen and full.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;

use super::roles::{controller, coordinator, leader, positions, roles};
use super::{Hit, Scene};
use crate::chaos::cluster::PATIENCE;
use crate::lab::{broker_count, broker_names, brokers, lab};

const ANSWER: Duration = Duration::from_secs(10);
/// Between two looks at the brokers.
const LOOK: Duration = Duration::from_millis(100);
/// Shorter than a broker's session.
const SHORT: Duration = Duration::from_secs(2);

/// What is done to the brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KafkaFault {
    /// The broker that coordinates the shard's transactions is killed.
    CoordinatorKilled,
    /// The broker that is the active controller is killed: whoever else led its partitions is known only once another one is.
    ControllerKilled,
    /// The broker that leads the partition of the shard's position is killed.
    PositionLeaderKilled,
    /// The broker that leads the partition of the shard's position is frozen, for as long as an outage lasts: connections to
    /// it stay, and answer nothing.
    PositionLeaderFrozen,
    /// Every broker is frozen, for as long as an outage lasts.
    AllAway,
    /// The broker that coordinates the shard's transactions is frozen for a moment.
    FrozenShort,
    /// Every broker is killed and started again.
    AllKilled,
    /// A broker's disk is full.
    DiskFull,
}

use KafkaFault as Kind;

pub(super) const ALL: [Kind; 8] = [
    Kind::CoordinatorKilled,
    Kind::ControllerKilled,
    Kind::PositionLeaderKilled,
    Kind::PositionLeaderFrozen,
    Kind::AllAway,
    Kind::FrozenShort,
    Kind::AllKilled,
    Kind::DiskFull,
];

impl KafkaFault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CoordinatorKilled => "kafka_coordinator_killed",
            Self::ControllerKilled => "kafka_controller_killed",
            Self::PositionLeaderKilled => "kafka_position_leader_killed",
            Self::PositionLeaderFrozen => "kafka_position_leader_frozen",
            Self::AllAway => "kafka_away",
            Self::FrozenShort => "kafka_coordinator_frozen_short",
            Self::AllKilled => "kafka_all_killed",
            Self::DiskFull => "kafka_disk_full",
        }
    }

    pub(super) async fn inflict(self, scene: &mut Scene) -> anyhow::Result<()> {
        let name = &scene.cluster.name;
        match self {
            Self::CoordinatorKilled => {
                let broker = coordinator(name).await?;
                kill(scene, &broker).await?;
            }
            Self::ControllerKilled => {
                let broker = controller().await?;
                kill(scene, &broker).await?;
            }
            Self::PositionLeaderKilled => {
                let broker = leader(positions(name), 0).await?;
                kill(scene, &broker).await?;
            }
            Self::PositionLeaderFrozen => {
                let broker = leader(positions(name), 0).await?;
                freeze(scene, broker).await?;
            }
            Self::AllKilled => {
                for broker in broker_names() {
                    lab(&["kill", &broker]).await?;
                }
                scene.hit.push(Hit::Brokers);
                return Ok(());
            }
            Self::AllAway => {
                for broker in broker_names() {
                    freeze(scene, broker).await?;
                }
            }
            Self::FrozenShort => {
                let broker = if scene.cluster.members() > 1 {
                    coordinator(name).await?
                } else {
                    broker_names().swap_remove(0)
                };
                freeze(scene, broker).await?;
                tokio::time::sleep(SHORT).await;
                return Ok(());
            }
            Self::DiskFull => {
                let broker = leader(name.clone(), 0).await?;
                scene.hit.push(Hit::Full(broker.clone()));
                lab(&["fill", &broker]).await?;
            }
        }
        tokio::time::sleep(scene.away).await;
        Ok(())
    }
}

#[expect(clippy::print_stdout, reason = "the report is the output")]
async fn kill(scene: &mut Scene, broker: &str) -> anyhow::Result<()> {
    println!("  {broker}: {}", roles(broker, &scene.cluster.name).await?);
    scene.hit.push(Hit::Brokers);
    lab(&["kill", broker]).await
}

async fn freeze(scene: &mut Scene, broker: String) -> anyhow::Result<()> {
    lab(&["freeze", &broker]).await?;
    scene.hit.push(Hit::Still(broker));
    Ok(())
}

/// Waits until every broker is there and has caught up with all others: one that is killed before that takes partitions
/// with it that nobody else has. Every topic has to be on as many brokers that one of them may be away.
pub async fn until_in_sync() -> anyhow::Result<()> {
    tokio::task::spawn_blocking(|| {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers())
            .set("reconnect.backoff.max.ms", "500")
            .create()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lacking = lacking(&consumer);
            if matches!(lacking, Ok(0)) {
                return on_enough_brokers(&consumer);
            }
            anyhow::ensure!(Instant::now() < deadline, "after {PATIENCE:?} replicas are behind: {lacking:?}");
            std::thread::sleep(LOOK);
        }
    })
    .await?
}

/// Brokers that are away, and partitions with a replica that is behind.
fn lacking(consumer: &BaseConsumer) -> KafkaResult<usize> {
    let metadata = consumer.fetch_metadata(None, ANSWER)?;
    let away = broker_count().saturating_sub(metadata.brokers().len());
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    Ok(away + partitions.filter(|one| one.isr().len() < one.replicas().len()).count())
}

fn on_enough_brokers(consumer: &BaseConsumer) -> anyhow::Result<()> {
    let enough = broker_count().min(3);
    for topic in consumer.fetch_metadata(None, ANSWER)?.topics() {
        let fewest = topic.partitions().iter().map(|partition| partition.replicas().len()).min();
        anyhow::ensure!(fewest >= Some(enough), "{} is on {fewest:?} of {enough} brokers", topic.name());
    }
    Ok(())
}

pub(super) async fn heal() -> anyhow::Result<()> {
    lab(&["up", "kafka"]).await
}

pub(super) async fn make_room(broker: &str) -> anyhow::Result<()> {
    lab(&["empty", broker]).await?;
    // It has ended by itself, or is about to.
    lab(&["kill", broker]).await?;
    heal().await
}
