//! What a run tells others while it streams: the observer, the mirror of the position, the owner's lock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use maxwell_protocol::id::Epoch;
use maxwell_protocol::member::{ShardReport, ShardState};
use maxwell_protocol::position::{PositionMirror, PositionRecord};
use tokio::sync::watch;
use tokio::time::Instant;

use super::delay::Delay;
use super::retained::Retained;
use super::status::{Committed, Observer};
use crate::clock::at_source;
use crate::coordination::{Ownership, Resumption};

const MIRROR_INTERVAL: Duration = Duration::from_secs(2);

/// Tells the observer, the mirror and, once, the owner's lock.
pub(crate) struct Watcher {
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) progress: watch::Sender<Option<PositionRecord>>,
    pub(crate) ownership: Arc<dyn Ownership>,
    pub(crate) delay: Arc<Mutex<Delay>>,
    pub(crate) rows: Arc<AtomicU64>,
    pub(crate) before: Option<i64>,
    pub(crate) resumed: AtomicBool,
}

impl Observer for Watcher {
    fn received(&self, source_time: i64) {
        lock(&self.delay).received(source_time);
        self.observer.received(source_time);
    }

    fn queued(&self, bytes: u64) {
        self.observer.queued(bytes);
    }

    fn committed(&self, committed: &Committed) {
        self.rows.fetch_add(committed.rows, Ordering::Relaxed);
        self.progress.send_replace(Some(committed.record.clone()));
        lock(&self.delay).committed(committed.record.source_time, committed.drained);
        if !self.resumed.swap(true, Ordering::Relaxed) {
            self.ownership.resumed(Resumption { before: self.before, rows: committed.rows > 0 });
        }
        self.observer.committed(committed);
    }

    fn resumed(&self, epoch: Epoch, source_time: i64, inside: bool) {
        self.observer.resumed(epoch, source_time, inside);
    }

    fn waits(&self, epoch: Epoch) {
        self.observer.waits(epoch);
    }

    fn aborted(&self) {
        self.observer.aborted();
    }

    fn row_less(&self) {
        self.observer.row_less();
    }

    fn fenced(&self) {
        self.observer.fenced();
    }

    fn lock_lost(&self) {
        self.observer.lock_lost();
    }

    fn mysql(&self, outcome: Result<(), &str>) {
        self.observer.mysql(outcome);
    }

    fn retention(&self, seconds: f64) {
        self.observer.retention(seconds);
    }

    fn kafka(&self, outcome: Result<(), &str>) {
        self.observer.kafka(outcome);
    }
}

/// Keeps the mirror and the report fresh.
pub(crate) async fn mirror(
    ownership: Arc<dyn Ownership>,
    mut progress: watch::Receiver<Option<PositionRecord>>,
    (delay, rows): (Arc<Mutex<Delay>>, Arc<AtomicU64>),
    retained: Arc<Retained>,
    epoch: Epoch,
) {
    let mut tick = tokio::time::interval(MIRROR_INTERVAL);
    let mut counted = Instant::now();
    loop {
        tick.tick().await;
        let lag_milliseconds = lock(&delay).milliseconds(at_source());
        let span = counted.elapsed().max(Duration::from_millis(1));
        counted = Instant::now();
        let rows_per_second = rows.swap(0, Ordering::Relaxed) as f64 / span.as_secs_f64();
        let report = retained.report(ShardState::Streaming, epoch, lag_milliseconds, "");
        ownership.report(ShardReport { rows_per_second, ..report });
        let moved = progress.has_changed().unwrap_or(false);
        let record = progress.borrow_and_update().clone();
        if let Some(record) = record.filter(|_| moved) {
            ownership.mirror(PositionMirror::from(&record)).await;
        }
    }
}

pub(super) fn lock(delay: &Mutex<Delay>) -> MutexGuard<'_, Delay> {
    delay.lock().unwrap_or_else(PoisonError::into_inner)
}
