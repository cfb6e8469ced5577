//! What of the tree is published, and when: a change that others act on at once, mere figures now and then.

use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc::UnboundedSender;
use kube::runtime::reflector::ObjectRef;
use maxwell_crds::v1alpha1::MaxwellCluster;
use maxwell_protocol::member::{MemberRecord, Retention};
use maxwell_protocol::snapshot::ClusterSnapshot;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Observation;
use crate::cluster::status::{cpu_percent, lag_seconds, memory_bytes, seconds_left};

/// Positions, lag and vitals are published this often at most.
const FIGURES: Duration = Duration::from_secs(15);

/// The observation that the reconciler sees.
pub(super) struct Published {
    cluster: ObjectRef<MaxwellCluster>,
    trigger: UnboundedSender<ObjectRef<MaxwellCluster>>,
    observation: watch::Sender<Observation>,
    /// When the snapshot was published.
    at: Instant,
}

impl Published {
    pub(super) fn new(
        cluster: ObjectRef<MaxwellCluster>,
        trigger: UnboundedSender<ObjectRef<MaxwellCluster>>,
    ) -> (Self, watch::Receiver<Observation>) {
        let (observation, latest) = watch::channel(Observation::Pending);
        (Self { cluster, trigger, observation, at: Instant::now() }, latest)
    }

    /// Takes the tree as it is now. Returns when figures that are held back are due.
    pub(super) fn offer(&mut self, snapshot: ClusterSnapshot, now: Instant) -> Option<Instant> {
        let news = match &*self.observation.borrow() {
            Observation::Known { snapshot: before } => news(before, &snapshot),
            Observation::Pending | Observation::Unreachable { .. } => News::Urgent,
        };
        match news {
            News::None => return None,
            News::Figures if now < self.at + FIGURES => return Some(self.at + FIGURES),
            News::Figures | News::Urgent => {}
        }
        self.at = now;
        self.publish(Observation::Known { snapshot: Arc::new(snapshot) });
        None
    }

    /// ZooKeeper does not answer, or refuses.
    pub(super) fn unreachable(&mut self, error: String) {
        let last = match &*self.observation.borrow() {
            Observation::Pending => None,
            Observation::Known { snapshot } => Some(Arc::clone(snapshot)),
            Observation::Unreachable { error: before, .. } if *before == error => return,
            Observation::Unreachable { last, .. } => last.clone(),
        };
        tracing::warn!(cluster = %self.cluster, error, "the ZooKeeper tree cannot be observed");
        self.publish(Observation::Unreachable { error, last });
    }

    fn publish(&self, observation: Observation) {
        self.observation.send_replace(observation);
        // Nobody listens any more only when the process ends.
        let _ = self.trigger.unbounded_send(self.cluster.clone());
    }
}

#[derive(Debug, PartialEq, Eq)]
enum News {
    None,
    /// Only figures moved.
    Figures,
    /// Something changed that is told at once.
    Urgent,
}

fn news(before: &ClusterSnapshot, now: &ClusterSnapshot) -> News {
    if without_figures(before) != without_figures(now) {
        News::Urgent
    } else if with_coarse_figures(before) != with_coarse_figures(now) {
        News::Figures
    } else {
        News::None
    }
}

fn without_figures(snapshot: &ClusterSnapshot) -> ClusterSnapshot {
    let mut snapshot = snapshot.clone();
    snapshot.positions.clear();
    for member in snapshot.members.values_mut() {
        (member.cpu_percent, member.memory_bytes) = (0.0, 0);
        without_rates(member);
        for report in member.shards.values_mut() {
            (report.lag_milliseconds, report.retention) = (0, Retention::Unknown);
        }
    }
    snapshot
}

/// The status does not show these at all.
fn without_rates(member: &mut MemberRecord) {
    (member.rows_per_second, member.bytes_per_second, member.unsent_bytes) = (0.0, 0.0, 0);
    for report in member.shards.values_mut() {
        report.rows_per_second = 0.0;
    }
}

/// The figures as the status shows them.
fn with_coarse_figures(snapshot: &ClusterSnapshot) -> ClusterSnapshot {
    let mut snapshot = snapshot.clone();
    for mirror in snapshot.positions.values_mut() {
        (mirror.timestamp, mirror.sequence) = (0, 0);
    }
    for member in snapshot.members.values_mut() {
        without_rates(member);
        member.cpu_percent = f64::from(cpu_percent(member.cpu_percent, None));
        member.memory_bytes = memory_bytes(member.memory_bytes, None).unsigned_abs();
        for report in member.shards.values_mut() {
            report.lag_milliseconds = lag_seconds(report.lag_milliseconds, None).unsigned_abs();
            if let Retention::Seconds(seconds) = &mut report.retention {
                *seconds = seconds_left(*seconds).unsigned_abs();
            }
        }
    }
    snapshot
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::id::Incarnation;
    use maxwell_protocol::member::{LeaderRecord, MemberState, ShardState};

    use super::*;
    use crate::cluster::status::testing::{snapshot, streaming_member};

    fn cluster() -> ClusterSnapshot {
        snapshot([streaming_member("orders-0")])
    }

    fn member(snapshot: &mut ClusterSnapshot) -> &mut MemberRecord {
        snapshot.members.get_mut(&"orders-0".into()).unwrap()
    }

    fn changed(change: impl FnOnce(&mut ClusterSnapshot)) -> News {
        let before = cluster();
        let mut now = before.clone();
        change(&mut now);
        news(&before, &now)
    }

    #[test]
    fn a_heartbeat_that_moves_nothing_visible_is_no_news() {
        let heartbeat = |snapshot: &mut ClusterSnapshot| {
            let member = member(snapshot);
            member.cpu_percent += 1.0;
            member.memory_bytes += 4096;
            member.rows_per_second = 1e6;
            member.shards.get_mut(&"0".into()).unwrap().lag_milliseconds += 100;
            let mirror = snapshot.positions.get_mut(&"0".into()).unwrap();
            (mirror.sequence, mirror.timestamp) = (99, 99);
        };
        assert_eq!(changed(heartbeat), News::None);
    }

    #[test]
    fn figures_can_wait() {
        let shard = || "0".into();
        assert_eq!(changed(|s| s.positions.get_mut(&shard()).unwrap().binlog_position += 1), News::Figures);
        assert_eq!(changed(|s| member(s).cpu_percent += 50.0), News::Figures);
        let lag = |s: &mut ClusterSnapshot| {
            member(s).shards.get_mut(&"0".into()).unwrap().lag_milliseconds += 60_000;
        };
        assert_eq!(changed(lag), News::Figures);
        let left = |seconds| {
            move |s: &mut ClusterSnapshot| {
                member(s).shards.get_mut(&"0".into()).unwrap().retention = Retention::Seconds(seconds);
            }
        };
        assert_eq!(changed(left(86_400)), News::Figures);
        let mut before = cluster();
        left(7_300)(&mut before);
        let mut now = before.clone();
        left(7_240)(&mut now);
        assert_eq!(news(&before, &now), News::None);
    }

    #[test]
    fn what_others_act_on_cannot() {
        let leader = LeaderRecord {
            id: "orders-1".into(),
            incarnation: Incarnation::random(),
            address: String::new(),
            epoch: maxwell_protocol::id::Epoch(4),
            since: 0,
        };
        assert_eq!(changed(|s| s.leader = Some(leader)), News::Urgent);
        assert_eq!(changed(|s| s.leader = None), News::Urgent);
        assert_eq!(changed(|s| s.members.clear()), News::Urgent);
        assert_eq!(changed(|s| member(s).state = MemberState::Draining), News::Urgent);
        assert_eq!(changed(|s| member(s).kafka.reachable = Some(false)), News::Urgent);
        let halt = |s: &mut ClusterSnapshot| {
            member(s).shards.get_mut(&"0".into()).unwrap().state = ShardState::Halted;
        };
        assert_eq!(changed(halt), News::Urgent);
    }

    #[test]
    fn figures_are_published_once_in_a_while() {
        let (trigger, mut triggered) = futures::channel::mpsc::unbounded();
        let (mut published, latest) = Published::new(ObjectRef::new("orders").within("cdc"), trigger);
        let tree = cluster();
        let moved = |offset| {
            let mut now = tree.clone();
            now.positions.get_mut(&"0".into()).unwrap().binlog_position = offset;
            now
        };
        let start = Instant::now();
        assert_eq!(published.offer(moved(1), start), None);
        assert_eq!(published.offer(moved(2), start + Duration::from_secs(1)), Some(start + FIGURES));
        assert!(triggered.try_recv().is_ok() && triggered.try_recv().is_err());
        assert_eq!(published.offer(moved(3), start + FIGURES), None);
        assert!(triggered.try_recv().is_ok());
        published.unreachable("away".into());
        published.unreachable("away".into());
        assert!(triggered.try_recv().is_ok() && triggered.try_recv().is_err());
        let kept = latest.borrow().clone();
        assert!(matches!(kept, Observation::Unreachable { last: Some(last), .. } if *last == moved(3)));
        assert_eq!(published.offer(moved(3), start + FIGURES), None);
        assert!(matches!(*latest.borrow(), Observation::Known { .. }));
    }
}
