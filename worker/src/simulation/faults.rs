//! What goes wrong in a schedule: when, for how long, to whom. All of it ends with the time of faults.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::cluster::Cluster;
use super::process::{Condition, Process};
use super::world::{Peer, lock};

/// Places that a process comes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    Connect,
    Asked,
    Answered,
    Source,
    Dump,
    Dumped,
    Read,
    Init,
    Initialised,
    Ends,
    Scan,
    Scanned,
    Produce,
    Commit,
    Committed,
}

/// The longest end in good order: what is streamed on for others, a take-over that is under way, the farewell.
const ORDERLY: Duration = Duration::from_secs(35);

/// Those at which something may wait for whoever comes by next.
const POINTS: [Point; 15] = [
    Point::Connect,
    Point::Asked,
    Point::Answered,
    Point::Source,
    Point::Dump,
    Point::Dumped,
    Point::Read,
    Point::Init,
    Point::Initialised,
    Point::Ends,
    Point::Scan,
    Point::Scanned,
    Point::Produce,
    Point::Commit,
    Point::Committed,
];

/// What befalls one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blow {
    Kill,
    /// SIGTERM.
    Stop,
    Freeze,
    Cut(Peer),
    Isolate,
    Expire,
    /// Its connection to ZooKeeper ends; answers under way are lost.
    Break,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// To a process, at once.
    To(Blow),
    /// To whoever comes by next.
    At(Point, Blow),
    QuorumAway,
    KafkaAway,
    MySqlAway,
    DumpEnded,
    /// Somebody else's transaction hides the end of the log.
    Hang,
}

/// What waits at points.
#[derive(Default)]
pub(super) struct Traps {
    armed: Mutex<Vec<(Point, Blow)>>,
    sprung: OnceLock<mpsc::UnboundedSender<(Arc<Process>, Blow)>>,
}

impl Traps {
    fn arm(&self, point: Point, blow: Blow) {
        lock(&self.armed).push((point, blow));
    }

    fn disarm(&self) {
        lock(&self.armed).clear();
    }

    /// A process comes by.
    pub(super) fn spring(&self, process: &Arc<Process>, point: Point) {
        let mut armed = lock(&self.armed);
        let Some(at) = armed.iter().position(|(place, _)| *place == point) else { return };
        let (_, blow) = armed.remove(at);
        // At once: it must not get any further.
        match blow {
            Blow::Kill => process.become_(Condition::Dead),
            Blow::Freeze => process.become_(Condition::Frozen),
            Blow::Cut(peer) => process.world.cut(process.member, peer, true),
            _ => {}
        }
        if let Some(sprung) = self.sprung.get() {
            let _told = sprung.send((Arc::clone(process), blow));
        }
    }
}

/// Lets things go wrong for a time, then mends all of it but the dead.
pub(super) async fn let_fail(cluster: &Arc<Cluster>, time: Duration) {
    let world = &cluster.world;
    let (sprung, mut springing) = mpsc::unbounded_channel();
    let _first = world.traps.sprung.set(sprung);
    let mut running = JoinSet::new();
    for _ in 0..2 + world.pick(9) {
        let (begins, fault) = (Duration::from_millis(world.pick(time.as_millis() as u64)), draw(cluster));
        let cluster = Arc::clone(cluster);
        running.spawn(async move {
            sleep(begins).await;
            befall(&cluster, fault).await;
        });
    }
    let springs = async {
        while let Some((process, blow)) = springing.recv().await {
            let cluster = Arc::clone(cluster);
            running.spawn(async move { strike(&cluster, &process, blow).await });
        }
    };
    let _over = tokio::time::timeout(time, springs).await;
    world.traps.disarm();
    running.shutdown().await;
    cluster.mend();
}

fn draw(cluster: &Cluster) -> Fault {
    let world = &cluster.world;
    match world.pick(20) {
        0..8 => Fault::To(blow(cluster)),
        8..14 => Fault::At(world.one_of(&POINTS), blow(cluster)),
        14 => Fault::QuorumAway,
        15 => Fault::KafkaAway,
        16 => Fault::MySqlAway,
        17 => Fault::DumpEnded,
        _ => Fault::Hang,
    }
}

fn blow(cluster: &Cluster) -> Blow {
    let world = &cluster.world;
    match world.pick(16) {
        0..3 => Blow::Kill,
        3 => Blow::Stop,
        4..8 => Blow::Freeze,
        8..11 => Blow::Cut(Peer::ZooKeeper),
        11 => Blow::Cut(Peer::Kafka),
        12 => Blow::Cut(Peer::MySql),
        13 => Blow::Cut(Peer::Member(world.pick(cluster.members() as u64) as usize)),
        14 => world.one_of(&[Blow::Isolate, Blow::Expire]),
        _ => Blow::Break,
    }
}

async fn befall(cluster: &Arc<Cluster>, fault: Fault) {
    let world = &cluster.world;
    let all = 0..cluster.members();
    let lasts = world.time(50, 15_000);
    world.note("fault", lasts.as_millis() as u64, 0);
    world.counts().faults += 1;
    match fault {
        Fault::To(blow) => strike(cluster, &cluster.victim(), blow).await,
        Fault::At(point, blow) => world.traps.arm(point, blow),
        Fault::QuorumAway => {
            cluster.zoo.quorum(true);
            sleep(lasts).await;
            cluster.zoo.quorum(false);
        }
        Fault::KafkaAway | Fault::MySqlAway => {
            let peer = if matches!(fault, Fault::KafkaAway) { Peer::Kafka } else { Peer::MySql };
            all.clone().for_each(|member| world.cut(member, peer, true));
            sleep(lasts).await;
            all.for_each(|member| world.cut(member, peer, false));
        }
        Fault::DumpEnded => cluster.source.end_dump(),
        Fault::Hang => cluster.hang(lasts).await,
    }
}

async fn strike(cluster: &Arc<Cluster>, process: &Arc<Process>, blow: Blow) {
    let (world, member) = (&cluster.world, process.member);
    world.note("blow", process.number, u64::from(blow == Blow::Freeze));
    let lasts = world.time(20, 15_000);
    match blow {
        Blow::Kill => {
            process.become_(Condition::Dead);
            cluster.zoo.break_connections(member, Duration::ZERO);
            sleep(world.time(10, 8_000)).await;
            cluster.start_again(member);
        }
        Blow::Stop => {
            process.shutdown.cancel();
            if tokio::time::timeout(ORDERLY, process.died()).await.is_err() {
                process.become_(Condition::Dead);
            }
            sleep(world.time(10, 4_000)).await;
            cluster.start_again(member);
        }
        Blow::Freeze => {
            process.become_(Condition::Frozen);
            sleep(lasts).await;
            process.become_(Condition::Running);
        }
        Blow::Cut(peer) => {
            cluster.cut(member, peer);
            sleep(lasts).await;
            world.cut(member, peer, false);
        }
        Blow::Isolate => {
            let mut peers: Vec<Peer> = (0..cluster.members()).map(Peer::Member).collect();
            peers.extend([Peer::ZooKeeper, Peer::Kafka, Peer::MySql]);
            peers.iter().for_each(|peer| cluster.cut(member, *peer));
            sleep(lasts).await;
            peers.iter().for_each(|peer| world.cut(member, *peer, false));
        }
        Blow::Expire => cluster.zoo.expire_member(member),
        Blow::Break => cluster.zoo.break_connections(member, world.time(1, 500)),
    }
}
