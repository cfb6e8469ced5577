//! How long the shard's position will last at its source: asked now and then for as long as the shard is owned, also
//! while it does not stream.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use maxwell_protocol::id::Epoch;
use maxwell_protocol::member::{Retention, ShardReport, ShardState};
use maxwell_protocol::position::PositionRecord;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::status::Observer;
use crate::source::retention;

const INTERVAL: Duration = Duration::from_secs(60);
/// While nothing is committed yet.
const SOON: Duration = Duration::from_secs(2);

/// The latest word, and what keeps it fresh.
#[derive(Default)]
pub(crate) struct Retained {
    latest: Mutex<Retention>,
    started_over: AtomicBool,
    asking: Mutex<Option<AbortHandle>>,
}

impl Retained {
    /// What the shard is doing, with what is known of its position.
    pub(super) fn report(
        &self,
        state: ShardState,
        epoch: Epoch,
        lag_milliseconds: u64,
        error: &str,
    ) -> ShardReport {
        ShardReport {
            state,
            epoch,
            lag_milliseconds,
            rows_per_second: 0.0,
            retention: *lock(&self.latest),
            started_over: self.started_over.load(Ordering::Relaxed),
            last_error: error.to_owned(),
            stopped_for: None,
            sealed: None,
        }
    }

    /// The position was left behind.
    pub(super) fn started_over(&self) {
        self.started_over.store(true, Ordering::Relaxed);
    }

    fn told(&self, seconds: f64, observer: &dyn Observer) {
        *lock(&self.latest) = match seconds {
            seconds if seconds.is_finite() => Retention::Seconds(seconds as u64),
            _ => Retention::Forever,
        };
        observer.retention(seconds);
    }

    /// The shard waits for its turn, and goes on from another's position then: nothing that it needs is purged.
    pub(super) fn rests(&self, observer: &dyn Observer) {
        if let Some(asking) = lock(&self.asking).take() {
            asking.abort();
        }
        self.told(f64::INFINITY, observer);
    }

    /// The source was found to have purged it.
    pub(super) fn lost(&self, observer: &dyn Observer) {
        self.told(0.0, observer);
    }

    /// Asks `source` from now on, and whom it asked before no more.
    pub(super) fn ask(
        self: &Arc<Self>,
        source: retention::Retention,
        progress: watch::Receiver<Option<PositionRecord>>,
        observer: Arc<dyn Observer>,
    ) {
        let asking = tokio::spawn(keep(Arc::downgrade(self), source, progress, observer));
        if let Some(before) = lock(&self.asking).replace(asking.abort_handle()) {
            before.abort();
        }
    }
}

impl Drop for Retained {
    fn drop(&mut self) {
        if let Some(asking) = lock(&self.asking).take() {
            asking.abort();
        }
    }
}

async fn keep(
    retained: Weak<Retained>,
    mut source: retention::Retention,
    progress: watch::Receiver<Option<PositionRecord>>,
    observer: Arc<dyn Observer>,
) {
    let mut tick = tokio::time::interval(INTERVAL);
    loop {
        tick.tick().await;
        let record = progress.borrow().clone();
        let Some(position) = record.map(|record| record.position).filter(|at| !at.file.is_empty()) else {
            tick.reset_after(SOON);
            continue;
        };
        let asked = source.left(&position).await;
        let Some(retained) = retained.upgrade() else { return };
        match asked {
            Ok(seconds) => retained.told(seconds, observer.as_ref()),
            Err(error) => tracing::debug!(%error, "cannot tell how long the position will last"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
