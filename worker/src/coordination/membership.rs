//! This member's record: written at every heartbeat, and at once when something changed that others act on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use maxwell_protocol::id::{Incarnation, MemberId, ShardId};
use maxwell_protocol::live::InForce;
use maxwell_protocol::member::{MemberRecord, MemberState, Retention, ShardReport};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use zookeeper_client::CreateMode;

use super::config::Health;
use super::error::{CoordinationError, Failure};
use super::store::{Change, Store, encode};

/// How often a change of a connection's state is looked for.
const LOOK: Duration = Duration::from_secs(1);

/// The record and what writes it.
pub(super) struct Membership {
    record: Mutex<MemberRecord>,
    urgent: Notify,
    failovers: AtomicU64,
}

impl Membership {
    pub(super) fn new(record: MemberRecord) -> Self {
        Self { record: Mutex::new(record), urgent: Notify::new(), failovers: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, MemberRecord> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This member.
    pub(super) fn id(&self) -> MemberId {
        self.lock().id.clone()
    }

    /// What was last said of a shard that it owns.
    pub(super) fn shard(&self, shard: &ShardId) -> Option<ShardReport> {
        self.lock().shards.get(shard).cloned()
    }

    /// Counts a shard that was taken over from a member that failed.
    pub(super) fn count_failover(&self) {
        self.failovers.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were.
    pub(super) fn failovers(&self) -> u64 {
        self.failovers.load(Ordering::Relaxed)
    }

    /// Changes what the member is doing.
    pub(super) fn set_state(&self, state: MemberState) {
        let before = std::mem::replace(&mut self.lock().state, state);
        if before != state {
            self.urgent.notify_one();
        }
    }

    /// Changes what is said of the settings.
    pub(super) fn set_settings(&self, settings: InForce) {
        self.lock().settings = settings;
        self.urgent.notify_one();
    }

    /// Takes a shard's report in.
    pub(super) fn report(&self, shard: &ShardId, report: ShardReport) {
        let before = self.lock().shards.insert(shard.clone(), report.clone());
        let told = |it: ShardReport| (it.state, it.epoch, it.stopped_for, it.sealed, it.last_error);
        if before.map(told) != Some(told(report)) {
            self.urgent.notify_one();
        }
    }

    /// What the shard's last report said of how long the source keeps its position.
    pub(super) fn retention(&self, shard: &ShardId) -> Retention {
        self.lock().shards.get(shard).map(|report| report.retention).unwrap_or_default()
    }

    /// Forgets a shard that is no longer owned.
    pub(super) fn withdraw(&self, shard: &ShardId) {
        if self.lock().shards.remove(shard).is_some() {
            self.urgent.notify_one();
        }
    }

    /// Takes the latest vitals in; whether a connection came or went.
    pub(super) fn refresh(&self, health: &dyn Health) -> bool {
        let vitals = health.vitals();
        let mut record = self.lock();
        let moved = (record.mysql.reachable, record.kafka.reachable)
            != (vitals.mysql.reachable, vitals.kafka.reachable);
        record.mysql = vitals.mysql;
        record.kafka = vitals.kafka;
        record.cpu_percent = vitals.cpu_percent;
        record.memory_bytes = vitals.memory_bytes;
        record.memory_limit_bytes = vitals.memory_limit_bytes;
        record.rows_per_second = vitals.rows_per_second;
        record.bytes_per_second = vitals.bytes_per_second;
        record.unsent_bytes = vitals.unsent_bytes;
        moved
    }

    /// Writes the record for as long as the session lives.
    pub(super) async fn keep(&self, store: &Store, health: &dyn Health, interval: Duration) -> Failure {
        let mut heartbeat = tokio::time::interval(interval);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = tokio::time::interval(LOOK.min(interval));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut version = None;
        loop {
            let due = tokio::select! {
                _ = heartbeat.tick() => { self.refresh(health); true }
                _ = look.tick() => self.refresh(health),
                () = health.changed() => self.refresh(health),
                () = self.urgent.notified() => true,
            };
            if !due {
                continue;
            }
            if let Err(failure) = self.write(store, &mut version).await {
                return failure;
            }
        }
    }

    /// Writes the record over the version that this member wrote last, so that two processes under one name notice
    /// each other.
    async fn write(&self, store: &Store, version: &mut Option<i32>) -> Result<(), Failure> {
        let (id, incarnation, data) = self.encoded();
        let listening = self.lock().probe_address.clone();
        let path = store.tree().member(&id);
        loop {
            let change = match *version {
                Some(known) => Change::Set(path.clone(), data.clone(), Some(known)),
                None => Change::Create(path.clone(), data.clone(), CreateMode::Ephemeral),
            };
            match store.commit(&[change]).await {
                Ok(()) => {
                    *version = Some(version.map_or(0, |known| known + 1));
                    return Ok(());
                }
                Err(Failure::Conflict) => {}
                Err(failure) => return Err(failure),
            }
            *version = match store.read::<MemberRecord>(&path).await? {
                None => None,
                Some((found, at)) if found.incarnation == incarnation => Some(at),
                // No two processes listen there: what a dead one had still sent, at a version that came about again.
                Some((found, at)) if found.probe_address == listening => Some(at),
                Some((found, _)) => {
                    let address = found.probe_address;
                    return Err(CoordinationError::Duplicate { id, address }.into());
                }
            };
        }
    }

    fn encoded(&self) -> (MemberId, Incarnation, Vec<u8>) {
        let record = self.lock();
        (record.id.clone(), record.incarnation, encode(&*record))
    }
}
