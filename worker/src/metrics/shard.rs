//! What one shard that this process runs adds to its metrics, for as long as it is run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use maxwell_protocol::id::Epoch;

use super::Metrics;
use crate::clock::at_source;
use crate::engine::delay::Delay;
use crate::engine::status::{Committed, Observer};

/// See the module.
pub(super) struct ShardMeter {
    metrics: Arc<Metrics>,
    state: Mutex<ShardFigures>,
}

/// What is true of a shard at the moment.
#[derive(Debug, Clone)]
pub(super) struct ShardFigures {
    pub(super) delay: Delay,
    pub(super) epoch: u64,
    /// Bytes that are encoded and not committed yet.
    pub(super) unsent: u64,
    /// Seconds; infinite if the source never purges what follows the position.
    pub(super) retention: f64,
    /// Tables that are being copied or wait for it.
    pub(super) copies: usize,
}

impl ShardMeter {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        let state = ShardFigures {
            delay: Delay::default(),
            epoch: 0,
            unsent: 0,
            retention: f64::INFINITY,
            copies: 0,
        };
        Self { metrics, state: Mutex::new(state) }
    }

    pub(super) fn figures(&self) -> MutexGuard<'_, ShardFigures> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for ShardMeter {
    fn received(&self, source_time: i64) {
        self.figures().delay.received(source_time);
    }

    fn queued(&self, bytes: u64) {
        self.figures().unsent += bytes;
    }

    fn committed(&self, committed: &Committed) {
        let metrics = &self.metrics;
        metrics.rows.inc_by(committed.rows);
        metrics.bootstrap_rows.inc_by(committed.copied);
        metrics.transactions.inc_by(committed.transactions);
        metrics.bytes.inc_by(committed.bytes);
        metrics.commits.inc();
        let source_time = committed.record.source_time;
        if committed.rows > committed.copied && source_time > 0 {
            metrics.publish_delay.set((at_source() - source_time).max(0) as f64 / 1000.0);
        }
        let mut figures = self.figures();
        figures.epoch = committed.record.epoch.0;
        if figures.copies > 0 || !committed.record.bootstrap.tasks.is_empty() {
            metrics.copies.committed(&committed.record.bootstrap);
        }
        figures.copies = committed.record.bootstrap.tasks.len();
        figures.unsent = figures.unsent.saturating_sub(committed.bytes);
        figures.delay.committed(source_time, committed.drained);
    }

    fn resumed(&self, epoch: Epoch, source_time: i64, inside: bool) {
        self.metrics.resumed_inside.inc_by(u64::from(inside));
        let mut figures = self.figures();
        figures.epoch = epoch.0;
        figures.unsent = 0;
        figures.delay.resumed(source_time);
    }

    fn waits(&self, epoch: Epoch) {
        let mut figures = self.figures();
        figures.epoch = epoch.0;
        figures.unsent = 0;
        figures.delay = Delay::default();
    }

    fn aborted(&self) {
        self.metrics.aborts.inc();
    }

    fn row_less(&self) {
        self.metrics.row_less_statements.inc();
    }

    fn fenced(&self) {
        self.metrics.fenced.inc();
    }

    fn lock_lost(&self) {
        self.metrics.locks_lost.inc();
    }

    fn mysql(&self, said: Result<(), &str>) {
        self.metrics.mysql(said);
    }

    fn retention(&self, seconds: f64) {
        self.figures().retention = seconds;
    }

    fn kafka(&self, said: Result<(), &str>) {
        self.metrics.kafka(said);
    }
}
