//! One life of this member: from the session to its end. Joins, stands for the lead, runs the shards that are
//! assigned to it, watches the other owners, leaves in good order.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use maxwell_protocol::history::{Departure, History, Trigger};
use maxwell_protocol::id::{ClusterId, Incarnation};
use maxwell_protocol::live::{InForce, LiveSettings};
use maxwell_protocol::member::{LockRecord, MemberRecord, MemberState, RosterRecord};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::config::{CoordinatorConfig, Health};
use super::departure::erase;
use super::error::{CoordinationError, Failure};
use super::handover::offer_lead;
use super::identity::agree;
use super::lead::stand_for_lead;
use super::membership::Membership;
use super::network::Network;
use super::observed::Observed;
use super::observer::{Observation, observe};
use super::probe::{Answer, Prober, Record, ask, watch_owners};
use super::requests::is_to_restart;
use super::shards::{Ends, run_shards};
use super::store::{Store, encode};
use super::{Ended, ShardHost, View};
use crate::clock::milliseconds;

/// Between two looks at a predecessor that neither answers nor is gone.
const PREDECESSOR: Duration = Duration::from_secs(1);

/// What the parts of a life share.
#[derive(Clone)]
pub(super) struct Life {
    pub(super) config: CoordinatorConfig,
    pub(super) store: Store,
    pub(super) network: Arc<dyn Network>,
    pub(super) observation: Observation,
    pub(super) incarnation: Incarnation,
    pub(super) cluster: ClusterId,
    pub(super) membership: Arc<Membership>,
    pub(super) health: Arc<dyn Health>,
    pub(super) host: Arc<dyn ShardHost>,
    /// The session timeout that ZooKeeper granted.
    pub(super) session_timeout: Duration,
    /// Asks this member to give the lead up.
    pub(super) step_down: Arc<Notify>,
    pub(super) verdicts: Arc<Mutex<Record>>,
    pub(super) view: watch::Sender<View>,
}

/// What a life is begun with.
pub(super) struct Beginning {
    pub(super) config: CoordinatorConfig,
    pub(super) store: Store,
    pub(super) network: Arc<dyn Network>,
    pub(super) incarnation: Incarnation,
    pub(super) probe_address: String,
    pub(super) health: Arc<dyn Health>,
    pub(super) host: Arc<dyn ShardHost>,
    pub(super) session_timeout: Duration,
    pub(super) verdicts: Arc<Mutex<Record>>,
    pub(super) view: watch::Sender<View>,
}

/// Lives until `shutdown` or until it is to restart, then leaves; or until the session is over.
pub(super) async fn live(beginning: Beginning, shutdown: &CancellationToken) -> Result<Ended, Failure> {
    let store = beginning.store.clone();
    let cluster = prepare(&store, beginning.config.identity).await?;
    let (seen, mut observation) = watch::channel(Arc::new(Observed::default()));
    let observing = tokio::spawn(observe(store.clone(), seen));
    let lived = async {
        observation.changed().await.map_err(|_| Failure::Expired)?;
        live_observed(beginning, observation, cluster, shutdown).await
    };
    let ended = lived.await;
    observing.abort();
    // Its clones of the session must be gone before the session is closed.
    let _aborted = observing.await;
    ended
}

async fn live_observed(
    beginning: Beginning,
    observation: Observation,
    cluster: ClusterId,
    shutdown: &CancellationToken,
) -> Result<Ended, Failure> {
    let Beginning {
        config,
        store,
        network,
        incarnation,
        probe_address,
        health,
        host,
        session_timeout,
        verdicts,
        view,
    } = beginning;
    outlive_predecessor(&config, (&store, network.as_ref()), observation.clone(), incarnation, shutdown)
        .await?;
    let record = MemberRecord {
        id: config.member.clone(),
        incarnation,
        address: config.address.clone(),
        probe_address,
        version: env!("CARGO_PKG_VERSION").into(),
        priority: config.priority,
        started_at: milliseconds(),
        state: MemberState::Running,
        cpu_percent: 0.0,
        memory_bytes: 0,
        memory_limit_bytes: 0,
        rows_per_second: 0.0,
        bytes_per_second: 0.0,
        unsent_bytes: 0,
        shards: Default::default(),
        settings: InForce { settings: host.tuning(), ..InForce::default() },
        mysql: Default::default(),
        kafka: Default::default(),
    };
    store.ensure(&store.tree().roster_entry(&config.member), &encode(&RosterRecord::default())).await?;
    let membership = Arc::new(Membership::new(record));
    let step_down = Arc::new(Notify::new());
    let life = Life {
        config,
        store,
        network,
        observation,
        incarnation,
        cluster,
        membership,
        health,
        host,
        session_timeout,
        step_down,
        verdicts,
        view,
    };
    life.run(shutdown).await
}

/// Makes the tree and agrees on the cluster's identity.
async fn prepare(store: &Store, wanted: Option<ClusterId>) -> Result<ClusterId, Failure> {
    let tree = store.tree();
    for directory in tree.directories() {
        store.ensure(&directory, b"").await?;
    }
    store.ensure(&tree.history(), &encode(&History::default())).await?;
    store.ensure(&tree.config(), &encode(&LiveSettings::default())).await?;
    agree(store, wanted).await
}

/// A record under this member's name is a predecessor's, whose session has not ended yet, or another process's under
/// the same name. Who listens at its address tells which.
async fn outlive_predecessor(
    config: &CoordinatorConfig,
    (store, network): (&Store, &dyn Network),
    mut observation: Observation,
    incarnation: Incarnation,
    shutdown: &CancellationToken,
) -> Result<(), Failure> {
    loop {
        let found = observation.borrow_and_update().members.get(&config.member).cloned();
        let Some(before) = found.filter(|record| record.incarnation != incarnation) else { return Ok(()) };
        match ask(network, &before.probe_address).await {
            Answer::From(other, _) if other == before.incarnation => {
                let (id, address) = (config.member.clone(), before.probe_address);
                return Err(CoordinationError::Duplicate { id, address }.into());
            }
            Answer::Refused | Answer::From(..) => {
                let departed = Departure {
                    member: config.member.clone(),
                    incarnation: before.incarnation,
                    trigger: Trigger::ConnectionReset,
                    time: milliseconds(),
                    detection_milliseconds: 0,
                };
                erase(store, observation.clone(), &departed).await?;
            }
            Answer::Ended | Answer::Silent => {}
        }
        tokio::select! {
            () = shutdown.cancelled() => return Err(Failure::Expired),
            changed = tokio::time::timeout(PREDECESSOR, observation.changed()) => {
                if let Ok(Err(_)) = changed {
                    return Err(Failure::Expired);
                }
            }
        }
    }
}

impl Life {
    /// What this member writes into its locks.
    pub(super) fn lock_record(&self) -> LockRecord {
        LockRecord { id: self.config.member.clone(), incarnation: self.incarnation }
    }

    async fn run(self, shutdown: &CancellationToken) -> Result<Ended, Failure> {
        let interval = Duration::from_millis(u64::from(self.config.failover.heartbeat_interval_milliseconds));
        let ends = Ends::new();
        // A task of its own: its end, with everything drained, is waited for whatever else happens.
        let mut shards = tokio::spawn(run_shards(self.clone(), ends.clone()));
        let mut ended = Ended::Stopped;
        let failure = {
            let shown = self.show();
            let tuned = self.follow_settings();
            let kept = self.membership.keep(&self.store, self.health.as_ref(), interval);
            let stood = stand_for_lead(&self);
            let probed = self.probe();
            tokio::pin!(kept, stood, shown, tuned);
            tokio::select! {
                why = self.is_told_to_end(shutdown) => {
                    ended = why;
                    self.membership.set_state(MemberState::Draining);
                    ends.leaving.cancel();
                    // The session must live on until everything is drained; a leader assigns its shards elsewhere.
                    tokio::select! {
                        failure = &mut kept => Some(failure),
                        failure = &mut stood => Some(failure),
                        _ = &mut shards => None,
                        () = offer_lead(&self) => None,
                        () = &mut shown => Some(Failure::Expired),
                        () = &mut tuned => Some(Failure::Expired),
                    }
                }
                failure = &mut kept => Some(failure),
                failure = &mut stood => Some(failure),
                failure = probed => Some(failure),
                () = self.store.expired() => Some(Failure::Expired),
                () = &mut shown => Some(Failure::Expired),
                () = &mut tuned => Some(Failure::Expired),
            }
        };
        let Some(failure) = failure else { return self.leave().await.map(|()| ended) };
        ends.stop.cancel();
        if !shards.is_finished() {
            // Ownership ends with the observation; the engine sees it and stops.
            let _ended = shards.await;
        }
        Err(failure)
    }

    /// Shows whether it is parked, until it shall end.
    async fn is_told_to_end(&self, shutdown: &CancellationToken) -> Ended {
        let mut observation = self.observation.clone();
        let me = &self.config.member;
        loop {
            let observed = Arc::clone(&observation.borrow_and_update());
            if is_to_restart(&observed, me, self.incarnation) {
                tracing::info!("told to restart");
                return Ended::Restart;
            }
            let parked = observed.roster.get(me).is_some_and(|entry| entry.parked);
            self.membership.set_state(if parked { MemberState::Parked } else { MemberState::Running });
            tokio::select! {
                () = shutdown.cancelled() => return Ended::Stopped,
                changed = observation.changed() => if changed.is_err() {
                    // The session is over, which another one says.
                    shutdown.cancelled().await;
                    return Ended::Stopped;
                },
            }
        }
    }

    async fn probe(&self) -> Failure {
        if !self.config.takes_over_early() {
            return std::future::pending().await;
        }
        watch_owners(Prober {
            me: self.config.member.clone(),
            store: self.store.clone(),
            network: Arc::clone(&self.network),
            observation: self.observation.clone(),
            health: Arc::clone(&self.health),
            record: Arc::clone(&self.verdicts),
        })
        .await
    }

    /// Keeps the view current.
    async fn show(&self) {
        let mut observation = self.observation.clone();
        let mut link = self.store.link();
        loop {
            let leader = observation.borrow_and_update().leader.clone();
            let link_now = *link.borrow_and_update();
            self.view.send_replace(View {
                leads: leader.as_ref().is_some_and(|leader| leader.incarnation == self.incarnation),
                leader: leader.map(|leader| leader.id),
                link: link_now,
                failovers: self.membership.failovers(),
                wrong_verdicts: self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).wrong(),
            });
            tokio::select! {
                changed = observation.changed() => if changed.is_err() { return },
                changed = link.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn leave(&self) -> Result<(), Failure> {
        let departed = Departure {
            member: self.config.member.clone(),
            incarnation: self.incarnation,
            trigger: Trigger::Shutdown,
            time: milliseconds(),
            detection_milliseconds: 0,
        };
        erase(&self.store, self.observation.clone(), &departed).await.map(drop)
    }
}
