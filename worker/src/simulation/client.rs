//! A simulated client of ZooKeeper, with the ways of the library that the worker uses: requests wait for a connection,
//! a lost one fails them, and the client gives its session up by its own clock when no server answers.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};
use zookeeper_client::{CreateMode, Error, SessionState};

use super::ensemble::{Answer, Ask, Connection, Zoo};
use super::faults::Point;
use super::process::Process;
use super::tree::SessionId;
use super::world::Peer;
use crate::coordination::client::{Change, Client, Ensemble, Happening, States, Watch};

/// ZooKeeper as one process reaches it.
pub(super) struct Servers {
    pub(super) zoo: Arc<Zoo>,
    pub(super) process: Arc<Process>,
}

#[async_trait]
impl Ensemble for Servers {
    async fn connect(&self) -> Result<Arc<dyn Client>, Error> {
        open(&self.zoo, &self.process, None).await
    }
}

/// One attempt to connect.
async fn attempt(
    zoo: &Arc<Zoo>,
    process: &Arc<Process>,
    session: Option<SessionId>,
) -> Result<(SessionId, Arc<Connection>), Error> {
    process.pass(Point::Connect).await;
    process.world.travel().await;
    process.runs().await;
    if process.world.is_cut(process.member, Peer::ZooKeeper) {
        sleep(process.world.time(1, 400)).await;
        return Err(Error::ConnectionLoss);
    }
    zoo.connect(process, session)
}

async fn open(
    zoo: &Arc<Zoo>,
    process: &Arc<Process>,
    session: Option<SessionId>,
) -> Result<Arc<dyn Client>, Error> {
    let (session, connection) = attempt(zoo, process, session).await?;
    let line = Arc::new(Line {
        zoo: Arc::clone(zoo),
        process: Arc::clone(process),
        session,
        state: watch::Sender::new(SessionState::SyncConnected),
        connection: watch::Sender::new(Some(connection)),
    });
    tokio::spawn(keep(Arc::downgrade(&line)));
    Ok(Arc::new(Simulated { line }))
}

/// What a client and its keeper share.
struct Line {
    zoo: Arc<Zoo>,
    process: Arc<Process>,
    session: SessionId,
    state: watch::Sender<SessionState>,
    connection: watch::Sender<Option<Arc<Connection>>>,
}

impl Line {
    fn is_over(&self) -> bool {
        self.state.borrow().is_terminated()
    }

    /// What is over stays so.
    fn becomes(&self, state: SessionState) {
        self.state.send_if_modified(|known| {
            let changes = !known.is_terminated() && *known != state;
            if changes {
                *known = state;
            }
            changes
        });
    }
}

/// Connects again whenever the connection is lost.
async fn keep(line: Weak<Line>) {
    loop {
        let Some(connection) = line.upgrade().and_then(|line| line.connection.borrow().clone()) else {
            return;
        };
        connection.noticed().await;
        let Some(line) = line.upgrade() else { return };
        line.connection.send_replace(None);
        line.becomes(SessionState::Disconnected);
        let since = Instant::now();
        loop {
            if line.is_over() {
                return;
            }
            match attempt(&line.zoo, &line.process, Some(line.session)).await {
                Ok((_, connection)) if line.is_over() => {
                    let _sent = connection.requests.send((Ask::Close, None));
                    return;
                }
                Ok((_, connection)) => {
                    line.connection.send_replace(Some(connection));
                    line.becomes(SessionState::SyncConnected);
                    break;
                }
                Err(Error::SessionExpired) => return line.becomes(SessionState::Expired),
                Err(_) if since.elapsed() >= line.zoo.timeout => return line.becomes(SessionState::Expired),
                Err(_) => sleep(line.process.world.time(5, 200)).await,
            }
        }
    }
}

struct Simulated {
    line: Arc<Line>,
}

impl Drop for Simulated {
    /// The last client of a session ends it, if it can.
    fn drop(&mut self) {
        self.line.becomes(SessionState::Closed);
        if let Some(connection) = self.line.connection.borrow().as_ref() {
            let _sent = connection.requests.send((Ask::Close, None));
        }
    }
}

impl Simulated {
    /// The connection, once there is one.
    async fn connected(&self) -> Result<Arc<Connection>, Error> {
        let mut states = self.line.state.subscribe();
        let mut connections = self.line.connection.subscribe();
        loop {
            let state = *states.borrow_and_update();
            match state {
                SessionState::Expired => return Err(Error::SessionExpired),
                state if state.is_terminated() => return Err(Error::ClientClosed),
                _ => {}
            }
            if let Some(connection) = connections.borrow_and_update().clone() {
                return Ok(connection);
            }
            tokio::select! {
                biased;
                _ = states.changed() => {}
                _ = connections.changed() => {}
            }
        }
    }

    async fn ask(&self, ask: Ask) -> Result<Answer, Error> {
        self.line.process.pass(Point::Asked).await;
        let connection = self.connected().await?;
        let (answer, answered) = oneshot::channel();
        if connection.requests.send((ask, Some(answer))).is_err() {
            connection.noticed().await;
            return Err(Error::ConnectionLoss);
        }
        let answer = answered.await.unwrap_or(Err(Error::ConnectionLoss));
        self.line.process.pass(Point::Answered).await;
        answer
    }
}

#[async_trait]
impl Client for Simulated {
    async fn again(&self) -> Result<Arc<dyn Client>, Error> {
        open(&self.line.zoo, &self.line.process, Some(self.line.session)).await
    }

    fn session(&self) -> String {
        self.line.session.to_string()
    }

    fn session_timeout(&self) -> Duration {
        self.line.zoo.timeout
    }

    fn states(&self) -> Box<dyn States> {
        Box::new(Following { states: self.line.state.subscribe() })
    }

    async fn get(&self, path: &str) -> Result<(Vec<u8>, i32), Error> {
        match self.ask(Ask::Get(path.into())).await? {
            Answer::Data(data, version) => Ok((data, version)),
            _ => Err(Error::Unimplemented),
        }
    }

    async fn exists(&self, path: &str) -> Result<bool, Error> {
        Ok(matches!(self.ask(Ask::Exists(path.into())).await?, Answer::Exists(true)))
    }

    async fn children(&self, path: &str) -> Result<Vec<String>, Error> {
        match self.ask(Ask::Children(path.into())).await? {
            Answer::Names(names) => Ok(names),
            _ => Err(Error::Unimplemented),
        }
    }

    async fn sync(&self, _: &str) -> Result<(), Error> {
        self.ask(Ask::Sync).await.map(drop)
    }

    async fn create(&self, path: &str, data: &[u8], mode: CreateMode, _: bool) -> Result<String, Error> {
        match self.ask(Ask::Create(path.into(), data.into(), mode)).await? {
            Answer::Path(path) => Ok(path),
            _ => Err(Error::Unimplemented),
        }
    }

    async fn commit(&self, changes: &[Change]) -> Result<(), Error> {
        self.ask(Ask::Commit(changes.to_vec())).await.map(drop)
    }

    async fn watch(&self, path: &str) -> Result<Box<dyn Watch>, Error> {
        let (events, happenings) = mpsc::unbounded_channel();
        // Before: an end of the connection meanwhile ends the watch.
        let states = self.line.state.subscribe();
        self.ask(Ask::Watch(path.into(), events)).await?;
        Ok(Box::new(Watching { happenings, states }))
    }
}

struct Following {
    states: watch::Receiver<SessionState>,
}

#[async_trait]
impl States for Following {
    fn now(&self) -> SessionState {
        *self.states.borrow()
    }

    async fn changed(&mut self) -> SessionState {
        if self.states.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        *self.states.borrow_and_update()
    }
}

struct Watching {
    happenings: mpsc::UnboundedReceiver<Happening>,
    states: watch::Receiver<SessionState>,
}

#[async_trait]
impl Watch for Watching {
    async fn next(&mut self) -> Happening {
        tokio::select! {
            biased;
            Some(happening) = self.happenings.recv() => happening,
            changed = self.states.changed() => match (changed, *self.states.borrow_and_update()) {
                (Ok(()), SessionState::SyncConnected) => Happening::Connected,
                (Ok(()), SessionState::Disconnected) => Happening::Disconnected,
                _ => Happening::Over,
            },
        }
    }
}
