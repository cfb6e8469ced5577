//! The simulated source: a binlog of numbered rows that grows, and dumps of it, of which the server keeps one for an
//! identity.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use maxwell_protocol::layout::Barrier;
use maxwell_protocol::position::Position;
use tokio::sync::watch;

use super::faults::Point;
use super::process::Process;
use super::world::{Peer, World};
use crate::engine::runs::Feed;
use crate::source::SourceError;

/// Where the first row stands.
const BEGIN: u64 = 4;
/// Rows that are read at once, at the most.
const BATCH: u64 = 8;
/// After this long without a word the connection is taken as dead.
const SILENCE: Duration = Duration::from_secs(6);

/// The server.
pub(super) const SERVER: &str = "simulated";
/// Its only binlog.
const FILE: &str = "binlog.000001";

/// The place before a row.
pub(super) fn position(row: u64) -> Position {
    Position { server: SERVER.into(), file: FILE.into(), offset: BEGIN + row, ..Position::default() }
}

/// The same as what a run looks at.
pub(super) fn place(row: u64) -> (&'static str, u64) {
    (FILE, BEGIN + row)
}

/// The row behind a place.
pub(super) fn index(position: &Position) -> u64 {
    position.offset - BEGIN
}

/// See the module.
pub(super) struct Source {
    world: Arc<World>,
    rows: watch::Sender<u64>,
    /// The number of the dump that is open, and whether the one before ended for it.
    dump: watch::Sender<(u64, bool)>,
}

impl Source {
    pub(super) fn new(world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            rows: watch::Sender::new(0),
            dump: watch::Sender::new((0, false)),
        })
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> u64 {
        *self.rows.borrow()
    }

    /// A transaction of so many rows is committed.
    pub(super) fn grow(&self, rows: u64) {
        self.rows.send_modify(|known| *known += rows);
    }

    /// Ends the open dump, as a server does that restarts.
    pub(super) fn end_dump(&self) {
        self.dump.send_modify(|(number, superseded)| (*number, *superseded) = (*number + 1, false));
    }

    /// The end of the binlog, as the server says.
    pub(super) async fn head(&self, process: &Arc<Process>) -> Result<Barrier, SourceError> {
        self.ask(process).await?;
        let Position { server, file, offset, .. } = position(self.rows());
        process.hear(Peer::MySql, Point::Answered).await;
        Ok(Barrier { server, file, offset })
    }

    /// One question to the server.
    pub(super) async fn ask(&self, process: &Arc<Process>) -> Result<(), SourceError> {
        if process.send(Peer::MySql, Point::Source, SILENCE).await { Ok(()) } else { Err(silent()) }
    }

    /// Opens a dump, which ends the one before.
    pub(super) async fn open(
        self: &Arc<Self>,
        process: &Arc<Process>,
        from: u64,
    ) -> Result<Dump, SourceError> {
        if !process.send(Peer::MySql, Point::Dump, SILENCE).await {
            return Err(silent());
        }
        self.dump.send_modify(|(number, superseded)| (*number, *superseded) = (*number + 1, true));
        let (number, _) = *self.dump.borrow();
        self.world.note("dump", process.number, from);
        process.hear(Peer::MySql, Point::Dumped).await;
        Ok(Dump { source: Arc::clone(self), process: Arc::clone(process), number, next: from })
    }
}

fn silent() -> SourceError {
    SourceError::Silent(SILENCE.as_secs())
}

/// An open dump.
pub(super) struct Dump {
    source: Arc<Source>,
    process: Arc<Process>,
    number: u64,
    next: u64,
}

/// Rows from one number to another, and whether there are no more.
pub(super) struct Rows {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) drained: bool,
}

#[async_trait]
impl Feed for Dump {
    type Batch = Rows;

    async fn next(&mut self) -> Result<Option<Rows>, SourceError> {
        let (number, from) = (self.number, self.next);
        let (mut rows, mut dump) = (self.source.rows.subscribe(), self.source.dump.subscribe());
        tokio::select! {
            biased;
            _ = dump.wait_for(|(open, _)| *open != number) => {}
            _ = rows.wait_for(|rows| *rows > from) => {}
            // What keeps an idle source from being silent are heartbeats, which a cut link holds back.
            () = self.source.world.apart_for(self.process.member, Peer::MySql, SILENCE) => return Err(silent()),
        }
        if !self.process.send(Peer::MySql, Point::Read, SILENCE).await {
            return Err(silent());
        }
        let (open, superseded) = *dump.borrow();
        if open != number && !superseded {
            return Ok(None);
        }
        if open != number {
            self.source.world.counts().fenced += 1;
            return Err(SourceError::Superseded("a dump with the same identity was opened".into()));
        }
        let head = *rows.borrow();
        let to = head.min(from + 1 + self.source.world.pick(BATCH));
        self.next = to;
        Ok(Some(Rows { from, to, drained: to == head }))
    }
}
