//! The thread between the dump and the committer: assembles transactions, encodes their rows, cuts chunks.

mod emit;

use std::sync::Arc;

use crossbeam_channel::Sender;
use maxwell_protocol::gtid::GtidSet;
use maxwell_protocol::position::{Position, Seal};
use mysql_common::binlog::events::Event;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::bootstrap::desk::Desk;
use super::changes::{Changes, SchemaStatement};
use super::error::EngineError;
use super::replay::Named;
use super::rows::{any_passes, row_offset};
use super::status::Observer;
use super::tables::Tables;
use super::until::{Reached, Until};
use crate::binlog::BinlogError;
use crate::binlog::event::Operation;
use crate::binlog::partial::{PARTIAL_UPDATE, full_update};
use crate::binlog::rows::Image;
use crate::binlog::statement::makes_rows;
use crate::binlog::transaction::{Assembler, Limits, Step};
use crate::bootstrap::piece::Piece;
use crate::encode::message::TableEncoder;
use crate::encode::style::Style;
use crate::sink::{Chunk, Record, Spare};
use crate::source::SourceError;
use crate::source::dump::Batch;
use crate::source::scan::SideDump;

/// A chunk is cut at this many bytes or records, whichever comes first.
const CHUNK_BYTES: usize = 256 * 1024;
const CHUNK_RECORDS: usize = 1000;
/// A row of no more bytes than this is too large for no topic.
const LEAST_SPARED: usize = 512;
/// A position that moved without rows is sent after this many batches.
const SILENT_BATCHES: u32 = 256;

/// What a pump is made of.
pub struct PumpParts {
    /// Where reading begins.
    pub position: Position,
    /// Which tables pass and how they read.
    pub tables: Tables,
    /// How messages look.
    pub style: Style,
    /// Reads ahead for the end of large transactions.
    pub side: SideDump,
    /// Where side connections are driven.
    pub runtime: Handle,
    /// A chunk never holds more records than a Kafka transaction.
    pub max_rows: u32,
    /// What was passed before the position, if positions carry GTIDs.
    pub gtids: Option<GtidSet>,
    /// Told about what cannot be streamed.
    pub observer: Arc<dyn Observer>,
    /// Nothing more is read: what takes long is not worth its end any more.
    pub closing: CancellationToken,
    /// Copies of tables.
    pub desk: Desk,
    /// How far to go.
    pub until: Until,
}

/// See the module.
pub struct Pump {
    pub(super) assembler: Assembler<TableEncoder>,
    pub(super) tables: Tables,
    style: Style,
    pub(super) side: SideDump,
    pub(super) runtime: Handle,
    pub(super) closing: CancellationToken,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) named: Named,
    pub(super) desk: Desk,
    until: Until,
    chunk_records: usize,
    chunks: Sender<Chunk>,
    bytes: Vec<u8>,
    records: Vec<Record>,
    topics: Vec<Arc<str>>,
    changes: Changes,
    spares: Vec<Spare>,
    /// Images of the row at hand, kept for their memory.
    images: (Image, Image),
    xoffset: u64,
    /// The place behind the last encoded row of the open transaction, once one left.
    inside: Option<Position>,
    sent: Position,
    sent_drained: bool,
    sent_transactions: u64,
    silent_batches: u32,
}

/// The other side hung up: the committer failed and says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// Why the pump stopped.
#[derive(Debug)]
pub enum PumpEnd {
    /// The committer is gone.
    Closed,
    /// It came to where it was to go, and sent everything up to there.
    Sealed,
    /// The pump itself failed.
    Failed(EngineError),
}

impl From<EngineError> for PumpEnd {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}

impl From<BinlogError> for PumpEnd {
    fn from(error: BinlogError) -> Self {
        Self::Failed(SourceError::from(error).into())
    }
}

impl From<Closed> for PumpEnd {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

/// Records of a chunk at the most: never more than a Kafka transaction holds.
pub fn chunk_records(max_rows: u32) -> usize {
    CHUNK_RECORDS.min(max_rows as usize).max(1)
}

impl Pump {
    /// Starts at the parts' position.
    pub fn new(parts: PumpParts, chunks: Sender<Chunk>) -> Self {
        let xoffset = parts.position.inside.as_ref().map_or(0, |inside| inside.xoffset);
        Self {
            assembler: Assembler::new(
                &parts.position,
                parts.gtids,
                Limits { queries: parts.style.output.row_query, ..Limits::default() },
            ),
            tables: parts.tables,
            changes: Changes::new(&parts.style),
            style: parts.style,
            side: parts.side,
            runtime: parts.runtime,
            closing: parts.closing,
            desk: parts.desk,
            observer: parts.observer,
            named: Named::default(),
            until: parts.until,
            chunk_records: chunk_records(parts.max_rows),
            chunks,
            bytes: Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4),
            records: Vec::with_capacity(CHUNK_RECORDS),
            topics: Vec::new(),
            spares: Vec::new(),
            images: Default::default(),
            xoffset,
            // Until the transaction is met again, the place is where reading was resumed.
            inside: parts.position.inside.is_some().then(|| parts.position.clone()),
            sent: parts.position,
            sent_drained: false,
            sent_transactions: 0,
            silent_batches: 0,
        }
    }

    /// Takes a batch of events in.
    pub fn push(&mut self, batch: Batch) -> Result<(), PumpEnd> {
        self.stop_where_told()?;
        for event in batch.events {
            self.stop_before(&event)?;
            // What was begun under a filter is finished under it, after a restart too.
            if self.assembler.is_between() && self.inside.is_none() {
                self.tables.refresh();
            }
            let step = self.assembler.push(event)?;
            self.act(step)?;
            if !self.changes.is_empty() && self.assembler.is_between() {
                self.encode_changes();
            }
            self.copies()?;
            self.stop_where_told()?;
        }
        self.copies()?;
        self.silent_batches += 1;
        if batch.drained || self.silent_batches >= SILENT_BATCHES {
            self.flush(batch.drained)?;
        }
        Ok(())
    }

    /// Sends what is encoded; rows of an unfinished transaction stay behind and are read again.
    pub fn finish(&mut self) -> Result<(), PumpEnd> {
        Ok(self.flush(true)?)
    }

    pub(super) fn act(&mut self, step: Step<TableEncoder>) -> Result<(), PumpEnd> {
        match step {
            Step::None => {}
            Step::TableMap(event) => {
                let assembler = &self.assembler;
                self.tables.map(&event, &|| assembler.position())?;
            }
            Step::Rows(event, operation) => self.rows(event, operation)?,
            Step::FindEnd => {
                let start = self.assembler.position();
                let end = self.answer(self.side.end_of_transaction(&start))?;
                let step = self.assembler.end_found(end);
                self.act(step)?;
            }
            Step::Emit { rows, header, xid, start, last } => {
                self.emit(&rows, &header, xid, start.as_ref(), last)?;
            }
            Step::Statement { database, text, timestamp, gtid, start } => {
                if makes_rows(&text) {
                    self.row_less(&database, &text);
                }
                let file = self.assembler.read_up_to().0.to_owned();
                self.statement(SchemaStatement { database, text, timestamp, gtid, file, start })?;
            }
            Step::RowLess { database, text } => self.row_less(&database, &text),
            Step::Replay(prepared) => self.replay(&prepared)?,
        }
        Ok(())
    }

    fn statement(&mut self, statement: SchemaStatement) -> Result<(), PumpEnd> {
        let SchemaStatement { database, text, .. } = &statement;
        tracing::debug!(database, statement = text, "statement passed");
        let events = self.tables.statement(database, text, &self.assembler.position())?;
        // What was sent of its transaction before a restart began with it.
        if self.style.output.ddl && self.inside.is_none() {
            self.changes.push(statement, events);
        }
        Ok(())
    }

    fn encode_changes(&mut self) {
        let topic = Arc::clone(&self.changes.topic);
        let topic = self.topic(&topic);
        let server = &self.side.server.id;
        self.changes.encode(&mut self.bytes, &mut self.records, topic, server, &self.style);
    }

    pub(super) fn rows(&mut self, event: Event, operation: Operation) -> Result<(), PumpEnd> {
        let layout = self.tables.of(&event)?;
        let event = match &layout {
            Some(encoder) if event.header().event_type_raw() == PARTIAL_UPDATE => {
                full_update(&event, &encoder.table)?
            }
            _ => event,
        };
        let table = match &layout {
            Some(encoder) if encoder.filters_rows() && !any_passes(&event, operation, encoder)? => None,
            layout => layout.clone(),
        };
        let offset_of = |event: &Event, row: u64| match &layout {
            Some(encoder) => row_offset(event, operation, encoder, row),
            None => Ok(event.data().len().min(8)),
        };
        let step = self.assembler.push_rows(event, operation, table, offset_of)?;
        self.act(step)
    }
    /// The topic's index in the chunk.
    fn topic(&mut self, topic: &Arc<str>) -> u32 {
        let known = self.topics.iter().rposition(|known| Arc::ptr_eq(known, topic));
        let index = known.unwrap_or_else(|| {
            self.topics.push(Arc::clone(topic));
            self.topics.len() - 1
        });
        index as u32
    }

    /// Ends where the run was told to go. A transaction that begins there was met at the most: nothing of it was shown.
    fn stop_where_told(&mut self) -> Result<(), PumpEnd> {
        match self.until.reached(self.assembler.passed_up_to()) {
            Reached::No => Ok(()),
            Reached::At(seal) => self.seal(seal),
            Reached::Missed(place) => Err(EngineError::PlaceMissed { place }.into()),
        }
    }

    /// Ends before a transaction that is for another shard. One that was begun before a restart was for this one.
    fn stop_before(&mut self, event: &Event) -> Result<(), PumpEnd> {
        if self.inside.is_some() || !self.assembler.would_begin(event) {
            return Ok(());
        }
        match self.until.meet(event.header().timestamp()) {
            Some(seal) => self.seal(seal),
            None => Ok(()),
        }
    }

    /// Sends everything that is encoded as the last before `seal`.
    fn seal(&mut self, seal: Seal) -> Result<(), PumpEnd> {
        #[cfg(feature = "failpoints")]
        fail::fail_point!("before-seal");
        if self.desk.has_tasks() {
            return Err(EngineError::CopyUnderWay.into());
        }
        if !self.changes.is_empty() {
            self.encode_changes();
        }
        self.cut(true, Some(seal))?;
        Err(PumpEnd::Sealed)
    }

    /// Sends the chunk, or the bare position if that moved.
    pub(super) fn flush(&mut self, drained: bool) -> Result<(), Closed> {
        self.cut(drained, None)
    }

    fn cut(&mut self, drained: bool, sealed: Option<Seal>) -> Result<(), Closed> {
        self.silent_batches = 0;
        let mut position = self.inside.clone().unwrap_or_else(|| self.assembler.position());
        if let Some(inside) = &mut position.inside {
            inside.filter = Some(self.tables.filter());
        }
        let news = position != self.sent || self.desk.is_changed() || (drained && !self.sent_drained);
        if self.records.is_empty() && !news && sealed.is_none() {
            return Ok(());
        }
        let transactions = self.assembler.transactions();
        let chunk = Chunk {
            bytes: std::mem::replace(&mut self.bytes, Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4)),
            records: std::mem::replace(&mut self.records, Vec::with_capacity(CHUNK_RECORDS)),
            topics: std::mem::take(&mut self.topics),
            catalog: self.tables.changed(),
            spares: std::mem::take(&mut self.spares),
            position: position.clone(),
            transactions: transactions - self.sent_transactions,
            source_time: self.assembler.committed_at(),
            drained,
            copied: false,
            bootstrap: self.desk.take_change(),
            sealed,
            window: self.until.window(),
        };
        self.sent = position;
        self.sent_drained = drained;
        self.sent_transactions = transactions;
        self.send(chunk)
    }

    fn send(&self, chunk: Chunk) -> Result<(), Closed> {
        self.observer.queued(chunk.bytes.len() as u64);
        self.chunks.send(chunk).map_err(|_| Closed)
    }

    /// Sends copied rows on, behind everything that the stream has sent: no transaction is open.
    pub(super) fn send_copied(&mut self, piece: Piece) -> Result<(), Closed> {
        let chunk = Chunk {
            records: piece.records.iter().map(Record::from).collect(),
            bytes: piece.bytes,
            topics: vec![piece.topic],
            spares: Vec::new(),
            catalog: Vec::new(),
            position: self.sent.clone(),
            transactions: 0,
            source_time: self.assembler.committed_at(),
            drained: self.sent_drained,
            copied: true,
            bootstrap: self.desk.take_change(),
            sealed: None,
            window: self.until.window(),
        };
        self.send(chunk)
    }
}
