//! The thread between the dump and the committer: assembles transactions, encodes their rows, cuts chunks.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crossbeam_channel::Sender;
use maxwell_protocol::gtid::GtidSet;
use maxwell_protocol::position::{Inside, Position};
use mysql_common::binlog::events::Event;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::bootstrap::desk::Desk;
use super::error::EngineError;
use super::replay::Named;
use super::rows::{any_passes, is_version_2, last_passing, place, row_offset};
use super::status::Observer;
use super::tables::Tables;
use crate::binlog::BinlogError;
use crate::binlog::event::Operation;
use crate::binlog::partial::{PARTIAL_UPDATE, full_update};
use crate::binlog::rows::{Image, RowCursor};
use crate::binlog::statement::makes_rows;
use crate::binlog::transaction::{Assembler, Header, HeldRows, Limits, Step, chain};
use crate::bootstrap::piece::Piece;
use crate::encode::message::{Row, RowContext, TableEncoder};
use crate::encode::style::Style;
use crate::encode::text::integer;
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
    chunk_records: usize,
    chunks: Sender<Chunk>,
    bytes: Vec<u8>,
    records: Vec<Record>,
    topics: Vec<Arc<str>>,
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
            style: parts.style,
            side: parts.side,
            runtime: parts.runtime,
            closing: parts.closing,
            desk: parts.desk,
            observer: parts.observer,
            named: Named::default(),
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
        for event in batch.events {
            if self.assembler.is_between() {
                self.tables.refresh();
            }
            let step = self.assembler.push(event)?;
            self.act(step)?;
            self.copies()?;
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
            Step::Statement { database, text } => {
                tracing::debug!(database, statement = text, "statement passed");
                if makes_rows(&text) {
                    self.row_less(&database, &text);
                }
                self.tables.forget();
            }
            Step::RowLess { database, text } => self.row_less(&database, &text),
            Step::Replay(prepared) => self.replay(&prepared)?,
        }
        Ok(())
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

    fn emit(
        &mut self,
        rows: &[HeldRows<TableEncoder>],
        header: &Header,
        xid: Option<u64>,
        start: Option<&Position>,
        last: bool,
    ) -> Result<(), PumpEnd> {
        let gtid = header.gtid.as_ref().map(ToString::to_string);
        let (mut before, mut after) = std::mem::take(&mut self.images);
        let last_row = match rows.last() {
            Some(held) if last => last_passing(held)?,
            _ => None,
        };
        for (at, held) in rows.iter().enumerate() {
            let body = held.event.data();
            let watched = self.desk.watches(&held.table.table);
            let mut cursor =
                RowCursor::new(body, is_version_2(&held.event), held.operation, &held.table.table)?;
            let mut row = 0;
            while cursor.has_next() {
                cursor.next(&mut before, &mut after)?;
                row += 1;
                let image = Row { operation: held.operation, body, before: &before, after: &after };
                if row <= held.skip_rows || !held.table.passes(&image).map_err(EngineError::from)? {
                    continue;
                }
                let end = last_row.map_or(!cursor.has_next(), |last_row| row == last_row);
                let commit = last && at + 1 == rows.len() && end;
                self.encode(held, &image, header, xid, gtid.as_deref(), (row - 1, commit))?;
                self.xoffset += 1;
                if watched {
                    self.desk.passed(&held.table.table, held.operation, body, (&before, &after));
                }
                let full = self.bytes.len() >= CHUNK_BYTES || self.records.len() >= self.chunk_records;
                if let Some(start) = start.filter(|_| full && !commit) {
                    self.inside = Some(place(start, held, &cursor, row, xid, self.xoffset));
                    self.flush(false)?;
                }
            }
        }
        self.images = (before, after);
        if last {
            self.tables.trim();
            self.xoffset = 0;
            self.inside = None;
        } else if let (Some(start), Some(held)) = (start, rows.last()) {
            let digest = chain(held.digest_before, held.event.data().get(8..).unwrap_or_default());
            let inside = Inside { event: held.index + 1, row: 0, digest, xid, xoffset: self.xoffset };
            self.inside = Some(Position { inside: Some(inside), ..start.clone() });
        }
        if self.bytes.len() >= CHUNK_BYTES || self.records.len() >= self.chunk_records {
            self.flush(false)?;
        }
        Ok(())
    }

    fn encode(
        &mut self,
        held: &HeldRows<TableEncoder>,
        image: &Row<'_>,
        header: &Header,
        xid: Option<u64>,
        gtid: Option<&str>,
        (row, commit): (u64, bool),
    ) -> Result<(), PumpEnd> {
        let (file, _) = self.assembler.read_up_to();
        let position =
            if self.style.output.binlog_position { format!("{file}:{}", held.offset) } else { String::new() };
        let context = RowContext {
            timestamp: held.event.header().timestamp(),
            xid,
            xoffset: self.xoffset,
            commit,
            position: &position,
            gtid,
            server_id: header.server_id,
            thread_id: header.thread_id,
            query: held.query.as_deref(),
            push_timestamp: self.style.output.push_timestamp.then(seconds_now),
        };
        let start = self.bytes.len();
        let written = held.table.row(&mut self.bytes, image, &context).map_err(EngineError::from)?;
        let value_end = self.bytes.len();
        let mut gtid_end = value_end;
        match gtid {
            Some(gtid) => {
                self.bytes.extend_from_slice(gtid.as_bytes());
                gtid_end = self.bytes.len();
            }
            None => {
                for part in [self.side.server.id.as_str(), "/", file, ":"] {
                    self.bytes.extend_from_slice(part.as_bytes());
                }
                integer(&mut self.bytes, held.offset);
            }
        }
        self.bytes.push(b'/');
        integer(&mut self.bytes, held.index);
        self.bytes.push(b'.');
        integer(&mut self.bytes, row);
        let topic = self.topic(held.table.topic(held.operation));
        self.records.push(Record {
            topic,
            partition_hash: written.partition_hash,
            start: start as u32,
            key_end: written.key_end as u32,
            value_end: value_end as u32,
            gtid_end: gtid_end as u32,
            id_end: self.bytes.len() as u32,
        });
        match held.table.dead_letter_topic() {
            Some(topic) if value_end - written.key_end > LEAST_SPARED => self.spare(topic, held, image),
            _ => Ok(()),
        }
    }

    /// Lays by what is sent instead of the last record if that is too large.
    fn spare(
        &mut self,
        topic: &Arc<str>,
        held: &HeldRows<TableEncoder>,
        image: &Row<'_>,
    ) -> Result<(), PumpEnd> {
        let start = self.bytes.len();
        held.table.skeleton(&mut self.bytes, image).map_err(EngineError::from)?;
        let topic = self.topic(topic);
        let record = self.records.len() as u32 - 1;
        self.spares.push(Spare { record, topic, start: start as u32, end: self.bytes.len() as u32 });
        Ok(())
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

    /// Sends the chunk, or the bare position if that moved.
    pub(super) fn flush(&mut self, drained: bool) -> Result<(), Closed> {
        self.silent_batches = 0;
        let position = self.inside.clone().unwrap_or_else(|| self.assembler.position());
        let news = position != self.sent || self.desk.is_changed() || (drained && !self.sent_drained);
        if self.records.is_empty() && !news {
            return Ok(());
        }
        let transactions = self.assembler.transactions();
        let chunk = Chunk {
            bytes: std::mem::replace(&mut self.bytes, Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4)),
            records: std::mem::replace(&mut self.records, Vec::with_capacity(CHUNK_RECORDS)),
            topics: std::mem::take(&mut self.topics),
            spares: std::mem::take(&mut self.spares),
            position: position.clone(),
            transactions: transactions - self.sent_transactions,
            source_time: self.assembler.committed_at(),
            drained,
            copied: false,
            bootstrap: self.desk.take_change(),
        };
        self.sent = position;
        self.sent_drained = drained;
        self.sent_transactions = transactions;
        self.chunks.send(chunk).map_err(|_| Closed)
    }

    /// Sends copied rows on, behind everything that the stream has sent: no transaction is open.
    pub(super) fn send_copied(&mut self, piece: Piece) -> Result<(), Closed> {
        let chunk = Chunk {
            records: piece.records.iter().map(Record::from).collect(),
            bytes: piece.bytes,
            topics: vec![piece.topic],
            spares: Vec::new(),
            position: self.sent.clone(),
            transactions: 0,
            source_time: self.assembler.committed_at(),
            drained: self.sent_drained,
            copied: true,
            bootstrap: self.desk.take_change(),
        };
        self.chunks.send(chunk).map_err(|_| Closed)
    }
}

fn seconds_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
