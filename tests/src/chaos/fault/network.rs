//! The network of the worker that owns the shard.

use std::time::Duration;

use super::mysql::other;
use super::{Hit, Scene};
use crate::lab::{ENSEMBLE, broker_names, lab};

/// How long a bad line lasts.
const BAD: Duration = Duration::from_secs(8);
/// How long connections are refused.
const RESET: Duration = Duration::from_millis(500);
/// How long an owner that was replaced stays cut off: it must not find a way around.
const BEYOND: Duration = Duration::from_secs(1);

/// What is done to the network of the owner's host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkFault {
    /// Cut from everything, until another member streams.
    Cut,
    /// Cut from ZooKeeper, until another member streams.
    CutFromZooKeeper,
    /// Cut from the brokers, until another member streams.
    CutFromKafka,
    /// Cut from MySQL, until another member streams.
    CutFromMySql,
    /// Its connections to ZooKeeper are reset.
    ResetZooKeeper,
    /// Its connections to the brokers are reset.
    ResetKafka,
    /// Its connections to MySQL are reset.
    ResetMySql,
    /// One packet of twenty is lost.
    Loss,
    /// Packets come 50 ms late each way.
    Delay,
}

use NetworkFault as Kind;

pub(super) const ALL: [Kind; 9] = [
    Kind::Cut,
    Kind::CutFromZooKeeper,
    Kind::CutFromKafka,
    Kind::CutFromMySql,
    Kind::ResetZooKeeper,
    Kind::ResetKafka,
    Kind::ResetMySql,
    Kind::Loss,
    Kind::Delay,
];

impl NetworkFault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::CutFromZooKeeper => "cut_from_zookeeper",
            Self::CutFromKafka => "cut_from_kafka",
            Self::CutFromMySql => "cut_from_mysql",
            Self::ResetZooKeeper => "reset_zookeeper",
            Self::ResetKafka => "reset_kafka",
            Self::ResetMySql => "reset_mysql",
            Self::Loss => "packet_loss",
            Self::Delay => "packet_delay",
        }
    }

    /// The hosts that are out of reach.
    async fn others(self, scene: &Scene) -> Vec<String> {
        match self {
            Self::CutFromZooKeeper | Self::ResetZooKeeper => ENSEMBLE.map(str::to_owned).to_vec(),
            Self::CutFromKafka | Self::ResetKafka => broker_names(),
            // From its replica too, or the owner would go on there.
            Self::CutFromMySql | Self::ResetMySql => {
                let source = scene.load.server().await;
                [Some(source), other(source)].into_iter().flatten().map(|one| one.name.to_owned()).collect()
            }
            Self::Cut | Self::Loss | Self::Delay => Vec::new(),
        }
    }

    pub(super) async fn inflict(self, scene: &mut Scene) -> anyhow::Result<()> {
        let owner = scene.cluster.owner().await?;
        let host = scene.cluster.host(owner).name;
        let others = self.others(scene).await;
        let (command, last): (&str, &[&str]) = match self {
            Self::Cut => ("cut", &[]),
            Self::CutFromZooKeeper | Self::CutFromKafka | Self::CutFromMySql => ("part", &[]),
            Self::ResetZooKeeper | Self::ResetKafka | Self::ResetMySql => ("refuse", &[]),
            Self::Loss => ("lose", &["5"]),
            Self::Delay => ("slow", &["50"]),
        };
        scene.hit.push(Hit::Network(host));
        let arguments: Vec<&str> = [command, host]
            .into_iter()
            .chain(last.iter().copied())
            .chain(others.iter().map(String::as_str))
            .collect();
        lab(&arguments).await?;
        match self {
            Self::Loss | Self::Delay => tokio::time::sleep(BAD).await,
            Self::ResetZooKeeper | Self::ResetKafka | Self::ResetMySql => tokio::time::sleep(RESET).await,
            Self::Cut | Self::CutFromZooKeeper | Self::CutFromKafka | Self::CutFromMySql => {
                scene.cluster.owner_but(&[owner]).await?;
                tokio::time::sleep(BEYOND).await;
            }
        }
        Ok(())
    }
}

pub(super) async fn heal(host: &str) -> anyhow::Result<()> {
    lab(&["heal", host]).await
}
