//! The ZooKeeper session: opened with back-off, kept through disconnections, over only when ZooKeeper says so.

use std::sync::Arc;
use std::time::Duration;

use maxwell_protocol::settings::ZooKeeper;
use maxwell_protocol::tree::Tree;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zookeeper_client::{Error, SessionState};

use super::client::{Client, Ensemble};
use super::error::CoordinationError;
use super::store::{Link, Store};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Short beside any session: an owner that comes back first keeps its session, and with it the shard.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long the end of a session is waited for; it holds no node any more.
const CLOSING: Duration = Duration::from_millis(500);

/// An open session.
pub(super) struct Session {
    store: Store,
    timeout: Duration,
    keeper: JoinHandle<()>,
}

impl Session {
    /// Opens a new session. Tries until a server answers; fails only on a mistake in the configuration.
    pub(super) async fn open(
        ensemble: &dyn Ensemble,
        zookeeper: &ZooKeeper,
    ) -> Result<Self, CoordinationError> {
        let hosts = zookeeper.hosts.join(",");
        let client = persist(&hosts, || ensemble.connect()).await?;
        let client = client.ok_or_else(|| CoordinationError::Refused { hosts: hosts.clone() })?;
        let negotiated = client.session_timeout();
        tracing::info!(
            session = client.session(),
            timeout_milliseconds = u64::try_from(negotiated.as_millis()).unwrap_or(u64::MAX),
            "connected to ZooKeeper"
        );
        let (clients, current) = watch::channel(client);
        let (links, link) = watch::channel(Link::Connected);
        let store = Store::new(current, link, Tree::new(&zookeeper.root));
        let keeper = tokio::spawn(keep(hosts, clients, links));
        Ok(Self { store, timeout: negotiated, keeper })
    }

    /// Access to the tree.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// The session timeout that ZooKeeper granted.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Ends the session. Nobody else may hold its store any more.
    pub(super) async fn close(self) {
        let mut states = self.store.clients().borrow().states();
        self.keeper.abort();
        let _ = self.keeper.await;
        drop(self.store);
        let closed = async { while !states.changed().await.is_terminated() {} };
        if tokio::time::timeout(CLOSING, closed).await.is_err() {
            tracing::debug!("ZooKeeper did not confirm the end of the session in time; it ends by itself");
        }
    }
}

/// Connects, for as long as it takes. `None` when the session to be taken up again is over.
async fn persist<A>(
    hosts: &str,
    connect: impl Fn() -> A,
) -> Result<Option<Arc<dyn Client>>, CoordinationError>
where
    A: Future<Output = Result<Arc<dyn Client>, Error>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        match connect().await {
            Ok(client) => return Ok(Some(client)),
            Err(Error::BadArguments(_)) => return Err(CoordinationError::Hosts { hosts: hosts.to_owned() }),
            Err(Error::AuthFailed) => return Err(CoordinationError::Refused { hosts: hosts.to_owned() }),
            Err(Error::SessionExpired) => return Ok(None),
            Err(error) => tracing::warn!(
                zookeeper.hosts = hosts, %error,
                "cannot reach ZooKeeper, trying again; check zookeeper.hosts and that the ensemble has a quorum"
            ),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Follows the session's state. The client library ends a session by its own clock when no server answers; ZooKeeper
/// itself may be down and keep the session, so only its own word counts: it is asked to take the session up again.
async fn keep(hosts: String, clients: watch::Sender<Arc<dyn Client>>, links: watch::Sender<Link>) {
    let mut states = clients.borrow().states();
    let mut state = states.now();
    loop {
        match state {
            SessionState::SyncConnected | SessionState::ConnectedReadOnly => {
                if links.send_replace(Link::Connected) != Link::Connected {
                    tracing::info!("connected to ZooKeeper again, the session lives");
                }
            }
            SessionState::Disconnected => {
                links.send_replace(Link::Disconnected);
                tracing::warn!(zookeeper.hosts = hosts, "no connection to ZooKeeper");
            }
            SessionState::Expired | SessionState::Closed | SessionState::AuthFailed => {
                links.send_replace(Link::Disconnected);
                let before = Arc::clone(&clients.borrow());
                let Ok(Some(client)) = persist(&hosts, || before.again()).await else {
                    tracing::warn!("the ZooKeeper session has expired");
                    links.send_replace(Link::Expired);
                    return;
                };
                states = client.states();
                clients.send_replace(client);
                state = states.now();
                continue;
            }
        }
        state = states.changed().await;
    }
}
