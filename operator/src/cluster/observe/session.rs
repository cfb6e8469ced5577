//! Follows one tree through as many ZooKeeper sessions as it takes. The observer holds no node, so a session that was
//! cut is not taken up again but replaced: events that were missed meanwhile are made up for by reading afresh.

use std::time::Duration;

use maxwell_protocol::reader::{ReadError, TreeReader};
use maxwell_protocol::snapshot::ClusterSnapshot;
use maxwell_protocol::tree::{Node, Tree};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use zookeeper_client::{Error, EventType, PersistentWatcher, SessionState, WatchedEvent};

use super::{Published, Target};

/// Between two attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A cut that is mended within this time is not told.
const GRACE: Duration = Duration::from_secs(2);
/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_secs(5);
/// Without events the tree is read this often all the same: an event can be lost.
const REFRESH: Duration = Duration::from_secs(30);

/// A session with its watch set.
struct Session {
    reader: TreeReader,
    watcher: PersistentWatcher,
}

/// Observes `target` until it is aborted.
pub(super) async fn observe(target: Target, mut published: Published) {
    let mut pause = FIRST_PAUSE;
    let mut error = format!("no answer from ZooKeeper at {} yet", target.hosts);
    loop {
        match open(&target, &mut published, &error).await {
            Ok(session) => {
                pause = FIRST_PAUSE;
                error = session.follow(&target, &mut published).await;
                tracing::info!(
                    hosts = target.hosts,
                    root = target.root,
                    error,
                    "the ZooKeeper session ended"
                );
            }
            Err(refusal) => {
                published.unreachable(refusal.clone());
                error = refusal;
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Connects, sets the watch and publishes the tree. What is still not there after a while is told, with `error`, the
/// reason of the last failure.
async fn open(target: &Target, published: &mut Published, error: &str) -> Result<Session, String> {
    let opening = begin(target);
    tokio::pin!(opening);
    let opened = tokio::select! {
        opened = &mut opening => opened,
        () = sleep(GRACE) => {
            published.unreachable(error.to_owned());
            opening.await
        }
    };
    let (session, snapshot) = opened?;
    published.offer(snapshot, Instant::now());
    Ok(session)
}

/// The watch comes before the reading, so that no change falls between them.
async fn begin(target: &Target) -> Result<(Session, ClusterSnapshot), String> {
    let reader = TreeReader::connect(&target.hosts, &target.root, target.digest.as_deref())
        .await
        .map_err(|error| explain(&error))?;
    let watcher = answered(target, reader.watch()).await?;
    let snapshot = answered(target, reader.snapshot()).await?;
    Ok((Session { reader, watcher }, snapshot))
}

impl Session {
    /// Publishes the tree as it changes. Returns why that ended.
    async fn follow(mut self, target: &Target, published: &mut Published) -> String {
        let mut due = Instant::now() + REFRESH;
        loop {
            tokio::select! {
                event = self.watcher.changed() => match interest(self.reader.tree(), &event) {
                    Interest::Cut => return format!("the connection to ZooKeeper at {} was lost", target.hosts),
                    Interest::Within(delay) => due = due.min(Instant::now() + delay),
                    Interest::None => {}
                },
                () = sleep_until(due) => match answered(target, self.reader.snapshot()).await {
                    Ok(snapshot) => {
                        let now = Instant::now();
                        let held = published.offer(snapshot, now);
                        due = held.unwrap_or(now + REFRESH).min(now + REFRESH);
                    }
                    Err(error) => return error,
                },
            }
        }
    }
}

enum Interest {
    /// The session is cut or over.
    Cut,
    /// The tree shall be read again within this time.
    Within(Duration),
    /// Nothing that the snapshot holds.
    None,
}

fn interest(tree: &Tree, event: &WatchedEvent) -> Interest {
    if event.event_type != EventType::Session {
        return patience(tree.node(&event.path)).map_or(Interest::None, Interest::Within);
    }
    match event.session_state {
        SessionState::SyncConnected | SessionState::ConnectedReadOnly => Interest::Within(Duration::ZERO),
        _ => Interest::Cut,
    }
}

/// How soon a change of `node` is followed up: what comes often waits for its like. `None` for what no snapshot holds.
fn patience(node: Option<Node>) -> Option<Duration> {
    let milliseconds = match node {
        Some(Node::LeaderLock(_) | Node::ShardLock(..)) => return None,
        Some(
            Node::Leader
            | Node::Roster(_)
            | Node::Layout
            | Node::Config
            | Node::History
            | Node::Assignment(_),
        ) => 0,
        Some(Node::Member(_) | Node::Request(_)) => 30,
        Some(Node::Position(_)) | None => 1_000,
    };
    Some(Duration::from_millis(milliseconds))
}

async fn answered<T>(target: &Target, read: impl Future<Output = Result<T, ReadError>>) -> Result<T, String> {
    match timeout(ANSWER, read).await {
        Ok(read) => read.map_err(|error| explain(&error)),
        Err(_) => Err(format!("ZooKeeper at {} does not answer within {} s", target.hosts, ANSWER.as_secs())),
    }
}

/// The error in the terms of the resource.
fn explain(error: &ReadError) -> String {
    match error {
        ReadError::Connect { hosts, source: Error::BadArguments(_) } => {
            format!("zookeeper.hosts {hosts:?} is not a list of host:port: correct it")
        }
        ReadError::Connect { hosts, source } => format!(
            "the operator cannot connect to ZooKeeper at {hosts} ({source}): check zookeeper.hosts and that its \
             network lets the operator through"
        ),
        ReadError::Read { path, source: Error::NoAuth | Error::AuthFailed } => format!(
            "no right to read {path} in ZooKeeper: give the credentials of its owner in \
             zookeeper.credentialsSecretRef"
        ),
        ReadError::Read { path, source } => format!("cannot read {path} from ZooKeeper ({source})"),
        ReadError::Write { path, source } => format!("cannot write {path} in ZooKeeper ({source})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_leader_is_looked_at_at_once_and_a_lock_never() {
        let tree = Tree::new("/m");
        let of = |path: String| patience(tree.node(&path));
        assert_eq!(of(tree.leader()), Some(Duration::ZERO));
        assert!(of(tree.member(&"a".into())).is_some_and(|delay| delay < Duration::from_millis(50)));
        assert_eq!(of(tree.position(&"0".into())), Some(Duration::from_secs(1)));
        assert_eq!(of(tree.root().to_owned()), Some(Duration::from_secs(1)));
        assert_eq!(of(format!("{}/x-1", tree.leader_locks())), None);
    }

    #[test]
    fn refusals_name_the_mend() {
        let hosts = || "zk:2181".to_owned();
        let refused = explain(&ReadError::Connect { hosts: hosts(), source: Error::Timeout });
        assert!(refused.contains("zk:2181") && refused.contains("zookeeper.hosts"), "{refused}");
        let denied = explain(&ReadError::Read { path: "/m".into(), source: Error::NoAuth });
        assert!(denied.contains("/m") && denied.contains("zookeeper.credentialsSecretRef"), "{denied}");
    }
}
