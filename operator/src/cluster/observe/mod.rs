//! Watches the clusters' ZooKeeper trees: one background task per cluster, which never fails a reconcile. Unknown is a
//! value, and a change that shows in the status triggers the reconcile at once.

mod published;
mod session;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::mpsc::UnboundedSender;
use kube::runtime::reflector::ObjectRef;
use maxwell_crds::v1alpha1::MaxwellCluster;
use maxwell_protocol::snapshot::ClusterSnapshot;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use published::Published;

/// Where a cluster's tree is.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// The ensemble, `host:port` separated by commas.
    pub hosts: String,
    /// The cluster's root node.
    pub root: String,
    /// `user:password`, when the tree is its owner's only.
    pub digest: Option<String>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("hosts", &self.hosts)
            .field("root", &self.root)
            .field("digest", &self.digest.as_ref().map(|_| "hidden"))
            .finish()
    }
}

/// What is known of a cluster's tree.
#[derive(Debug, Clone)]
pub enum Observation {
    /// It was not read yet.
    Pending,
    /// It is as the snapshot says, but for figures that may be some seconds old.
    Known {
        /// The tree.
        snapshot: Arc<ClusterSnapshot>,
    },
    /// ZooKeeper does not answer, or refuses.
    Unreachable {
        /// Why, and what mends it.
        error: String,
        /// How the tree was before.
        last: Option<Arc<ClusterSnapshot>>,
    },
}

/// The background tasks, by cluster.
pub struct Observers {
    trigger: UnboundedSender<ObjectRef<MaxwellCluster>>,
    tasks: Mutex<HashMap<ObjectRef<MaxwellCluster>, Task>>,
}

struct Task {
    target: Target,
    latest: watch::Receiver<Observation>,
    handle: JoinHandle<()>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl Observers {
    /// Observes nothing yet. What is sent to `trigger` shall be reconciled.
    pub fn new(trigger: UnboundedSender<ObjectRef<MaxwellCluster>>) -> Self {
        Self { trigger, tasks: Mutex::default() }
    }

    /// The latest that is known of `cluster`, at once. Begins to observe it, or begins anew when `target` is another
    /// than before.
    pub fn observe(&self, cluster: &ObjectRef<MaxwellCluster>, target: Target) -> Observation {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = tasks.get(cluster)
            && task.target == target
            && !task.handle.is_finished()
        {
            return task.latest.borrow().clone();
        }
        tracing::debug!(%cluster, ?target, "observing the ZooKeeper tree");
        let (published, latest) = Published::new(cluster.clone(), self.trigger.clone());
        let handle = tokio::spawn(session::observe(target.clone(), published));
        tasks.insert(cluster.clone(), Task { target, latest, handle });
        Observation::Pending
    }

    /// The digest by which the tree of `cluster` is read, if it is observed by one.
    pub fn digest(&self, cluster: &ObjectRef<MaxwellCluster>) -> Option<String> {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.get(cluster)?.target.digest.clone()
    }

    /// Ends the observation of `cluster`.
    pub fn forget(&self, cluster: &ObjectRef<MaxwellCluster>) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).remove(cluster);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_hides_its_password() {
        let digest = Some("user:s3cret".to_owned());
        let shown = format!("{:?}", Target { hosts: "zk:2181".into(), root: "/m".into(), digest });
        assert!(shown.contains("zk:2181") && !shown.contains("s3cret"), "{shown}");
    }

    #[tokio::test]
    async fn a_digest_is_known_for_as_long_as_it_is_used() {
        let (trigger, _triggered) = futures::channel::mpsc::unbounded();
        let observers = Observers::new(trigger);
        let cluster = ObjectRef::new("orders").within("cdc");
        assert_eq!(observers.digest(&cluster), None);
        let digest = Some("user:s3cret".to_owned());
        observers.observe(
            &cluster,
            Target { hosts: "127.0.0.1:1".into(), root: "/m".into(), digest: digest.clone() },
        );
        assert_eq!(observers.digest(&cluster), digest);
        observers.forget(&cluster);
        assert_eq!(observers.digest(&cluster), None);
    }

    #[tokio::test]
    async fn an_observation_starts_pending_and_ends_when_forgotten() {
        let (trigger, _triggered) = futures::channel::mpsc::unbounded();
        let observers = Observers::new(trigger);
        let cluster = ObjectRef::new("orders").within("cdc");
        let target = |port| Target { hosts: format!("127.0.0.1:{port}"), root: "/m".into(), digest: None };
        assert!(matches!(observers.observe(&cluster, target(1)), Observation::Pending));
        let first = observers.tasks.lock().unwrap()[&cluster].handle.abort_handle();
        observers.observe(&cluster, target(1));
        observers.observe(&cluster, target(2));
        let second = observers.tasks.lock().unwrap()[&cluster].handle.abort_handle();
        observers.forget(&cluster);
        while !(first.is_finished() && second.is_finished()) {
            tokio::task::yield_now().await;
        }
        assert!(observers.tasks.lock().unwrap().is_empty());
    }
}
