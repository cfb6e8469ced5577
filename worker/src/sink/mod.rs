//! Where changes go. A [`Sink`] is taken over by a shard's owner, which fences the owner before; the [`Writer`] that
//! it gets takes chunks of encoded rows and commits them together with the position.

pub mod file;
pub mod kafka;
pub mod local_catalog;
mod state;
pub mod stdout;

use std::sync::Arc;

use async_trait::async_trait;
use maxwell_protocol::bootstrap::BootstrapState;
use maxwell_protocol::catalog::CatalogRecord;
use maxwell_protocol::id::ShardId;
use maxwell_protocol::position::{Position, PositionRecord, Seal};
use thiserror::Error;

use crate::coordination::{Ownership, ProofError, ShardContext};

/// Why the sink does not take rows.
#[derive(Debug, Error)]
pub enum SinkError {
    /// Another owner initialised a producer with the same identity.
    #[error("the producer was fenced by a successor")]
    Fenced,
    /// Ownership could not be proved around the initialisation.
    #[error("ownership of the shard is not proved: {0}")]
    NotProved(#[from] ProofError),
    /// The brokers do not answer or an operation failed; a new producer may get through.
    #[error("{doing}: {reason}; check kafka.brokers and that the brokers run")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// What the client said.
        reason: String,
    },
    /// Trying again cannot help.
    #[error("{problem}; mend: {mend}")]
    Unfit {
        /// What is wrong.
        problem: String,
        /// The setting or command that mends it.
        mend: String,
    },
    /// A row is larger than the topic takes. Dropping it is never the default.
    #[error("{problem}; mend: {mend}")]
    TooLarge {
        /// Which row, for which topic.
        problem: String,
        /// The setting that mends it.
        mend: String,
    },
    /// A producer with other bounds is needed, or what is known of the topics has to be asked again.
    #[error("{0}")]
    Bounds(String),
    /// Records with this host's time are not taken.
    #[error("{0}")]
    Time(String),
    /// Output or position file.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Encoded rows on their way to the sink, and the place behind them.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Keys, values and ids one after the other.
    pub bytes: Vec<u8>,
    /// Where each record's parts are.
    pub records: Vec<Record>,
    /// Topics of the records.
    pub topics: Vec<Arc<str>>,
    /// Followed tables that changed since the chunk before.
    pub catalog: Vec<CatalogEntry>,
    /// What is sent instead of records that prove too large.
    pub spares: Vec<Spare>,
    /// Everything before this place is in this chunk or an earlier one.
    pub position: Position,
    /// Transactions finished since the chunk before.
    pub transactions: u64,
    /// Commit time of the last of them, milliseconds since the epoch; 0 if unknown.
    pub source_time: i64,
    /// Whether the source had nothing more when the chunk was cut.
    pub drained: bool,
    /// Whether its rows were copied from a table: their source time says nothing about the stream's delay.
    pub copied: bool,
    /// The copies of tables, if they changed.
    pub bootstrap: Option<BootstrapState>,
    /// Nothing follows this chunk until that has happened.
    pub sealed: Option<Seal>,
    /// Strategy `Time`: the latest window met.
    pub window: Option<u64>,
}

/// A followed table, or a database, whose table is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogEntry {
    /// Database.
    pub database: String,
    /// Table.
    pub table: String,
    /// Its definition; `None` when it is gone.
    pub record: Option<CatalogRecord>,
}

/// One record: `key | value | id` in the chunk's bytes, each from the end of the one before. Numbers only: there are
/// millions of them, and a counted reference in each would travel between the processors.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    /// Index of the topic.
    pub topic: u32,
    /// Hash that decides the partition.
    pub partition_hash: i32,
    /// Start of the key.
    pub start: u32,
    /// End of the key.
    pub key_end: u32,
    /// End of the value.
    pub value_end: u32,
    /// End of the GTID that the id begins with; the value's end if there is none.
    pub gtid_end: u32,
    /// End of the id, which is the same on every repeat.
    pub id_end: u32,
}

/// What is sent instead of a record that is too large.
#[derive(Debug, Clone, Copy)]
pub struct Spare {
    /// Index of the record.
    pub record: u32,
    /// Index of the topic.
    pub topic: u32,
    /// Start of the value in the chunk's bytes.
    pub start: u32,
    /// Its end.
    pub end: u32,
}

impl Chunk {
    /// The values, a line each.
    fn lines(&self) -> Vec<u8> {
        let mut lines = Vec::with_capacity(self.bytes.len() + self.records.len());
        for record in &self.records {
            lines.extend_from_slice(self.value(record));
            lines.push(b'\n');
        }
        lines
    }

    /// The record's key.
    pub fn key(&self, record: &Record) -> &[u8] {
        &self.bytes[record.start as usize..record.key_end as usize]
    }

    /// The record's value.
    pub fn value(&self, record: &Record) -> &[u8] {
        &self.bytes[record.key_end as usize..record.value_end as usize]
    }

    /// The record's topic.
    pub fn topic(&self, record: &Record) -> &Arc<str> {
        &self.topics[record.topic as usize]
    }

    /// Topic and value of what is sent if the record of this index is too large.
    pub fn spare(&self, record: usize) -> Option<(&Arc<str>, &[u8])> {
        let at = self.spares.binary_search_by_key(&record, |spare| spare.record as usize).ok()?;
        let spare = &self.spares[at];
        Some((&self.topics[spare.topic as usize], &self.bytes[spare.start as usize..spare.end as usize]))
    }

    /// The record's GTID, if there is one.
    pub fn gtid(&self, record: &Record) -> Option<&[u8]> {
        Some(&self.bytes[record.value_end as usize..record.gtid_end as usize]).filter(|gtid| !gtid.is_empty())
    }

    /// The record's id.
    pub fn id(&self, record: &Record) -> &[u8] {
        &self.bytes[record.value_end as usize..record.id_end as usize]
    }
}

/// What an owner finds when it takes a sink over.
pub struct TakenOver {
    /// The fenced way in.
    pub writer: Box<dyn Writer>,
    /// The last committed record of the shard; `None` only if there provably never was one.
    pub last: Option<PositionRecord>,
    /// When that was written, milliseconds since the epoch, as the writer's clock said.
    pub last_at: Option<i64>,
    /// Followed tables at that position.
    pub catalog: Vec<CatalogEntry>,
}

/// A place that changes go to.
#[async_trait]
pub trait Sink: Send + Sync + 'static {
    /// Fences the owner before and reads the last committed position, in this order: proof of ownership, fencing,
    /// proof again, position.
    async fn take_over(
        &self,
        context: &ShardContext,
        ownership: &dyn Ownership,
    ) -> Result<TakenOver, SinkError>;

    /// The last committed records of other shards of the layout, by name and number; what is committed meanwhile may be
    /// missing. Strategy `Time` goes by them.
    async fn last_records(
        &self,
        _context: &ShardContext,
        _of: &[(ShardId, u32)],
    ) -> Result<Vec<(u32, PositionRecord)>, SinkError> {
        Ok(Vec::new())
    }

    /// Followed tables as another shard's records have them, which began with `capture`.
    async fn followed_by(
        &self,
        _context: &ShardContext,
        _other: (ShardId, u32),
        _capture: u64,
    ) -> Result<Vec<CatalogEntry>, SinkError> {
        Ok(Vec::new())
    }

    /// Opens the connections that [`Sink::take_over`] will need. Fences nobody.
    async fn warm(&self, context: &ShardContext) -> Result<(), SinkError>;
}

/// One shard's fenced way into the sink. Blocking; lives on a thread of its own. After any error it is dropped:
/// nothing that was not committed is visible to a `read_committed` reader then.
pub trait Writer: Send {
    /// Takes rows. They are not durable before [`Writer::commit`] returned.
    fn write(&mut self, chunk: &Chunk, epoch: u64) -> Result<(), SinkError>;

    /// Makes everything written since the last commit durable, together with `record`, or nothing of it.
    fn commit(&mut self, record: &PositionRecord) -> Result<(), SinkError>;
}
