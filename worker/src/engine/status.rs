//! What a shard's run tells the rest of the process.

use std::sync::Arc;

use maxwell_protocol::id::Epoch;
use maxwell_protocol::position::PositionRecord;

/// A committed step of a shard.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The record that committed.
    pub record: PositionRecord,
    /// Rows in it.
    pub rows: u64,
    /// Those of them that were copied from tables.
    pub copied: u64,
    /// Bytes of keys and values in it.
    pub bytes: u64,
    /// MySQL transactions finished in it.
    pub transactions: u64,
    /// Whether the source had nothing more behind it.
    pub drained: bool,
}

/// Gives each run of a shard something to tell what happens.
pub trait Observers: Send + Sync + 'static {
    /// For one run; what it was told holds until it is dropped.
    fn shard(self: Arc<Self>) -> Arc<dyn Observer>;
}

/// Receives what happens, for metrics and reports. Called on the pipeline's threads: returns at once.
pub trait Observer: Send + Sync + 'static {
    /// Something that was committed at the source at `source_time` (milliseconds since the epoch, 0 if unknown) is on its
    /// way to the sink.
    fn received(&self, source_time: i64);
    /// So many bytes of keys and values are encoded and wait to be committed.
    fn queued(&self, bytes: u64);
    /// A transaction was committed.
    fn committed(&self, committed: &Committed);
    /// A run began under `epoch` behind the source time `source_time` (milliseconds since the epoch, 0 if unknown);
    /// `inside` if its position is in the middle of a MySQL transaction.
    fn resumed(&self, epoch: Epoch, source_time: i64, inside: bool);
    /// A run under `epoch` waits for the shard's turn: it reads nothing, and nothing is late.
    fn waits(&self, epoch: Epoch);
    /// Rows that were produced but not committed were dropped: their Kafka transaction gets aborted.
    fn aborted(&self);
    /// A statement changed rows that the binlog does not show.
    fn row_less(&self);
    /// A successor fenced this owner.
    fn fenced(&self);
    /// The shard's lock is gone, which this owner had not given up.
    fn lock_lost(&self);
    /// Whether MySQL answered, with what it said if not.
    fn mysql(&self, outcome: Result<(), &str>);
    /// Seconds until the server may purge what follows the committed position; infinite if it never does.
    fn retention(&self, seconds: f64);
    /// Whether Kafka answered, with what was said if not.
    fn kafka(&self, outcome: Result<(), &str>);
}
