//! The simulated ZooKeeper: one tree, sessions that expire, connections over which requests and answers keep their
//! order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maxwell_protocol::id::ShardId;
use maxwell_protocol::layout::Layout;
use maxwell_protocol::member::LeaderRecord;
use maxwell_protocol::position::PositionMirror;
use maxwell_protocol::tree::{Node, Tree};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use zookeeper_client::{CreateMode, Error};

use super::log::Kafka;
use super::process::{Condition, Process};
use super::tree::{Event, SessionId, Znodes};
use super::world::{World, lock};
use crate::coordination::client::{Change, Happening};
use crate::mistake;

/// A request of a client.
pub(super) enum Ask {
    Get(String),
    Exists(String),
    Children(String),
    Sync,
    Create(String, Vec<u8>, CreateMode),
    Commit(Vec<Change>),
    Watch(String, mpsc::UnboundedSender<Happening>),
    Ping,
    Close,
}

/// What is answered.
pub(super) enum Answer {
    Data(Vec<u8>, i32),
    Exists(bool),
    Names(Vec<String>),
    Path(String),
    Done,
}

/// Where an answer goes.
type Reply = oneshot::Sender<Result<Answer, Error>>;

/// A request and where its answer goes; nothing awaits a ping's.
pub(super) type Request = (Ask, Option<Reply>);

/// What travels to a client, in this order.
enum Parcel {
    Answer(Reply, Result<Answer, Error>),
    Event(mpsc::UnboundedSender<Happening>, Happening),
}

/// A client's connection to the ensemble.
pub(super) struct Connection {
    session: SessionId,
    process: Arc<Process>,
    pub(super) requests: mpsc::UnboundedSender<Request>,
    parcels: mpsc::UnboundedSender<Parcel>,
    /// Whether it has ended, and when the client notices.
    broken: watch::Sender<Option<Instant>>,
    /// Requests that will never be answered, until the client notices.
    unanswered: Mutex<Option<Vec<Reply>>>,
}

struct Session {
    process: Arc<Process>,
    heard: Instant,
    connection: Option<Arc<Connection>>,
}

struct Watcher {
    connection: Arc<Connection>,
    path: String,
    events: mpsc::UnboundedSender<Happening>,
}

#[derive(Default)]
struct State {
    znodes: Znodes,
    sessions: BTreeMap<SessionId, Session>,
    watchers: Vec<Watcher>,
    made: u64,
    /// Without a quorum nothing is answered and no session ends.
    away: bool,
}

/// See the module.
pub(super) struct Zoo {
    state: Mutex<State>,
    world: Arc<World>,
    kafka: Arc<Kafka>,
    pub(super) tree: Tree,
    pub(super) timeout: Duration,
}

impl Zoo {
    pub(super) fn new(world: &Arc<World>, kafka: &Arc<Kafka>, root: &str, timeout: Duration) -> Arc<Self> {
        let (world, kafka) = (Arc::clone(world), Arc::clone(kafka));
        Arc::new(Self { state: Mutex::default(), world, kafka, tree: Tree::new(root), timeout })
    }

    /// Begins a session, or takes one up again on a new connection: [`Error::SessionExpired`] if it is over.
    pub(super) fn connect(
        self: &Arc<Self>,
        process: &Arc<Process>,
        session: Option<SessionId>,
    ) -> Result<(SessionId, Arc<Connection>), Error> {
        let mut state = lock(&self.state);
        if state.away {
            return Err(Error::ConnectionLoss);
        }
        state.made += 1;
        let number = state.made;
        let session = match session {
            Some(known) if state.sessions.contains_key(&known) => known,
            Some(_) => return Err(Error::SessionExpired),
            None => {
                let (process, heard) = (Arc::clone(process), Instant::now());
                state.sessions.insert(number, Session { process, heard, connection: None });
                tokio::spawn(Arc::clone(self).expire(number));
                number
            }
        };
        let (requests, asked) = mpsc::unbounded_channel();
        let (parcels, sent) = mpsc::unbounded_channel();
        let connection = Arc::new(Connection {
            session,
            process: Arc::clone(process),
            requests,
            parcels,
            broken: watch::Sender::new(None),
            unanswered: Mutex::new(Some(Vec::new())),
        });
        if let Some(known) = state.sessions.get_mut(&session) {
            known.heard = Instant::now();
            if let Some(before) = known.connection.replace(Arc::clone(&connection)) {
                before.break_off(Duration::ZERO);
            }
        }
        drop(state);
        self.world.note("connected", process.number, session);
        tokio::spawn(Arc::clone(self).serve(Arc::clone(&connection), asked));
        tokio::spawn(deliver(Arc::clone(&connection), sent));
        tokio::spawn(ping(Arc::clone(&connection), self.timeout / 3));
        Ok((session, connection))
    }

    /// Carries a connection's requests out, one after the other.
    async fn serve(
        self: Arc<Self>,
        connection: Arc<Connection>,
        mut asked: mpsc::UnboundedReceiver<Request>,
    ) {
        let mut broken = connection.broken.subscribe();
        // What was sent before the end may still arrive, up to some request.
        let mut arriving: Option<u64> = None;
        loop {
            let request = tokio::select! {
                biased;
                request = asked.recv() => request,
                _ = broken.wait_for(Option::is_some) => None,
            };
            let Some((ask, answer)) = request else { return };
            self.world.travel().await;
            if broken.borrow().is_some() {
                let left = arriving.get_or_insert_with(|| self.world.pick(4));
                if *left > 0 {
                    *left -= 1;
                    let _unheard = self.execute(&connection, ask);
                }
                answer.into_iter().for_each(|answer| connection.leave_unanswered(answer));
                continue;
            }
            let outcome = self.execute(&connection, ask);
            if let Some(answer) = answer {
                let _sent = connection.parcels.send(Parcel::Answer(answer, outcome));
            }
        }
    }

    fn execute(&self, connection: &Arc<Connection>, ask: Ask) -> Result<Answer, Error> {
        let mut state = lock(&self.state);
        let session = connection.session;
        if state.away {
            return Err(Error::ConnectionLoss);
        }
        match state.sessions.get_mut(&session) {
            Some(known) => known.heard = Instant::now(),
            None => return Err(Error::SessionExpired),
        }
        match ask {
            Ask::Get(path) => match state.znodes.get(&path) {
                Some(node) => Ok(Answer::Data(node.data.clone(), node.version)),
                None => Err(Error::NoNode),
            },
            Ask::Exists(path) => Ok(Answer::Exists(state.znodes.get(&path).is_some())),
            Ask::Children(path) => match state.znodes.get(&path) {
                Some(_) => Ok(Answer::Names(state.znodes.children(&path))),
                None => Err(Error::NoNode),
            },
            Ask::Sync | Ask::Ping => Ok(Answer::Done),
            Ask::Create(path, data, mode) => {
                let (path, events) = state.znodes.create(session, &path, &data, mode)?;
                self.world.note("created", session, path.len() as u64);
                state.tell(&events);
                Ok(Answer::Path(path))
            }
            Ask::Commit(changes) => {
                self.check(&state, connection, &changes);
                let mirrors = self.mirrors(&state, &changes);
                let events = state.znodes.commit(session, &changes)?;
                for (before, after) in mirrors {
                    self.check_mirror(before.as_deref(), after);
                }
                self.world.note("committed", session, changes.len() as u64);
                self.take_note(connection, &changes);
                state.tell(&events);
                Ok(Answer::Done)
            }
            Ask::Watch(path, events) => {
                state.watchers.push(Watcher { connection: Arc::clone(connection), path, events });
                Ok(Answer::Done)
            }
            Ask::Close => {
                state.end(session);
                Ok(Answer::Done)
            }
        }
    }

    /// Mirrors that these changes write, as they are and as they will be. A late write of a former owner is refused: only
    /// what is written is looked at.
    fn mirrors<'c>(&self, state: &State, changes: &'c [Change]) -> Vec<(Option<Vec<u8>>, &'c [u8])> {
        let mirror = |change: &'c Change| match change {
            Change::Set(path, data, _) | Change::Create(path, data, _) => {
                let before = state.znodes.get(path).map(|node| node.data.clone());
                matches!(self.tree.node(path), Some(Node::Position(_))).then_some((before, data.as_slice()))
            }
            Change::Delete(..) | Change::Check(_) => None,
        };
        changes.iter().filter_map(mirror).collect()
    }

    /// Nobody deletes a lock of a live incarnation but itself.
    fn check(&self, state: &State, connection: &Connection, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Delete(path, _) => {
                    let owner = state.znodes.get(path).and_then(|node| state.sessions.get(&node.owner?));
                    let is_lock =
                        matches!(self.tree.node(path), Some(Node::LeaderLock(_) | Node::ShardLock(..)));
                    let Some(owner) = owner.filter(|_| is_lock) else { continue };
                    if owner.process.number == connection.process.number {
                        continue;
                    }
                    self.world.counts().deposed += 1;
                    if !owner.process.is(Condition::Dead) && state.is_latest(owner) {
                        self.world.violated(|| {
                            let (deleter, owner) = (connection.process.number, owner.process.number);
                            format!("process {deleter} deleted {path}, a lock of the live process {owner}")
                        });
                    }
                }
                Change::Set(..) | Change::Create(..) | Change::Check(_) => {}
            }
        }
    }

    fn check_mirror(&self, before: Option<&[u8]>, after: &[u8]) {
        let parse = |bytes: &[u8]| serde_json::from_slice::<PositionMirror>(bytes).ok();
        let Some(after) = parse(after) else { return };
        let committed = self.kafka.sequence();
        if after.sequence > committed {
            self.world.violated(|| format!("the mirror says {}, committed is {committed}", after.sequence));
        }
        if let Some(before) = before.and_then(parse)
            && (before.epoch, before.sequence) > (after.epoch, after.sequence)
        {
            self.world.violated(|| format!("the mirror goes back from {before:?} to {after:?}"));
        }
    }

    /// What changes that were carried out show.
    fn take_note(&self, connection: &Connection, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Check(path) => {
                    if let Some(Node::ShardLock(shard, _)) = self.tree.node(path) {
                        connection.process.prove(&shard);
                    }
                }
                Change::Create(path, data, _) if *path == self.tree.leader() => {
                    if let Ok(leader) = serde_json::from_slice::<LeaderRecord>(data) {
                        mistake::note_leader(leader.epoch);
                    }
                }
                Change::Set(path, data, _) if *path == self.tree.layout() => {
                    if let Ok(layout) = serde_json::from_slice::<Layout>(data) {
                        self.count(&layout);
                    }
                }
                _ => {}
            }
        }
    }

    /// Counts what the leader makes of a change of the layout: in its place is another one, or none.
    fn count(&self, layout: &Layout) {
        if layout.change.is_none() && layout.tried > 0 {
            let counts = &mut *self.world.counts();
            let counted =
                if layout.tried == layout.generation { &mut counts.divided } else { &mut counts.undone };
            *counted += 1;
        }
    }

    /// Ends a session when nothing was heard of it for too long.
    async fn expire(self: Arc<Self>, session: SessionId) {
        loop {
            let Some(heard) = lock(&self.state).sessions.get(&session).map(|known| known.heard) else {
                return;
            };
            sleep_until(heard + self.timeout).await;
            let mut state = lock(&self.state);
            let away = state.away;
            match state.sessions.get_mut(&session) {
                None => return,
                Some(known) if away => known.heard = Instant::now(),
                Some(known) if known.heard + self.timeout <= Instant::now() => {
                    let number = known.process.number;
                    self.world.note("expired", number, session);
                    self.world.counts().expired += 1;
                    return state.end(session);
                }
                Some(_) => {}
            }
        }
    }

    /// Ends the sessions of a member at once, as an administrator may.
    pub(super) fn expire_member(&self, member: usize) {
        let mut state = lock(&self.state);
        for session in state.sessions_of(member) {
            self.world.counts().expired += 1;
            state.end(session);
        }
    }

    /// Breaks the connections of a member, which notices after a while.
    pub(super) fn break_connections(&self, member: usize, notice: Duration) {
        let state = lock(&self.state);
        for session in state.sessions_of(member) {
            if let Some(connection) = state.sessions.get(&session).and_then(|known| known.connection.as_ref())
            {
                connection.break_off(notice);
            }
        }
    }

    /// The quorum goes, or comes back: sessions last as long again from then.
    pub(super) fn quorum(&self, away: bool) {
        let mut state = lock(&self.state);
        state.away = away;
        for session in state.sessions.values_mut() {
            session.heard = Instant::now();
            if let Some(connection) = session.connection.as_ref().filter(|_| away) {
                connection.break_off(Duration::ZERO);
            }
        }
    }

    /// Puts a request into the tree, once there is one.
    pub(super) fn put_request(&self, name: &str, data: Vec<u8>) {
        let create = Change::Create(self.tree.request(name), data, CreateMode::Persistent);
        let mut state = lock(&self.state);
        if let Ok(events) = state.znodes.commit(0, &[create]) {
            state.tell(&events);
        }
    }

    /// The process that holds a shard's lock.
    pub(super) fn holder(&self, shard: &ShardId) -> Option<u64> {
        let state = lock(&self.state);
        let directory = self.tree.shard_locks(shard);
        let names = state.znodes.children(&directory);
        let first =
            names.iter().min_by_key(|name| name.rsplit_once('-').map(|(_, number)| number.to_owned()))?;
        let owner = state.znodes.get(&format!("{directory}/{first}"))?.owner?;
        Some(state.sessions.get(&owner)?.process.number)
    }
}

impl State {
    fn sessions_of(&self, member: usize) -> Vec<SessionId> {
        let of =
            |(number, session): (&SessionId, &Session)| (session.process.member == member).then_some(*number);
        self.sessions.iter().filter_map(of).collect()
    }

    /// Whether its process has begun no other session since.
    fn is_latest(&self, session: &Session) -> bool {
        let latest = self.sessions.values().rfind(|other| other.process.number == session.process.number);
        latest.is_some_and(|latest| std::ptr::eq(latest, session))
    }

    fn end(&mut self, session: SessionId) {
        if let Some(ended) = self.sessions.remove(&session)
            && let Some(connection) = ended.connection
        {
            connection.break_off(Duration::ZERO);
        }
        let events = self.znodes.end(session);
        self.tell(&events);
    }

    /// Tells who watches. Watches end with their connection: what happens in between is not told.
    fn tell(&mut self, events: &[Event]) {
        self.watchers.retain(|watcher| watcher.connection.lives() && !watcher.events.is_closed());
        for event in events {
            let (path, happening) = match event {
                Event::Changed(path) => (path, Happening::Changed(path.clone())),
                Event::Deleted(path) => (path, Happening::Deleted(path.clone())),
            };
            for watcher in self.watchers.iter().filter(|watcher| path.starts_with(&watcher.path)) {
                let parcel = Parcel::Event(watcher.events.clone(), happening.clone());
                let _sent = watcher.connection.parcels.send(parcel);
            }
        }
    }
}

impl Connection {
    fn lives(&self) -> bool {
        self.broken.borrow().is_none()
    }

    fn break_off(&self, notice: Duration) {
        self.broken.send_if_modified(|broken| {
            let first = broken.is_none();
            broken.get_or_insert_with(|| Instant::now() + notice);
            first
        });
    }

    /// Completes when the client notices that the connection has ended; its open requests fail then.
    pub(super) async fn noticed(&self) {
        let mut broken = self.broken.subscribe();
        let notice = broken.wait_for(Option::is_some).await.ok().and_then(|notice| *notice);
        sleep_until(notice.unwrap_or_else(Instant::now)).await;
        self.process.runs().await;
        lock(&self.unanswered).take();
    }

    fn leave_unanswered(&self, answer: Reply) {
        self.process.world.counts().unanswered += 1;
        if let Some(unanswered) = lock(&self.unanswered).as_mut() {
            unanswered.push(answer);
        }
    }
}

/// Hands answers and events over in their order, each after its time under way.
async fn deliver(connection: Arc<Connection>, mut sent: mpsc::UnboundedReceiver<Parcel>) {
    let mut broken = connection.broken.subscribe();
    loop {
        let parcel = tokio::select! {
            biased;
            _ = broken.wait_for(Option::is_some) => return keep_unanswered(&connection, sent),
            parcel = sent.recv() => parcel,
        };
        let Some(parcel) = parcel else { return };
        connection.process.world.travel().await;
        connection.process.runs().await;
        match parcel {
            Parcel::Answer(to, _) if !connection.lives() => connection.leave_unanswered(to),
            Parcel::Answer(to, answer) => drop(to.send(answer)),
            Parcel::Event(to, happening) => drop(to.send(happening)),
        }
    }
}

/// Answers that were under way when the connection ended: the client waits until it notices.
fn keep_unanswered(connection: &Connection, mut sent: mpsc::UnboundedReceiver<Parcel>) {
    while let Ok(parcel) = sent.try_recv() {
        if let Parcel::Answer(to, _) = parcel {
            connection.leave_unanswered(to);
        }
    }
}

/// Keeps the session alive for as long as the process runs and the connection lasts.
async fn ping(connection: Arc<Connection>, interval: Duration) {
    while connection.lives() {
        connection.process.runs().await;
        if connection.requests.send((Ask::Ping, None)).is_err() {
            return;
        }
        tokio::time::sleep(interval).await;
    }
}
