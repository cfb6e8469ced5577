//! The thread that writes chunks to the sink and commits them with their position.

use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use maxwell_protocol::bootstrap::BootstrapState;
use maxwell_protocol::id::Epoch;
use maxwell_protocol::position::{Position, PositionRecord, Seal};
use maxwell_protocol::settings::Commit;

use super::status::{Committed, Observer};
use super::tuning::Knobs;
use super::window::Window;
use crate::mistake;
use crate::sink::{Chunk, SinkError, Writer};

/// What the owner's records have in common, and the number of the last one.
#[derive(Debug, Clone)]
pub struct RecordBase {
    /// The owner's epoch.
    pub epoch: Epoch,
    /// Sequence number of the last committed record.
    pub sequence: u64,
    /// The layout's generation.
    pub generation: u64,
    /// Source time of the last committed record.
    pub source_time: i64,
    /// The capture that followed tables began with.
    pub catalog: Option<u64>,
    /// The copies of tables, as of that record.
    pub bootstrap: BootstrapState,
    /// Strategy Time: the latest window met.
    pub window: Option<u64>,
    /// The rewind that was carried out last.
    pub rewind: Option<String>,
    /// The version of the live settings in force.
    pub settings_version: u64,
}

impl RecordBase {
    /// What follows the last committed record of the shard, by any owner: an epoch of its own.
    pub fn following(last: Option<&PositionRecord>, generation: u64) -> Self {
        Self {
            epoch: mistake::epoch(last.map(|last| last.epoch).unwrap_or_default().next()),
            sequence: last.map_or(0, |last| last.sequence),
            generation,
            source_time: last.map_or(0, |last| last.source_time),
            catalog: None,
            bootstrap: last.map(|last| last.bootstrap.clone()).unwrap_or_default(),
            window: last.and_then(|last| last.window),
            rewind: last.and_then(|last| last.rewind.clone()),
            settings_version: last.map_or(0, |last| last.settings_version),
        }
    }

    /// The next record, at `position`.
    pub fn next(&mut self, position: Position, source_time: i64) -> PositionRecord {
        self.sequence += 1;
        self.source_time = self.source_time.max(source_time);
        PositionRecord {
            position,
            epoch: self.epoch,
            sequence: self.sequence,
            generation: self.generation,
            settings_version: self.settings_version,
            source_time: self.source_time,
            catalog: self.catalog,
            bootstrap: self.bootstrap.clone(),
            window: self.window,
            rewind: self.rewind.clone(),
            sealed: None,
        }
    }
}

/// Writes and commits until the channel is closed, then commits what is left. On an error everything uncommitted is
/// dropped with the writer.
pub fn run(
    writer: Box<dyn Writer>,
    chunks: &Receiver<Chunk>,
    (limits, knobs): (Commit, &Knobs),
    base: RecordBase,
    observer: &dyn Observer,
) -> Result<(), SinkError> {
    let mut committer = Committer::new(writer, limits, base, observer, Instant::now);
    loop {
        committer.tune(knobs);
        let received = match committer.due() {
            Some(due) => chunks.recv_deadline(due),
            None => chunks.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(chunk) => committer.take(chunk)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return committer.commit(),
        }
        if committer.is_due() {
            committer.commit()?;
        }
    }
}

/// Writes chunks and commits them when they are due.
pub(crate) struct Committer<'a> {
    writer: Box<dyn Writer>,
    window: Window,
    waiting: Waiting,
    base: RecordBase,
    observer: &'a dyn Observer,
    clock: fn() -> Instant,
}

impl<'a> Committer<'a> {
    pub(crate) fn new(
        writer: Box<dyn Writer>,
        limits: Commit,
        base: RecordBase,
        observer: &'a dyn Observer,
        clock: fn() -> Instant,
    ) -> Self {
        let window = Window::first(limits, clock());
        Self { writer, window, waiting: Waiting::default(), base, observer, clock }
    }

    /// Goes by the settings that hold now.
    fn tune(&mut self, knobs: &Knobs) {
        self.base.settings_version = knobs.version();
        self.window.close_after(knobs.commit_interval_milliseconds());
    }

    /// When what was written is to be committed; `None` while there is nothing.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.window.due()
    }

    /// Whether it is time for that.
    pub(crate) fn is_due(&self) -> bool {
        self.due().is_some_and(|due| due <= (self.clock)())
    }

    /// Writes a chunk.
    pub(crate) fn take(&mut self, chunk: Chunk) -> Result<(), SinkError> {
        if !chunk.records.is_empty() && !chunk.copied {
            self.observer.received(chunk.source_time);
        }
        // Counted before it is written: an error in the middle of it leaves an open Kafka transaction behind.
        let drained = chunk.drained && !chunk.copied;
        self.window.add(chunk.records.len() as u64, chunk.bytes.len() as u64, drained, (self.clock)());
        let written = self.writer.write(&chunk, self.base.epoch.0);
        self.told(written)?;
        self.waiting.add(chunk);
        Ok(())
    }

    /// Commits what was written.
    pub(crate) fn commit(&mut self) -> Result<(), SinkError> {
        let Some(position) = self.waiting.position.take().filter(|_| self.window.is_dirty()) else {
            return Ok(());
        };
        if let Some(bootstrap) = self.waiting.bootstrap.take() {
            self.base.bootstrap = bootstrap;
        }
        self.base.window = self.waiting.window.or(self.base.window);
        let record = PositionRecord {
            sealed: self.waiting.sealed,
            ..self.base.next(position, self.waiting.source_time)
        };
        let committed = self.writer.commit(&record);
        self.told(committed)?;
        self.observer.committed(&Committed {
            record,
            rows: self.window.rows(),
            copied: self.waiting.copied,
            bytes: self.waiting.bytes,
            transactions: self.waiting.transactions,
            drained: self.waiting.drained,
        });
        self.waiting = Waiting::default();
        self.window.clear((self.clock)());
        Ok(())
    }

    fn told(&self, outcome: Result<(), SinkError>) -> Result<(), SinkError> {
        if outcome.is_err() && self.window.rows() > 0 {
            self.observer.aborted();
        }
        outcome
    }
}

/// What the next record covers.
#[derive(Default)]
struct Waiting {
    position: Option<Position>,
    source_time: i64,
    copied: u64,
    bytes: u64,
    transactions: u64,
    drained: bool,
    bootstrap: Option<BootstrapState>,
    sealed: Option<Seal>,
    window: Option<u64>,
}

impl Waiting {
    fn add(&mut self, chunk: Chunk) {
        if chunk.copied {
            self.copied += chunk.records.len() as u64;
        }
        self.bytes += chunk.bytes.len() as u64;
        self.transactions += chunk.transactions;
        self.source_time = self.source_time.max(chunk.source_time);
        self.drained = chunk.drained;
        self.sealed = chunk.sealed;
        self.window = chunk.window;
        self.position = Some(chunk.position);
        self.bootstrap = chunk.bootstrap.or(self.bootstrap.take());
    }
}
