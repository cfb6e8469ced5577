//! Who owns which shard: membership, election, assignment, locks. The only writer of the ZooKeeper tree in a worker.
//!
//! The seam to the engine is two traits. The coordinator calls [`ShardHost::run`] when this member holds a shard's
//! lock; the engine proves and watches that ownership through [`Ownership`].

mod assign;
pub(crate) mod client;
mod config;
mod departure;
mod division;
mod election;
pub mod embedded;
mod error;
mod handover;
mod held;
mod identity;
mod lead;
mod life;
mod lock;
mod membership;
pub(crate) mod network;
mod observed;
mod observer;
mod ownership;
mod probe;
mod reach;
mod requests;
mod resumption;
mod rewind;
mod session;
mod shards;
mod store;
mod tuning;
mod zookeeper;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use maxwell_protocol::bootstrap::BootstrapRequest;
use maxwell_protocol::id::{ClusterId, Incarnation, MemberId, ShardId};
use maxwell_protocol::layout::{Barrier, Layout};
use maxwell_protocol::live::Tuning;
use maxwell_protocol::member::ShardReport;
use maxwell_protocol::position::{Position, PositionMirror, PositionRecord, Seal};
use maxwell_protocol::settings::{Start, ZooKeeper};
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use assign::Policy;
pub use config::{CoordinatorConfig, Health, ProbeConfig, Vitals};
pub use error::CoordinationError;
pub use store::Link;

use client::Ensemble;
use config::digest;
use error::Failure;
use life::{Beginning, live};
use network::{Network, Tcp};
use probe::Listener;
use session::Session;
use zookeeper::Servers;

/// Why ownership could not be proved.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProofError {
    /// The lock is gone: somebody else may own the shard.
    #[error("the lock of the shard is gone")]
    Lost,
    /// Nobody answered: ownership is unknown, and a producer may not be initialised until it is proved.
    #[error("ZooKeeper does not answer: {0}")]
    Unreachable(String),
}

/// The first commit of a run, from which the gap of a change of owner is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumption {
    /// When the record that the run goes on from was written, milliseconds since the epoch.
    pub before: Option<i64>,
    /// Whether rows were committed, and not only a position.
    pub rows: bool,
}

/// A held shard lock, as the engine sees it.
#[async_trait]
pub trait Ownership: Send + Sync + 'static {
    /// A round trip to the quorum, begun after this call, that finds the lock still held by this incarnation.
    /// Returns within about two seconds.
    async fn prove(&self) -> Result<(), ProofError>;

    /// Completes once the lock is known to be gone (deleted, or the session expired). A mere disconnection does not
    /// count. Cancel safe.
    async fn lost(&self);

    /// Asked after somebody fenced this owner: whether the shard is nevertheless still its own, or may be. Then it is
    /// taken over again, which proves the lock first.
    async fn may_still_own(&self) -> bool;

    /// Completes once another member is known to reach MySQL and Kafka. Cancel safe.
    async fn another_can(&self);

    /// Completes when MySQL and Kafka, one of which this member did not reach, both answer it again. Never where nobody
    /// asks them. Cancel safe.
    async fn reaches_again(&self) {
        std::future::pending::<()>().await;
    }

    /// Whether this member has given the lock up itself.
    fn gave_up(&self) -> bool {
        false
    }

    /// What goes into this member's record for the shard; written at the next heartbeat, at once when the state or
    /// epoch changed.
    fn report(&self, report: ShardReport);

    /// Writes the mirror of the position, unless a newer epoch's is there. Best effort: a failure is logged.
    async fn mirror(&self, mirror: PositionMirror);

    /// The first commit of a run. Called on the pipeline's thread: returns at once.
    fn resumed(&self, resumption: Resumption);

    /// Copies of tables that are asked for in the cluster's tree and have not ended, by request; `None` while that is not
    /// known, or where there is none.
    async fn copies_asked_for(&self) -> Option<Vec<(String, BootstrapRequest)>> {
        None
    }

    /// This shard's part of a request among those was carried out, and that is committed: the request is done once all
    /// `parts` are. Or it was refused, for this reason. Best effort.
    async fn copy_has_ended(&self, _request: &str, _refused: Option<&str>, _parts: u32) {}

    /// Where the shard shall go back to, if somebody asked for that.
    fn rewind(&self) -> Option<Rewind> {
        None
    }

    /// The shard went back as `request` says, and that is committed; or it does not, for this reason. It is written down as
    /// soon as ZooKeeper answers.
    fn rewound(&self, _request: &str, _outcome: Result<(), String>) {}

    /// Where the shard shall end for the time being, and with which seal.
    fn seal_at(&self) -> Option<(Barrier, Seal)> {
        None
    }

    /// Whether nothing may follow a record with this seal yet. Asked once the lock is proved, of the quorum.
    async fn is_sealed(&self, _seal: Seal) -> Result<bool, ProofError> {
        Ok(false)
    }

    /// Completes once a member reports a shard that ended with a seal that `counts`. A hint, and no proof: what is committed
    /// tells. Cancel safe.
    async fn sealed_elsewhere(&self, _counts: &(dyn Fn(Seal) -> bool + Send + Sync)) {
        std::future::pending::<()>().await;
    }

    /// A record of the shard is of a layout of this generation: the tree's is no older one, or was made anew for positions
    /// that were there before it, and takes that number.
    async fn know_of(&self, _generation: u64) -> Result<(), ProofError> {
        Ok(())
    }

    /// Agrees on where the shards of this layout begin: `found` for the first one that asks, and for all others too.
    async fn begin(&self, found: Position) -> Result<Position, ProofError> {
        Ok(found)
    }

    /// What the mirror says, for the check that "no record on the topic" is not a lost topic.
    async fn mirrored(&self) -> Result<Option<PositionMirror>, ProofError>;
}

/// A rewind that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewind {
    /// The request.
    pub request: String,
    /// Where to.
    pub to: Start,
    /// The server that file and offset belong to; `None`: the one that is read.
    pub server: Option<String>,
}

/// What the engine is told about the cluster when a shard is handed to it.
#[derive(Debug, Clone)]
pub struct ShardContext {
    /// The cluster's identity.
    pub cluster: ClusterId,
    /// This member.
    pub member: MemberId,
    /// This life of it.
    pub incarnation: Incarnation,
    /// The shard.
    pub shard: ShardId,
    /// Its number: the partition of the position topic.
    pub number: u32,
    /// The layout that it is part of.
    pub layout: Arc<Layout>,
}

/// How a shard's run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShardEnd {
    /// `stop` was cancelled; everything sent is committed and the mirror is written.
    Drained,
    /// The lock, the producer or the dump was taken by a successor: give the lock up and do not take it back at once.
    Relinquished {
        /// What showed it.
        reason: String,
    },
    /// Everything up to an agreed place is committed, with this record, and nothing may follow it yet.
    Sealed(Box<PositionRecord>),
    /// This member cannot reach MySQL or Kafka, and another one can.
    Unreachable {
        /// What cannot be reached, in words that name the mend.
        reason: String,
    },
}

/// Runs shards. Implemented by the engine.
#[async_trait]
pub trait ShardHost: Send + Sync + 'static {
    /// Streams a shard until `stop` is cancelled (drain, then return) or ownership ends. The lock is held by the
    /// caller before, during and until this returns. Never returns on what heals by itself, nor on a halt: a halted
    /// shard reports [`maxwell_protocol::member::ShardState::Halted`] and waits for `stop`.
    async fn run(
        &self,
        context: ShardContext,
        ownership: Arc<dyn Ownership>,
        stop: CancellationToken,
    ) -> ShardEnd;

    /// Takes version `version` of the settings on that change without a restart: what `wanted` leaves out is as at the
    /// start. Or takes nothing of it on, and says what is wrong.
    fn tune(&self, version: u64, wanted: &Tuning) -> Result<(), String>;

    /// Those settings, as they are.
    fn tuning(&self) -> Tuning;

    /// Gets ready to run a shard whose lock another member may hold: opens connections, changes nothing. Best effort.
    async fn warm(&self, context: &ShardContext);

    /// The end of the source's binlog.
    async fn head(&self) -> Result<Barrier, String>;
}

/// What the rest of the process sees of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Whether this member leads.
    pub leads: bool,
    /// Who leads.
    pub leader: Option<MemberId>,
    /// The session.
    pub link: Link,
    /// How many shards this life has taken over from a member that failed.
    pub failovers: u64,
    /// How many members this process has taken for dead while they lived.
    pub wrong_verdicts: u64,
}

impl Default for View {
    fn default() -> Self {
        Self { leads: false, leader: None, link: Link::Disconnected, failovers: 0, wrong_verdicts: 0 }
    }
}

/// How a member's part in a cluster ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop.
    Stopped,
    /// It was asked to begin anew, as another process would.
    Restart,
}

/// Between two lives.
const REBIRTH: Duration = Duration::from_millis(200);

/// What a member meets the others through.
pub(crate) trait Surroundings: Send + Sync + 'static {
    /// The way to ZooKeeper, for sessions that may be silent for as long as `timeout`.
    fn ensemble(&self, timeout: Duration) -> Result<Arc<dyn Ensemble>, CoordinationError>;

    /// The way to other members.
    fn network(&self) -> Arc<dyn Network>;
}

/// The settings' ZooKeeper and this host's network.
struct Outside {
    zookeeper: ZooKeeper,
}

impl Surroundings for Outside {
    fn ensemble(&self, timeout: Duration) -> Result<Arc<dyn Ensemble>, CoordinationError> {
        let digest = digest(&self.zookeeper)?;
        Ok(Arc::new(Servers { hosts: self.zookeeper.hosts.join(","), timeout, digest }))
    }

    fn network(&self) -> Arc<dyn Network> {
        Arc::new(Tcp)
    }
}

/// Takes part in a cluster until `shutdown`, or until it is asked to restart, through as many sessions as it takes.
/// Fails only on what trying again cannot help.
pub async fn run(
    config: CoordinatorConfig,
    host: Arc<dyn ShardHost>,
    health: Arc<dyn Health>,
    view: watch::Sender<View>,
    shutdown: CancellationToken,
) -> Result<Ended, CoordinationError> {
    let outside = Outside { zookeeper: config.zookeeper.clone() };
    take_part(config, &outside, host, health, view, shutdown).await
}

/// [`run`] in given surroundings.
pub(crate) async fn take_part(
    config: CoordinatorConfig,
    surroundings: &dyn Surroundings,
    host: Arc<dyn ShardHost>,
    health: Arc<dyn Health>,
    view: watch::Sender<View>,
    shutdown: CancellationToken,
) -> Result<Ended, CoordinationError> {
    config.check()?;
    let network = surroundings.network();
    let listener = Listener::bind(network.as_ref(), &config.probe, Arc::clone(&health)).await?;
    let verdicts = Arc::new(Mutex::default());
    let timeout = Duration::from_millis(u64::from(config.failover.session_timeout_milliseconds));
    loop {
        let ensemble = surroundings.ensemble(timeout)?;
        let session = tokio::select! {
            () = shutdown.cancelled() => return Ok(Ended::Stopped),
            session = Session::open(ensemble.as_ref(), &config.zookeeper) => session?,
        };
        let incarnation = Incarnation::random();
        listener.speak_for(incarnation);
        let beginning = Beginning {
            config: config.clone(),
            store: session.store().clone(),
            network: Arc::clone(&network),
            incarnation,
            probe_address: listener.address().to_owned(),
            health: Arc::clone(&health),
            host: Arc::clone(&host),
            session_timeout: session.timeout(),
            verdicts: Arc::clone(&verdicts),
            view: view.clone(),
        };
        let lived = live(beginning, &shutdown).await;
        view.send_replace(View::default());
        session.close().await;
        match lived {
            Err(Failure::Fatal(error)) => return Err(error),
            Ok(Ended::Restart) => return Ok(Ended::Restart),
            _ if shutdown.is_cancelled() => return Ok(Ended::Stopped),
            Ok(Ended::Stopped) => {}
            Err(failure) => tracing::warn!(%failure, "this life in the cluster is over, beginning another"),
        }
        tokio::time::sleep(REBIRTH).await;
    }
}
