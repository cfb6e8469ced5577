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

use super::BinlogError;
use super::event::{Kind, Operation, Statement, begins, classify, rows_query, statement};
use super::place::Place;

mod gtid;
mod rows;
mod savepoints;
#[cfg(test)]
mod tests;
mod xa;

pub use rows::{HeldRows, chain};

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
        /// Header time, seconds since the epoch.
        timestamp: u32,
        /// Its GTID, if it has one.
        gtid: Option<Gtid>,
        /// Offset of its start in the binlog file.
        start: u64,
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
    /// Where the last event started.
    event_start: u64,
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
            event_start: position.offset,
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

    /// Whether `event`, which is not pushed yet, begins a transaction.
    pub fn would_begin(&self, event: &Event) -> bool {
        // What follows a compressed transaction shows whether that was whole.
        !self.payload && begins(event, self.open.is_some())
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

    /// Everything before this place was passed: the start of the open transaction, else the end of the last event. `None`
    /// while it is not known where the events are.
    pub fn passed_up_to(&self) -> Option<(&str, u64)> {
        self.anchored.then_some((self.read.file.as_str(), self.start_offset))
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
            return self.event_start;
        }
        let start = self.read.follow(event, kind);
        self.event_start = start;
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

    /// Takes in the statement that the next rows are of.
    pub fn on_rows_query(&mut self, event: &Event, start: u64) {
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
                let gtid = self.open.as_ref().and_then(|open| open.header.gtid.clone());
                self.pass_unless_begun();
                Ok(Step::Statement { database, text, timestamp: event.header().timestamp(), gtid, start })
            }
        }
    }

    /// A statement that stands on its own is a transaction of its own.
    fn pass_unless_begun(&mut self) {
        if !self.open.as_ref().is_some_and(|open| open.begun || open.next_index > 0) {
            self.pass();
        }
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
