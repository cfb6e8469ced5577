//! What every reconcile of one controller shares.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::Client;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::ObjectRef;
use maxwell_crds::v1alpha1::MaxwellCluster;

use super::apply::Applier;
use super::neighbours::Neighbours;
use super::observe::Observers;
use super::status::Memory;
use crate::metrics::Metrics;

/// What every reconcile of one controller shares.
pub struct Context {
    /// Kubernetes.
    pub client: Client,
    /// Posts events.
    pub recorder: Recorder,
    /// The process's metrics.
    pub metrics: Arc<Metrics>,
    /// The watches on the ZooKeeper trees.
    pub observers: Observers,
    /// The other clusters, those of other controllers too.
    pub neighbours: Arc<Neighbours>,
    /// The image of workers whose resource names none.
    pub worker_image: String,
    pub(super) applier: Applier,
    pub(super) memory: Memory,
    failures: Mutex<HashMap<ObjectRef<MaxwellCluster>, u32>>,
}

impl Context {
    /// Puts it together.
    pub fn new(
        client: Client,
        recorder: Recorder,
        metrics: Arc<Metrics>,
        observers: Observers,
        neighbours: Arc<Neighbours>,
        worker_image: String,
    ) -> Self {
        let applier = Applier::new(client.clone());
        let (memory, failures) = Default::default();
        Self { client, recorder, metrics, observers, neighbours, worker_image, applier, memory, failures }
    }

    /// Counts a failure; how many there were in a row.
    pub(super) fn failed(&self, cluster: &ObjectRef<MaxwellCluster>) -> u32 {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(cluster.clone()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// Ends the row of failures.
    pub(super) fn succeeded(&self, cluster: &ObjectRef<MaxwellCluster>) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(cluster);
    }

    /// Forgets a cluster that is gone.
    pub(super) fn forget(&self, cluster: &ObjectRef<MaxwellCluster>, uid: &str) {
        self.observers.forget(cluster);
        self.metrics.forget(cluster);
        self.applier.forget(uid);
        self.succeeded(cluster);
        self.memory.forget(cluster);
    }
}
