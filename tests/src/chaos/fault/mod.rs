//! What is done to a cluster: a file for each family of faults.

mod asked;
mod clock;
mod divided;
mod failpoint;
mod kafka;
mod mysql;
mod network;
mod process;
mod roles;
mod zookeeper;

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use tokio::sync::OwnedMutexGuard;

use super::cluster::Cluster;
use super::load::Load;
use crate::lab::{Server, broker_count};

pub use clock::ClockFault;
pub use divided::DividedFault;
pub use failpoint::{POINTS, Point, Who};
pub use kafka::{KafkaFault, until_in_sync};
pub use mysql::MySqlFault;
pub(super) use mysql::fail_back;
pub use network::NetworkFault;
pub use process::ProcessFault;
pub use zookeeper::ZooKeeperFault;

/// Something that is done and later taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// To worker processes.
    Process(ProcessFault),
    /// A worker ends at a failpoint.
    At(Point),
    /// To a worker's network.
    Network(NetworkFault),
    /// To a worker's wall clock.
    Clock(ClockFault),
    /// To the ensemble.
    ZooKeeper(ZooKeeperFault),
    /// To the brokers.
    Kafka(KafkaFault),
    /// To the source.
    MySql(MySqlFault),
    /// Another member is asked to take the owner's place.
    Switchover,
    /// To a cluster of several shards.
    Divided(DividedFault),
}

/// What faults are done to.
pub struct Scene {
    /// The workers.
    pub cluster: Cluster,
    /// The load.
    pub load: Load,
    /// How long an outage lasts.
    pub away: Duration,
    hit: Vec<Hit>,
}

/// What a fault has hit, and what has to be taken back.
enum Hit {
    /// A frozen worker.
    Frozen(usize),
    /// A test host whose network was changed.
    Network(&'static str),
    /// A worker whose wall clock was moved.
    Clock(usize),
    /// ZooKeeper servers that were killed.
    Ensemble,
    /// Brokers that were killed.
    Brokers,
    /// A test host whose processes are frozen.
    Still(String),
    /// A broker without room.
    Full(String),
    /// A database server that was ended.
    Database(Server),
    /// One that is cut off.
    CutDatabase(Server),
    /// No table's definition may be changed.
    Definitions { _kept: OwnedMutexGuard<()> },
}

impl Scene {
    /// With nothing done yet.
    pub fn new(cluster: Cluster, load: Load, away: Duration) -> Self {
        Self { cluster, load, away, hit: Vec::new() }
    }

    /// Takes back whatever was done, in reverse.
    pub async fn heal(&mut self) -> anyhow::Result<()> {
        for hit in std::mem::take(&mut self.hit).into_iter().rev() {
            match hit {
                Hit::Frozen(at) => self.cluster.signal(at, "CONT")?,
                Hit::Network(host) => network::heal(host).await?,
                Hit::Clock(at) => self.cluster.move_clock(at, 0)?,
                Hit::Ensemble => zookeeper::heal().await?,
                Hit::Brokers => kafka::heal().await?,
                Hit::Still(host) => crate::lab::lab(&["thaw", &host]).await?,
                Hit::Full(host) => kafka::make_room(&host).await?,
                Hit::Database(server) => mysql::heal(server, &self.load).await?,
                Hit::CutDatabase(server) => network::heal(server.name).await?,
                Hit::Definitions { .. } => {}
            }
        }
        self.cluster.revive()
    }
}

impl Fault {
    /// Its name in reports and on the command line.
    pub fn name(self) -> String {
        match self {
            Self::Process(fault) => fault.name().to_owned(),
            Self::At(point) => format!("at_{}", point.name.replace('-', "_")),
            Self::Network(fault) => fault.name().to_owned(),
            Self::Clock(fault) => fault.name().to_owned(),
            Self::ZooKeeper(fault) => fault.name().to_owned(),
            Self::Kafka(fault) => fault.name().to_owned(),
            Self::MySql(fault) => fault.name().to_owned(),
            Self::Switchover => "switchover".to_owned(),
            Self::Divided(fault) => fault.name().to_owned(),
        }
    }

    /// Does it, and waits as long as it shall last.
    pub async fn inflict(self, scene: &mut Scene) -> anyhow::Result<()> {
        match self {
            Self::Process(fault) => fault.inflict(scene).await,
            Self::At(point) => point.inflict(scene).await,
            Self::Network(fault) => fault.inflict(scene).await,
            Self::Clock(fault) => fault.inflict(scene).await,
            Self::ZooKeeper(fault) => fault.inflict(scene).await,
            Self::Kafka(fault) => fault.inflict(scene).await,
            Self::MySql(fault) => fault.inflict(scene).await,
            Self::Switchover => asked::switchover(scene).await,
            Self::Divided(fault) => fault.inflict(scene).await,
        }
    }

    /// Whether it can be done in this lab to such a cluster of one shard.
    fn fits(self, server: Server, members: usize) -> bool {
        match self {
            Self::Process(ProcessFault::KillAll) => true,
            Self::MySql(MySqlFault::FailedOver) => server.name == "mysql80",
            Self::Kafka(KafkaFault::AllAway | KafkaFault::FrozenShort) => true,
            Self::Kafka(_) => broker_count() > 1,
            Self::MySql(_) => true,
            Self::Divided(_) => false,
            _ => members > 1,
        }
    }

    /// Whether it waits for what only an otherwise healthy cluster does.
    fn stands_alone(self) -> bool {
        matches!(
            self,
            Self::At(_)
                | Self::Switchover
                | Self::Process(ProcessFault::FreezeLong | ProcessFault::KillTwice)
                | Self::Network(_)
                | Self::Clock(_)
                | Self::MySql(MySqlFault::FailedOver)
                | Self::ZooKeeper(ZooKeeperFault::QuorumAwayLong)
        )
    }
}

/// Every kind.
pub fn all() -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    faults.extend(process::ALL.map(Fault::Process));
    faults.extend(POINTS.map(Fault::At));
    faults.extend(network::ALL.map(Fault::Network));
    faults.extend(clock::ALL.map(Fault::Clock));
    faults.extend(zookeeper::ALL.map(Fault::ZooKeeper));
    faults.extend(kafka::ALL.map(Fault::Kafka));
    faults.extend(mysql::ALL.map(Fault::MySql));
    faults.push(Fault::Switchover);
    faults.extend(divided::ALL.map(Fault::Divided));
    faults
}

/// Those among `faults` that a cluster of so many members and one shard on `server` can have.
pub fn fitting(faults: &[Fault], server: Server, members: usize) -> Vec<Fault> {
    faults.iter().copied().filter(|fault| fault.fits(server, members)).collect()
}

/// Those among `faults` that are done to clusters of several shards, with the number of shards: one list for each number.
pub fn dividing(faults: &[Fault]) -> BTreeMap<u32, Vec<Fault>> {
    let mut found: BTreeMap<u32, Vec<Fault>> = BTreeMap::new();
    for fault in faults {
        if let Fault::Divided(divided) = fault {
            found.entry(divided.shards()).or_default().push(*fault);
        }
    }
    found
}

/// Two at once, of different families.
pub fn together(random: &mut StdRng, server: Server, members: usize) -> Vec<Fault> {
    let mut faults: Vec<Fault> =
        fitting(&all(), server, members).into_iter().filter(|fault| !fault.stands_alone()).collect();
    faults.shuffle(random);
    let Some(first) = faults.choose(random).copied() else { return faults };
    let family = std::mem::discriminant(&first);
    let second = faults.into_iter().find(|fault| std::mem::discriminant(fault) != family);
    std::iter::once(first).chain(second).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::lab::SERVERS;

    #[test]
    fn there_are_enough_kinds_and_each_has_a_name_of_its_own() {
        let mut names: Vec<String> = all().into_iter().map(Fault::name).collect();
        assert!(names.len() >= 25, "{}", names.len());
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all().len());
    }

    #[test]
    fn a_combination_takes_of_different_families() {
        let mut random = StdRng::seed_from_u64(1);
        for _ in 0..100 {
            let faults = together(&mut random, SERVERS[0], 4);
            assert_eq!(faults.len(), 2);
            assert_ne!(std::mem::discriminant(&faults[0]), std::mem::discriminant(&faults[1]));
        }
    }
}
