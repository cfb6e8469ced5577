//! The thread between the dump and the committer: assembles transactions, encodes their rows, cuts chunks.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crossbeam_channel::Sender;
use maxwell_protocol::gtid::GtidSet;
use maxwell_protocol::position::{Inside, Position};
use mysql_common::binlog::events::Event;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::changes::{Changes, SchemaStatement};
use super::error::EngineError;
use super::tables::Tables;
use crate::binlog::BinlogError;
use crate::binlog::event::Operation;
use crate::binlog::rows::{Image, RowCursor};
use crate::binlog::transaction::{Assembler, Header, HeldRows, Limits, Step, chain};
use crate::encode::message::{RowContext, Style, TableEncoder};
use crate::encode::text::integer;
use crate::sink::{Chunk, Record};
use crate::source::SourceError;
use crate::source::dump::Batch;
use crate::source::scan::SideDump;

/// A chunk is cut at this many bytes or records, whichever comes first.
const CHUNK_BYTES: usize = 256 * 1024;
const CHUNK_RECORDS: usize = 1000;
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
    /// Whether positions carry GTIDs.
    pub gtid: bool,
    /// Nothing more is read: what takes long is not worth its end any more.
    pub closing: CancellationToken,
}

/// See the module.
pub struct Pump {
    assembler: Assembler<TableEncoder>,
    tables: Tables,
    style: Style,
    side: SideDump,
    runtime: Handle,
    closing: CancellationToken,
    chunk_records: usize,
    chunks: Sender<Chunk>,
    bytes: Vec<u8>,
    records: Vec<Record>,
    topics: Vec<Arc<str>>,
    changes: Changes,
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

impl Pump {
    /// Starts at the parts' position.
    pub fn new(parts: PumpParts, chunks: Sender<Chunk>) -> Self {
        let gtids: Option<GtidSet> = parts.gtid.then(|| parts.position.gtid_set.parse().unwrap_or_default());
        let xoffset = parts.position.inside.as_ref().map_or(0, |inside| inside.xoffset);
        Self {
            assembler: Assembler::new(&parts.position, gtids, Limits::default()),
            tables: parts.tables,
            changes: Changes::new(&parts.style),
            style: parts.style,
            side: parts.side,
            runtime: parts.runtime,
            closing: parts.closing,
            chunk_records: CHUNK_RECORDS.min(parts.max_rows as usize).max(1),
            chunks,
            bytes: Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4),
            records: Vec::with_capacity(CHUNK_RECORDS),
            topics: Vec::new(),
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
            let step = self.assembler.push(event)?;
            self.act(step)?;
            if !self.changes.is_empty() && self.assembler.is_between() {
                self.encode_changes();
            }
        }
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

    fn act(&mut self, step: Step<TableEncoder>) -> Result<(), PumpEnd> {
        match step {
            Step::None => {}
            Step::TableMap(event) => {
                let assembler = &self.assembler;
                self.tables.map(&event, &|| assembler.position())?;
            }
            Step::Rows(event, operation) => self.rows(event, operation)?,
            Step::FindEnd => {
                let start = self.assembler.position();
                let found = self.runtime.block_on(async {
                    tokio::select! {
                        end = self.side.end_of_transaction(&start) => Some(end),
                        () = self.closing.cancelled() => None,
                    }
                });
                let end = found.ok_or(Closed)?.map_err(EngineError::from)?;
                let step = self.assembler.end_found(end);
                self.act(step)?;
            }
            Step::Emit { rows, header, xid, start, last } => {
                self.emit(&rows, &header, xid, start.as_ref(), last)?;
            }
            Step::Statement { database, text, timestamp, gtid, start } => {
                let file = self.assembler.read_up_to().0.to_owned();
                self.statement(SchemaStatement { database, text, timestamp, gtid, file, start })?;
            }
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

    fn rows(&mut self, event: Event, operation: Operation) -> Result<(), PumpEnd> {
        let table = self.tables.of(&event)?;
        let layout = table.clone();
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
        if !self.changes.is_empty() {
            self.encode_changes();
        }
        let gtid = header.gtid.as_ref().map(ToString::to_string);
        let (mut before, mut after) = std::mem::take(&mut self.images);
        for (at, held) in rows.iter().enumerate() {
            let body = held.event.data();
            let mut cursor =
                RowCursor::new(body, is_version_2(&held.event), held.operation, &held.table.table)?;
            let mut row = 0;
            while cursor.has_next() {
                cursor.next(&mut before, &mut after)?;
                row += 1;
                if row <= held.skip_rows {
                    continue;
                }
                let commit = last && at + 1 == rows.len() && !cursor.has_next();
                self.encode(held, (&before, &after), header, xid, gtid.as_deref(), (row - 1, commit))?;
                self.xoffset += 1;
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
        (before, after): (&Image, &Image),
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
            push_timestamp: self.style.output.push_timestamp.then(seconds_now),
        };
        let start = self.bytes.len();
        let written = held
            .table
            .row(&mut self.bytes, held.operation, held.event.data(), before, after, &context)
            .map_err(EngineError::from)?;
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
        let topic = self.topic(&held.table.topic);
        self.records.push(Record {
            topic,
            partition_hash: written.partition_hash,
            start: start as u32,
            key_end: written.key_end as u32,
            value_end: value_end as u32,
            gtid_end: gtid_end as u32,
            id_end: self.bytes.len() as u32,
        });
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
    fn flush(&mut self, drained: bool) -> Result<(), Closed> {
        self.silent_batches = 0;
        let position = self.inside.clone().unwrap_or_else(|| self.assembler.position());
        let news = position != self.sent || (drained && !self.sent_drained);
        if self.records.is_empty() && !news {
            return Ok(());
        }
        let transactions = self.assembler.transactions();
        let chunk = Chunk {
            bytes: std::mem::replace(&mut self.bytes, Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4)),
            records: std::mem::replace(&mut self.records, Vec::with_capacity(CHUNK_RECORDS)),
            topics: std::mem::take(&mut self.topics),
            catalog: self.tables.changed(),
            position: position.clone(),
            transactions: transactions - self.sent_transactions,
            source_time: self.assembler.committed_at(),
            drained,
        };
        self.sent = position;
        self.sent_drained = drained;
        self.sent_transactions = transactions;
        self.chunks.send(chunk).map_err(|_| Closed)
    }
}

fn is_version_2(event: &Event) -> bool {
    matches!(event.header().event_type_raw(), 30..=32)
}

fn seconds_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Offset of row number `row` in the event.
fn row_offset(
    event: &Event,
    operation: Operation,
    encoder: &TableEncoder,
    row: u64,
) -> Result<usize, BinlogError> {
    let mut cursor = RowCursor::new(event.data(), is_version_2(event), operation, &encoder.table)?;
    let (mut before, mut after) = (Image::new(), Image::new());
    for _ in 0..row {
        if !cursor.has_next() {
            return Err(BinlogError::Damaged("rows (fewer rows than were sent)"));
        }
        cursor.next(&mut before, &mut after)?;
    }
    Ok(cursor.offset())
}

/// The place behind row number `row` (from 1) of an event.
fn place(
    start: &Position,
    held: &HeldRows<TableEncoder>,
    cursor: &RowCursor<'_>,
    row: u64,
    xid: Option<u64>,
    xoffset: u64,
) -> Position {
    let body = held.event.data();
    let (event, row, passed) = if cursor.has_next() {
        (held.index, row, &body[8..cursor.offset()])
    } else {
        (held.index + 1, 0, &body[8..])
    };
    let inside = Inside { event, row, digest: chain(held.digest_before, passed), xid, xoffset };
    Position { inside: Some(inside), ..start.clone() }
}
