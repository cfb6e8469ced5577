//! The ZooKeeper session: opened with back-off, kept through disconnections, over only when ZooKeeper says so.

use std::time::Duration;

use maxwell_protocol::settings::ZooKeeper;
use maxwell_protocol::tree::Tree;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zookeeper_client::{Client, Error, SessionInfo, SessionState};

use super::config::digest;
use super::error::CoordinationError;
use super::store::{Link, Store};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Of a session's time, or in all: an owner that comes back first keeps its session, and with it the shard.
const LONGEST_PAUSE: (u32, Duration) = (16, Duration::from_secs(1));
/// How long the end of a session is waited for; it holds no node any more.
const CLOSING: Duration = Duration::from_millis(500);

/// An open session.
pub(super) struct Session {
    store: Store,
    timeout: Duration,
    keeper: JoinHandle<()>,
}

/// Connects to ZooKeeper, if need be to take an earlier session up again.
#[derive(Clone)]
struct Opener {
    hosts: String,
    timeout: Duration,
    digest: Option<String>,
}

impl Session {
    /// Opens a new session. Tries until a server answers; fails only on a mistake in the configuration.
    pub(super) async fn open(zookeeper: &ZooKeeper, timeout: Duration) -> Result<Self, CoordinationError> {
        let opener = Opener { hosts: zookeeper.hosts.join(","), timeout, digest: digest(zookeeper)? };
        let client = opener.persist(None).await?.ok_or_else(|| opener.refused())?;
        let (negotiated, info) = (client.session_timeout(), client.session().clone());
        tracing::info!(
            session = %info.id(),
            timeout_milliseconds = u64::try_from(negotiated.as_millis()).unwrap_or(u64::MAX),
            "connected to ZooKeeper"
        );
        let owner_only = opener.digest.is_some();
        let (clients, current) = watch::channel(client);
        let (links, link) = watch::channel(Link::Connected);
        let store = Store::new(current, link, Tree::new(&zookeeper.root), owner_only);
        let keeper = tokio::spawn(keep(opener, info, clients, links));
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
        let mut states = self.store.clients().borrow().state_watcher();
        self.keeper.abort();
        let _ = self.keeper.await;
        drop(self.store);
        let closed = async { while !states.changed().await.is_terminated() {} };
        if tokio::time::timeout(CLOSING, closed).await.is_err() {
            tracing::debug!("ZooKeeper did not confirm the end of the session in time; it ends by itself");
        }
    }
}

impl Opener {
    fn refused(&self) -> CoordinationError {
        CoordinationError::Refused { hosts: self.hosts.clone() }
    }

    async fn connect(&self, earlier: Option<&SessionInfo>) -> Result<Client, Error> {
        let mut connector = Client::connector()
            .with_fail_eagerly()
            .with_session_timeout(self.timeout)
            // A server that is silent for this long is left for another one, in time for the session.
            .with_connection_timeout(self.timeout / 4);
        if let Some(digest) = &self.digest {
            connector = connector.with_auth("digest", digest.as_bytes());
        }
        if let Some(session) = earlier {
            connector = connector.with_session(session.clone());
        }
        connector.connect(&self.hosts).await
    }

    /// Connects, for as long as it takes. `None` when `earlier` is over.
    async fn persist(&self, earlier: Option<&SessionInfo>) -> Result<Option<Client>, CoordinationError> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.connect(earlier).await {
                Ok(client) => return Ok(Some(client)),
                Err(Error::BadArguments(_)) => {
                    return Err(CoordinationError::Hosts { hosts: self.hosts.clone() });
                }
                Err(Error::AuthFailed) => return Err(self.refused()),
                Err(Error::SessionExpired) if earlier.is_some() => return Ok(None),
                Err(error) => tracing::warn!(
                    zookeeper.hosts = self.hosts, %error,
                    "cannot reach ZooKeeper, trying again; check zookeeper.hosts and that the ensemble has a quorum"
                ),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.timeout / LONGEST_PAUSE.0).min(LONGEST_PAUSE.1);
        }
    }
}

/// Follows the session's state. The client library ends a session by its own clock when no server answers; ZooKeeper
/// itself may be down and keep the session, so only its own word counts: it is asked to take the session up again.
async fn keep(
    opener: Opener,
    session: SessionInfo,
    clients: watch::Sender<Client>,
    links: watch::Sender<Link>,
) {
    let mut states = clients.borrow().state_watcher();
    let mut state = states.peek_state();
    loop {
        match state {
            SessionState::SyncConnected | SessionState::ConnectedReadOnly => {
                if links.send_replace(Link::Connected) != Link::Connected {
                    tracing::info!("connected to ZooKeeper again, the session lives");
                }
            }
            SessionState::Disconnected => {
                links.send_replace(Link::Disconnected);
                tracing::warn!(zookeeper.hosts = opener.hosts, "no connection to ZooKeeper");
            }
            SessionState::Expired | SessionState::Closed | SessionState::AuthFailed => {
                links.send_replace(Link::Disconnected);
                let Ok(Some(client)) = opener.persist(Some(&session)).await else {
                    tracing::warn!("the ZooKeeper session has expired");
                    links.send_replace(Link::Expired);
                    return;
                };
                states = client.state_watcher();
                clients.send_replace(client);
                state = states.peek_state();
                continue;
            }
        }
        state = states.changed().await;
    }
}
