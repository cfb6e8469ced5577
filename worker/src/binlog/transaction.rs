//! The transaction state machine: events in, rows of finished transactions out.
//!
//! A row leaves only when its transaction's end is known, because it carries the `xid` and the last one `commit`, and
//! a rollback must show nothing. Row events are held back up to [`Limits::held_bytes`]; beyond that [`Step::FindEnd`]
//! asks for the end, and the transaction is streamed with its last rows event held back.
//!
//! ```text
//! Between ──GTID/BEGIN──▶ Open{end unknown} ──XID/COMMIT──▶ Between, rows out
//!                            │ too large                ╲──ROLLBACK──▶ Between, nothing out
//!                            ▼
//!                          Open{end known} ── rows out as they come, the last event when the end is met
//! ```

use std::sync::Arc;

use maxwell_protocol::gtid::{Gtid, GtidSet};
use maxwell_protocol::position::{Inside, Position, Prepared};
use mysql_common::binlog::events::Event;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::BinlogError;
use super::event::{Kind, Operation, Statement, classify, rows_query, statement};
use super::place::Place;

mod savepoints;
#[cfg(test)]
mod tests;
mod xa;

/// Rows of a large transaction are sent on in pieces of this size.
const STREAM_BYTES: usize = 64 * 1024;

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With an XID event, or with a COMMIT statement, which has no xid.
    Commit {
        /// The xid.
        xid: Option<u64>,
    },
    /// With a ROLLBACK: nothing of it is shown.
    Rollback,
    /// As an XA transaction that waits for its outcome: nothing of it is shown yet.
    Prepared,
}

/// What bounds the memory of an open transaction.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of row events that are held while the end is unknown.
    pub held_bytes: usize,
    /// Whether the statements behind the rows are held with them.
    pub queries: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { held_bytes: 16 * 1024 * 1024, queries: false }
    }
}

/// A rows event of a table that passes the filter, waiting for its transaction's end.
#[derive(Debug)]
pub struct HeldRows<T> {
    /// The event.
    pub event: Event,
    /// Its table.
    pub table: Arc<T>,
    /// Its operation.
    pub operation: Operation,
    /// Index among the transaction's rows events.
    pub index: u64,
    /// Digest of all rows events before it.
    pub digest_before: u64,
    /// Rows at its start that were sent before a restart.
    pub skip_rows: u64,
    /// Where the event starts in the binlog file.
    pub offset: u64,
    /// The statement behind it, if that is known and wanted.
    pub query: Option<Arc<str>>,
}

/// Facts of the open transaction that its rows carry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// GTID.
    pub gtid: Option<Gtid>,
    /// Server id of the first event.
    pub server_id: u32,
    /// Connection id; unknown on MariaDB.
    pub thread_id: Option<u32>,
    /// Commit time in milliseconds since the epoch.
    pub committed_at: i64,
}

/// What the caller does next.
#[derive(Debug)]
pub enum Step<T> {
    /// Nothing.
    None,
    /// A TABLE_MAP: tell whether the table passes with [`Assembler::push_rows`] at its rows.
    TableMap(Event),
    /// Rows: look their table up and call [`Assembler::push_rows`].
    Rows(Event, Operation),
    /// Call [`Assembler::end_found`] with the end of the transaction that starts at [`Assembler::position`].
    FindEnd,
    /// Encode these; `last` says that the last row of the last event is the transaction's last emitted one.
    Emit {
        /// The events, in order.
        rows: Vec<HeldRows<T>>,
        /// The transaction.
        header: Header,
        /// Its xid.
        xid: Option<u64>,
        /// Where it starts, if it is large enough to be cut.
        start: Option<Position>,
        /// Whether the last row gets `commit`.
        last: bool,
    },
    /// A statement that is not transaction control: DDL, or nothing of interest.
    Statement {
        /// Default database.
        database: String,
        /// The text.
        text: String,
    },
    /// A statement that changed rows, which the binlog does not show.
    RowLess {
        /// Default database.
        database: String,
        /// The text.
        text: String,
    },
    /// An XA transaction commits: read its rows where they are, pass them to [`Assembler::push_rows`] and call
    /// [`Assembler::replayed`].
    Replay(Prepared),
}

#[derive(Debug)]
struct Open<T> {
    header: Header,
    held: Vec<HeldRows<T>>,
    held_bytes: usize,
    next_index: u64,
    digest: u64,
    /// The latest statement; it holds until there is another.
    query: Option<Arc<str>>,
    end: Option<End>,
    resume: Option<Inside>,
    emitted: bool,
    /// Whether rows may follow: a BEGIN was seen, or MariaDB's GTID event, which stands for it.
    begun: bool,
    /// Index behind the last rows event of which something was emitted.
    emitted_to: u64,
    /// Savepoints and the index of the rows event that came next.
    savepoints: Vec<(String, u64)>,
}

/// The state machine. `T` is what the caller knows of a table.
#[derive(Debug)]
pub struct Assembler<T> {
    limits: Limits,
    server: String,
    read: Place,
    /// Where the open transaction starts; between transactions, where the last event ended.
    start_offset: u64,
    /// Whether file and offset are known to match the GTID set: after a dump was opened by GTID, only from its first
    /// transaction on, because the server skips what is in the set.
    anchored: bool,
    gtids: Option<GtidSet>,
    resume: Option<Inside>,
    open: Option<Open<T>>,
    /// XA transactions that wait for their outcome, and the one whose commit is open.
    prepared: Vec<Prepared>,
    committing: Option<String>,
    payload: bool,
    committed_at: i64,
    transactions: u64,
}

impl<T> Assembler<T> {
    /// Starts at `position`, which the dump was opened at.
    pub fn new(position: &Position, gtids: Option<GtidSet>, limits: Limits) -> Self {
        Self {
            limits,
            server: position.server.clone(),
            read: Place { file: position.file.clone(), offset: position.offset },
            start_offset: position.offset,
            anchored: !position.file.is_empty(),
            gtids,
            resume: position.inside.clone(),
            open: None,
            prepared: position.prepared.clone(),
            committing: None,
            payload: false,
            committed_at: 0,
            transactions: 0,
        }
    }

    /// The start of the open transaction; between transactions, the place after the last one.
    pub fn position(&self) -> Position {
        Position {
            server: self.server.clone(),
            gtid_set: self.gtids.as_ref().map(ToString::to_string).unwrap_or_default(),
            file: if self.anchored { self.read.file.clone() } else { String::new() },
            offset: self.start_offset,
            inside: None,
            prepared: self.prepared.clone(),
        }
    }

    /// Whether no transaction is open.
    pub fn is_between(&self) -> bool {
        self.open.is_none()
    }

    /// Commit time of the last finished transaction, milliseconds since the epoch; 0 before the first.
    pub fn committed_at(&self) -> i64 {
        self.committed_at
    }

    /// Transactions finished since the start.
    pub fn transactions(&self) -> u64 {
        self.transactions
    }

    /// End of the last event, for the distance to the source's head.
    pub fn read_up_to(&self) -> (&str, u64) {
        (&self.read.file, self.read.offset)
    }

    fn diverged(&self) -> BinlogError {
        BinlogError::Diverged { server: self.server.clone(), place: self.place() }
    }

    fn place(&self) -> String {
        format!("{}:{}", self.read.file, self.start_offset)
    }

    /// Takes an event in.
    pub fn push(&mut self, event: Event) -> Result<Step<T>, BinlogError> {
        let kind = classify(&event)?;
        let start = self.advance(&event, &kind);
        match kind {
            Kind::Gtid { gtid, committed_at, standalone } => {
                self.begin_at_gtid(&event, gtid, committed_at, standalone, start)
            }
            Kind::Query { thread, database, statement } => {
                self.on_query(&event, thread, database, statement, start)
            }
            Kind::Begin { thread } => Ok(self.on_begin(&event, thread, start)),
            Kind::Xid(xid) => self.finish(End::Commit { xid: Some(xid) }),
            Kind::TableMap => {
                self.begin_if_closed(&event, start);
                Ok(Step::TableMap(event))
            }
            Kind::Rows(operation) => {
                self.begin_if_closed(&event, start);
                Ok(Step::Rows(event, operation))
            }
            Kind::RowsQuery => {
                self.on_rows_query(&event, start);
                Ok(Step::None)
            }
            Kind::Payload => {
                self.payload = true;
                Ok(Step::None)
            }
            Kind::Incident => Err(BinlogError::Incident(self.place())),
            Kind::XaPrepare { one_phase, name } => self.on_xa_prepare(one_phase, name),
            Kind::Rotate { .. } | Kind::Heartbeat | Kind::Other => Ok(Step::None),
        }
    }

    /// Keeps the place; gives the event's own start. Events inside a compressed payload have no place.
    fn advance(&mut self, event: &Event, kind: &Kind) -> u64 {
        if self.payload {
            return self.read.offset;
        }
        let start = self.read.follow(event, kind);
        if self.open.is_none() && !matches!(kind, Kind::Gtid { .. } | Kind::Begin { .. } | Kind::Query { .. })
        {
            self.start_offset = self.read.offset;
        }
        start
    }

    fn begin(&mut self, header: Header, start: u64) {
        self.start_offset = start;
        self.anchored = true;
        let resume = self.resume.take();
        let end = resume.as_ref().map(|inside| End::Commit { xid: inside.xid });
        let resume_at = resume.as_ref().map_or(0, |inside| inside.event + u64::from(inside.row > 0));
        self.open = Some(Open {
            header,
            held: Vec::new(),
            held_bytes: 0,
            next_index: 0,
            digest: 0,
            query: None,
            end,
            resume,
            emitted_to: resume_at,
            emitted: false,
            begun: false,
            savepoints: Vec::new(),
        });
    }

    fn begin_if_closed(&mut self, event: &Event, start: u64) {
        if self.open.is_none() {
            let committed_at = i64::from(event.header().timestamp()) * 1000;
            self.begin(
                Header { server_id: event.header().server_id(), committed_at, ..Header::default() },
                start,
            );
        }
    }

    fn begin_at_gtid(
        &mut self,
        event: &Event,
        gtid: Option<Gtid>,
        committed_at: u64,
        standalone: bool,
        start: u64,
    ) -> Result<Step<T>, BinlogError> {
        if self.payload {
            return Err(BinlogError::IncompletePayload(self.place()));
        }
        self.drop_unfinished();
        self.check_first(gtid.as_ref(), start)?;
        let begun = matches!(gtid, Some(Gtid::MariaDb { .. })) && !standalone;
        let seconds = i64::from(event.header().timestamp()) * 1000;
        let committed_at = if committed_at > 0 { (committed_at / 1000) as i64 } else { seconds };
        self.begin(
            Header { gtid, server_id: event.header().server_id(), thread_id: None, committed_at },
            start,
        );
        self.open_mut().begun = begun;
        Ok(Step::None)
    }

    /// A GTID without rows behind it (a statement that was not logged) counts as passed.
    fn drop_unfinished(&mut self) {
        if self.open.is_some() {
            self.pass();
        }
    }

    /// The first transaction must not be one that was passed. MariaDB's place is checked before the dump is opened:
    /// its sets cannot tell.
    fn check_first(&self, gtid: Option<&Gtid>, start: u64) -> Result<(), BinlogError> {
        let (Some(passed), Some(gtid @ Gtid::MySql { .. }), 0) = (&self.gtids, gtid, self.transactions)
        else {
            return Ok(());
        };
        let mut only = GtidSet::default();
        only.add(gtid);
        if !passed.contains(&only) {
            return Ok(());
        }
        let place = format!("{}:{start}", self.read.file);
        Err(BinlogError::Misplaced { server: self.server.clone(), gtid: gtid.to_string(), place })
    }

    fn open_mut(&mut self) -> &mut Open<T> {
        self.open.as_mut().expect("called only while a transaction is open")
    }

    fn on_begin(&mut self, event: &Event, thread: u32, start: u64) -> Step<T> {
        self.begin_if_closed(event, start);
        let open = self.open_mut();
        open.begun = true;
        open.header.thread_id = Some(thread);
        if open.header.committed_at == 0 {
            open.header.committed_at = i64::from(event.header().timestamp()) * 1000;
        }
        Step::None
    }

    fn on_rows_query(&mut self, event: &Event, start: u64) {
        if self.limits.queries {
            self.begin_if_closed(event, start);
            let query = rows_query(event);
            let open = self.open_mut();
            open.held_bytes += query.len();
            open.query = Some(query.into());
        }
    }

    fn on_query(
        &mut self,
        event: &Event,
        thread: u32,
        database: String,
        text: String,
        start: u64,
    ) -> Result<Step<T>, BinlogError> {
        match statement(&text) {
            Statement::Begin => Ok(self.on_begin(event, thread, start)),
            Statement::Commit => self.finish(End::Commit { xid: None }),
            Statement::Rollback => self.finish(End::Rollback),
            Statement::Savepoint => self.on_savepoint(&text),
            Statement::Xa => self.on_xa(event, thread, text, start),
            Statement::Nothing => {
                self.pass_unless_begun();
                Ok(Step::None)
            }
            Statement::Rows => {
                self.pass_unless_begun();
                Ok(Step::RowLess { database, text })
            }
            Statement::Other => {
                self.pass_unless_begun();
                Ok(Step::Statement { database, text })
            }
        }
    }

    /// A statement that stands on its own is a transaction of its own.
    fn pass_unless_begun(&mut self) {
        if !self.open.as_ref().is_some_and(|open| open.begun || open.next_index > 0) {
            self.pass();
        }
    }

    /// Takes rows in: `table` is `None` when the filter drops them. `extra` tells version 2 events.
    pub fn push_rows(
        &mut self,
        event: Event,
        operation: Operation,
        table: Option<Arc<T>>,
        row_offset: impl FnOnce(&Event, u64) -> Result<usize, BinlogError>,
    ) -> Result<Step<T>, BinlogError> {
        let length = if self.payload { 0 } else { u64::from(event.header().event_size()) };
        let offset = self.read.offset.saturating_sub(length);
        let held_limit = self.limits.held_bytes;
        let open = self.open_mut();
        let (index, digest_before) = (open.next_index, open.digest);
        let rows = rows_of(&event);
        open.next_index += 1;
        let mut skip_rows = 0;
        if let Some(resume) = open.resume.take() {
            if index < resume.event {
                open.digest = chain(digest_before, rows);
                open.resume = Some(resume);
                return Ok(Step::None);
            }
            let passed = row_offset(&event, resume.row)?;
            let digest =
                if resume.row > 0 { chain(digest_before, &event.data()[8..passed]) } else { digest_before };
            if digest != resume.digest {
                return Err(self.diverged());
            }
            skip_rows = resume.row;
            open.emitted = true;
        }
        open.digest = chain(digest_before, rows);
        let Some(table) = table else { return Ok(Step::None) };
        if matches!(open.end, Some(End::Rollback | End::Prepared)) {
            return Ok(Step::None);
        }
        open.held_bytes += rows.len();
        let query = open.query.clone();
        open.held.push(HeldRows { event, table, operation, index, digest_before, skip_rows, offset, query });
        match open.end {
            Some(End::Commit { xid }) => Ok(self.stream(xid)),
            None if open.held_bytes > held_limit => Ok(Step::FindEnd),
            _ => Ok(Step::None),
        }
    }

    /// The answer to [`Step::FindEnd`].
    pub fn end_found(&mut self, end: End) -> Step<T> {
        let open = self.open_mut();
        open.end = Some(end);
        match end {
            End::Commit { xid } => self.stream(xid),
            End::Rollback | End::Prepared => {
                open.held.clear();
                Step::None
            }
        }
    }

    /// Everything but the last event: its last row may be the transaction's.
    fn stream(&mut self, xid: Option<u64>) -> Step<T> {
        if self.open.as_ref().is_none_or(|open| open.held.len() < 2 || open.held_bytes < STREAM_BYTES) {
            return Step::None;
        }
        let start = Some(self.position());
        let open = self.open_mut();
        let keep = open.held.split_off(open.held.len() - 1);
        let rows = std::mem::replace(&mut open.held, keep);
        open.held_bytes = 0;
        open.emitted = true;
        open.emitted_to = rows.last().map_or(open.emitted_to, |last| last.index + 1);
        Step::Emit { rows, header: open.header.clone(), xid, start, last: false }
    }

    fn finish(&mut self, end: End) -> Result<Step<T>, BinlogError> {
        self.payload = false;
        let Some(open) = &mut self.open else { return Ok(Step::None) };
        let rows = std::mem::take(&mut open.held);
        let header = open.header.clone();
        let unmet = open.resume.is_some();
        // A small transaction is never cut, which saves the price of its start's GTID set.
        let cut = open.emitted || open.held_bytes >= STREAM_BYTES;
        if unmet {
            // The end of the transaction came before the place inside it.
            return Err(self.diverged());
        }
        let start = cut.then(|| self.position());
        self.pass();
        Ok(match end {
            End::Commit { xid } if !rows.is_empty() => Step::Emit { rows, header, xid, start, last: true },
            _ => Step::None,
        })
    }

    /// Counts the open transaction as passed: the position moves behind it.
    fn pass(&mut self) {
        if let Some(open) = self.open.take() {
            if let (Some(gtids), Some(gtid)) = (&mut self.gtids, &open.header.gtid) {
                gtids.add(gtid);
            }
            self.committed_at = self.committed_at.max(open.header.committed_at);
            self.transactions += 1;
        }
        self.start_offset = self.read.offset;
    }
}

/// The bytes of a rows event that any copy of the source holds alike: all but the table id and flags.
fn rows_of(event: &Event) -> &[u8] {
    event.data().get(8..).unwrap_or_default()
}

/// The digest after `bytes` were passed.
pub fn chain(digest: u64, bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, digest)
}
