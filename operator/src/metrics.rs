//! Every metric of the operator, by name. Names are an interface: rules, dashboards and documents use them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kube::runtime::reflector::ObjectRef;
use maxwell_crds::v1alpha1::{MaxwellCluster, Phase};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabel {
    phase: String,
}

/// The process's metrics.
pub struct Metrics {
    registry: Registry,
    reconciles: Counter,
    failures: Family<KindLabel, Counter>,
    duration: Histogram,
    leader: Gauge,
    clusters: Family<PhaseLabel, Gauge>,
    phases: Mutex<HashMap<ObjectRef<MaxwellCluster>, Phase>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("maxwell_operator"),
            reconciles: Counter::default(),
            failures: Family::default(),
            // From 5 ms to 41 s.
            duration: Histogram::new(exponential_buckets(0.005, 2.0, 14)),
            leader: Gauge::default(),
            clusters: Family::default(),
            phases: Mutex::default(),
        };
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("reconciles", "Reconciliations that ended", self.reconciles.clone());
        registry.register(
            "reconcile_failures",
            "Reconciliations that failed, by kind of error",
            self.failures.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "Time that a reconciliation took",
            Unit::Seconds,
            self.duration.clone(),
        );
        registry.register("leader", "1 while this replica holds the Lease", self.leader.clone());
        registry.register("clusters", "MaxwellClusters by phase", self.clusters.clone());
        self
    }

    /// The exposition in OpenMetrics' text form.
    pub fn encode(&self) -> String {
        let phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for phase in Phase::ALL {
            let count = phases.values().filter(|one| **one == phase).count();
            let label = PhaseLabel { phase: format!("{phase:?}") };
            self.clusters.get_or_create(&label).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes every character");
        text
    }

    /// A reconciliation ended, well or not.
    pub fn reconciled(&self, took: Duration) {
        self.reconciles.inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// A reconciliation failed.
    pub fn failed(&self, kind: &'static str) {
        self.failures.get_or_create(&KindLabel { kind }).inc();
    }

    /// Whether this replica holds the Lease.
    pub fn set_leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// The phase that a cluster is in.
    pub fn set_phase(&self, cluster: &ObjectRef<MaxwellCluster>, phase: Phase) {
        self.phases.lock().unwrap_or_else(PoisonError::into_inner).insert(cluster.clone(), phase);
    }

    /// A cluster is gone.
    pub fn forget(&self, cluster: &ObjectRef<MaxwellCluster>) {
        self.phases.lock().unwrap_or_else(PoisonError::into_inner).remove(cluster);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_others_use_are_there() {
        let metrics = Metrics::default();
        let cluster = ObjectRef::new("orders").within("cdc");
        metrics.reconciled(Duration::from_millis(20));
        metrics.failed("Apply");
        metrics.set_leader(true);
        metrics.set_phase(&cluster, Phase::Running);
        let text = metrics.encode();
        for line in [
            "maxwell_operator_reconciles_total 1",
            "maxwell_operator_reconcile_failures_total{kind=\"Apply\"} 1",
            "maxwell_operator_reconcile_duration_seconds_count 1",
            "maxwell_operator_leader 1",
            "maxwell_operator_clusters{phase=\"Running\"} 1",
            "maxwell_operator_clusters{phase=\"Failed\"} 0",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
        metrics.forget(&cluster);
        assert!(metrics.encode().contains("maxwell_operator_clusters{phase=\"Running\"} 0"));
    }
}
