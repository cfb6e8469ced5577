//! The thread that writes chunks to the sink and commits them with their position.

use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use maxwell_protocol::bootstrap::BootstrapState;
use maxwell_protocol::id::Epoch;
use maxwell_protocol::position::{Position, PositionRecord};
use maxwell_protocol::settings::Commit;

use super::status::{Committed, Observer};
use super::window::Window;
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
    /// The copies of tables, as of that record.
    pub bootstrap: BootstrapState,
}

impl RecordBase {
    /// The next record, at `position`.
    pub fn next(&mut self, position: Position, source_time: i64) -> PositionRecord {
        self.sequence += 1;
        self.source_time = self.source_time.max(source_time);
        PositionRecord {
            position,
            epoch: self.epoch,
            sequence: self.sequence,
            generation: self.generation,
            settings_version: 0,
            source_time: self.source_time,
            bootstrap: self.bootstrap.clone(),
        }
    }
}

/// Writes and commits until the channel is closed, then commits what is left. On an error everything uncommitted is
/// dropped with the writer.
pub fn run(
    mut writer: Box<dyn Writer>,
    chunks: &Receiver<Chunk>,
    limits: Commit,
    mut base: RecordBase,
    observer: &dyn Observer,
) -> Result<(), SinkError> {
    let mut window = Window::first(limits, Instant::now());
    let mut waiting = Waiting::default();
    let outcome = loop {
        let received = match window.due() {
            Some(due) => chunks.recv_deadline(due),
            None => chunks.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let step = match received {
            Ok(chunk) => {
                if !chunk.records.is_empty() && !chunk.copied {
                    observer.received(chunk.source_time);
                }
                take(&mut *writer, &mut window, &mut waiting, chunk, base.epoch)
            }
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => {
                break commit(&mut *writer, &mut window, &mut waiting, &mut base, observer);
            }
        };
        if let Err(error) = step {
            break Err(error);
        }
        if window.due().is_some_and(|due| due <= Instant::now())
            && let Err(error) = commit(&mut *writer, &mut window, &mut waiting, &mut base, observer)
        {
            break Err(error);
        }
    };
    if outcome.is_err() && window.rows() > 0 {
        observer.aborted();
    }
    outcome
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
}

fn take(
    writer: &mut dyn Writer,
    window: &mut Window,
    waiting: &mut Waiting,
    chunk: Chunk,
    epoch: Epoch,
) -> Result<(), SinkError> {
    // Counted before it is written: an error in the middle of it leaves an open Kafka transaction behind.
    let drained = chunk.drained && !chunk.copied;
    window.add(chunk.records.len() as u64, chunk.bytes.len() as u64, drained, Instant::now());
    writer.write(&chunk, epoch.0)?;
    if chunk.copied {
        waiting.copied += chunk.records.len() as u64;
    }
    waiting.bytes += chunk.bytes.len() as u64;
    waiting.transactions += chunk.transactions;
    waiting.source_time = waiting.source_time.max(chunk.source_time);
    waiting.drained = chunk.drained;
    waiting.position = Some(chunk.position);
    waiting.bootstrap = chunk.bootstrap.or(waiting.bootstrap.take());
    Ok(())
}

fn commit(
    writer: &mut dyn Writer,
    window: &mut Window,
    waiting: &mut Waiting,
    base: &mut RecordBase,
    observer: &dyn Observer,
) -> Result<(), SinkError> {
    let Some(position) = waiting.position.take().filter(|_| window.is_dirty()) else { return Ok(()) };
    if let Some(bootstrap) = waiting.bootstrap.take() {
        base.bootstrap = bootstrap;
    }
    let record = base.next(position, waiting.source_time);
    writer.commit(&record)?;
    observer.committed(&Committed {
        record,
        rows: window.rows(),
        copied: waiting.copied,
        bytes: waiting.bytes,
        transactions: waiting.transactions,
        drained: waiting.drained,
    });
    *waiting = Waiting::default();
    window.clear(Instant::now());
    Ok(())
}
