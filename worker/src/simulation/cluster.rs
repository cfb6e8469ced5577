//! The cluster of a schedule: members whose processes come and go around one ZooKeeper, one Kafka and one source.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maxwell_protocol::id::{MemberId, SINGLE_SHARD};
use maxwell_protocol::layout::Layout;
use maxwell_protocol::request::{Ask, Request};
use maxwell_protocol::settings::{Delivery, Failover, Mode, Sharding, Strategy, ZooKeeper};
use tokio::sync::watch;
use tokio::time::sleep;

use super::client::Servers;
use super::ensemble::Zoo;
use super::host::{Host, Runs, Signs};
use super::log::Kafka;
use super::process::{Condition, Process};
use super::sink::SimulatedSink;
use super::source::Source;
use super::wire::{Cable, PORT, Switchboard, name};
use super::world::{Peer, World, lock};
use crate::clock::milliseconds;
use crate::coordination::client::Ensemble;
use crate::coordination::network::Network;
use crate::coordination::{
    CoordinationError, CoordinatorConfig, Policy, ProbeConfig, Surroundings, View, take_part,
};

const MEMBERS: usize = 3;
const ROOT: &str = "/simulated";

/// See the module.
pub(super) struct Cluster {
    pub(super) world: Arc<World>,
    pub(super) zoo: Arc<Zoo>,
    pub(super) kafka: Arc<Kafka>,
    pub(super) source: Arc<Source>,
    switchboard: Arc<Switchboard>,
    processes: Mutex<BTreeMap<usize, Arc<Process>>>,
    started: AtomicU64,
    streaming: Arc<Runs>,
    hung: Mutex<Vec<usize>>,
    failover: Failover,
    mode: Mode,
    flaky: u64,
}

/// What a member meets the others through.
struct Around {
    process: Arc<Process>,
    zoo: Arc<Zoo>,
    switchboard: Arc<Switchboard>,
}

impl Surroundings for Around {
    fn ensemble(&self, _: Duration) -> Result<Arc<dyn Ensemble>, CoordinationError> {
        Ok(Arc::new(Servers { zoo: Arc::clone(&self.zoo), process: Arc::clone(&self.process) }))
    }

    fn network(&self) -> Arc<dyn Network> {
        Arc::new(Cable { process: Arc::clone(&self.process), switchboard: Arc::clone(&self.switchboard) })
    }
}

impl Cluster {
    /// With settings that chance draws.
    pub(super) fn new(world: &Arc<World>) -> Arc<Self> {
        let session = Duration::from_millis(world.one_of(&[2_000, 4_000, 6_000]));
        let failover = Failover {
            heartbeat_interval_milliseconds: world.one_of(&[500, 1_000]),
            session_timeout_milliseconds: session.as_millis() as u32,
            retry_interval_milliseconds: world.one_of(&[1_000, 3_000]),
            peer_probe: world.happens(800),
            ..Failover::default()
        };
        let kafka = Kafka::new(world);
        Arc::new(Self {
            world: Arc::clone(world),
            zoo: Zoo::new(world, &kafka, ROOT, session),
            kafka,
            source: Source::new(world),
            switchboard: Arc::default(),
            processes: Mutex::default(),
            started: AtomicU64::new(0),
            streaming: Arc::default(),
            hung: Mutex::default(),
            failover,
            mode: world.one_of(&[Mode::ActiveStandby, Mode::Sharded]),
            flaky: world.one_of(&[0, 0, 5, 30]),
        })
    }

    pub(super) fn members(&self) -> usize {
        MEMBERS
    }

    /// Starts a process of a member.
    pub(super) fn start(self: &Arc<Self>, member: usize) {
        let process = Process::new(self.started.fetch_add(1, Ordering::Relaxed) + 1, member, &self.world);
        self.world.note("start", process.number, member as u64);
        lock(&self.processes).insert(member, Arc::clone(&process));
        let around = Around {
            process: Arc::clone(&process),
            zoo: Arc::clone(&self.zoo),
            switchboard: Arc::clone(&self.switchboard),
        };
        let sink = SimulatedSink {
            process: Arc::clone(&process),
            kafka: Arc::clone(&self.kafka),
            zoo: Arc::clone(&self.zoo),
            flaky: self.flaky,
        };
        let pause = Duration::from_millis(u64::from(self.failover.retry_interval_milliseconds));
        let host = Arc::new(Host::new(sink, &self.source, pause, &self.streaming));
        let (config, view) = (self.config(member), watch::Sender::new(View::default()));
        tokio::spawn(async move {
            let health = Signs::of(&process);
            let stop = process.shutdown.clone();
            let ended = take_part(config, &around, host, health, view, stop).await;
            if let Err(error) = ended {
                process.world.violated(|| format!("process {} gives up: {error}", process.number));
            }
            process.become_(Condition::Dead);
        });
    }

    fn config(&self, member: usize) -> CoordinatorConfig {
        CoordinatorConfig {
            member: MemberId(name(member)),
            address: name(member),
            priority: 0,
            identity: None,
            zookeeper: ZooKeeper {
                hosts: vec!["simulated:2181".into()],
                root: ROOT.into(),
                user: String::new(),
                password: Default::default(),
                credentials_directory: None,
            },
            failover: self.failover.clone(),
            policy: Policy { mode: self.mode, failover: true, ..Policy::default() },
            layout: Layout::default(),
            delivery: Delivery::ExactlyOnce,
            probe: ProbeConfig { listen: ([0, 0, 0, 0], PORT).into(), advertise: name(member) },
        }
    }

    /// Asks for another division, time `number`: the only shard remains the only one, and is that of another layout.
    pub(super) fn divide(&self, number: u64) {
        let strategy = if number.is_multiple_of(2) { Strategy::Database } else { Strategy::Table };
        let sharding = Box::new(Sharding { strategy, ..Sharding::default() });
        let now = milliseconds();
        let request = Request::new(Ask::Divide { sharding }, "chance", now);
        let data = serde_json::to_vec(&request).expect("a request has text keys and no failing serialisers");
        self.zoo.put_request(&format!("{now:015}-{number}"), data);
    }

    /// Starts a member whose process is dead.
    pub(super) fn start_again(self: &Arc<Self>, member: usize) {
        let dead = lock(&self.processes).get(&member).is_none_or(|process| process.is(Condition::Dead));
        if dead {
            self.start(member);
        }
    }

    /// A process to which something happens: mostly the owner's.
    pub(super) fn victim(&self) -> Arc<Process> {
        let owner = self.zoo.holder(&SINGLE_SHARD.into());
        let processes = lock(&self.processes);
        let found = processes.values().find(|process| Some(process.number) == owner);
        match found.filter(|_| self.world.happens(600)) {
            Some(process) => Arc::clone(process),
            None => Arc::clone(&processes[&(self.world.pick(MEMBERS as u64) as usize)]),
        }
    }

    pub(super) fn cut(&self, member: usize, peer: Peer) {
        self.world.cut(member, peer, true);
        if peer == Peer::ZooKeeper {
            // A server that is silent is left after a quarter of the session's time.
            let notice = if self.world.happens(500) { Duration::ZERO } else { self.zoo.timeout / 4 };
            self.zoo.break_connections(member, notice);
        }
    }

    /// Hides the end of the log for a time.
    pub(super) async fn hang(&self, time: Duration) {
        let transaction = self.kafka.hang();
        lock(&self.hung).push(transaction);
        sleep(time).await;
        lock(&self.hung).retain(|other| *other != transaction);
        self.kafka.unhang(transaction);
    }

    /// Everything that went wrong is over, but for the dead.
    pub(super) fn mend(&self) {
        self.world.mend();
        self.zoo.quorum(false);
        lock(&self.hung).drain(..).for_each(|transaction| self.kafka.unhang(transaction));
        lock(&self.processes).values().for_each(|process| process.become_(Condition::Running));
        self.world.note("mended", 0, 0);
    }

    /// Whether one owner streams, and a consumer has seen everything.
    pub(super) fn is_well(&self) -> bool {
        self.kafka.visible() == self.source.rows() && self.streaming.count() == 1
    }

    /// How it is, in words.
    pub(super) fn state(&self) -> String {
        format!(
            "{} of {} rows are visible, {} runs have a dump, the lock's holder is process {:?}",
            self.kafka.visible(),
            self.source.rows(),
            self.streaming.count(),
            self.zoo.holder(&SINGLE_SHARD.into())
        )
    }
}
