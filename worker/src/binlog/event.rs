//! What an event is, from its type and body. Row data stays in the event.

use mysql_common::binlog::events::{AnonymousGtidEvent, Event, GtidEvent};
use mysql_common::proto::MySerialize;
use uuid::Uuid;

use super::BinlogError;
use super::partial::PARTIAL_UPDATE;
use super::xa;
use maxwell_protocol::gtid::Gtid;

pub use super::statement::{Statement, statement};

/// The operation of a rows event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Rows were inserted.
    Insert,
    /// Rows were changed: a before and an after image each.
    Update,
    /// Rows were deleted.
    Delete,
}

impl Operation {
    /// Maxwell's `type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// An event, as far as a transaction is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Opens a transaction, or stands before a single statement.
    Gtid {
        /// Absent for anonymous transactions.
        gtid: Option<Gtid>,
        /// Commit time, microseconds since the epoch; 0 when the server does not say.
        committed_at: u64,
        /// MariaDB: a statement on its own, no transaction follows.
        standalone: bool,
    },
    /// `BEGIN`, as servers write it: what nearly every statement of a binlog is.
    Begin {
        /// The connection that ran it.
        thread: u32,
    },
    /// A statement.
    Query {
        /// The connection that ran it.
        thread: u32,
        /// Default database.
        database: String,
        /// The text, not necessarily UTF-8 in the original.
        statement: String,
    },
    /// The transaction is committed.
    Xid(u64),
    /// Describes the table that the next rows are of.
    TableMap,
    /// Rows.
    Rows(Operation),
    /// The statement that the next rows are of: ROWS_QUERY, or MariaDB's ANNOTATE_ROWS.
    RowsQuery,
    /// Reading goes on in another file.
    Rotate {
        /// The file.
        file: String,
        /// Where in it.
        offset: u64,
    },
    /// A whole compressed transaction; its events follow.
    Payload,
    /// The server lost events.
    Incident,
    /// The transaction is prepared under this name, or, in one phase, committed.
    XaPrepare {
        /// No more is to come.
        one_phase: bool,
        /// The transaction's name.
        name: String,
    },
    /// The server is alive and has nothing new.
    Heartbeat,
    /// Nothing to do with rows.
    Other,
}

/// A statement whose file came in events before it.
const EXECUTE_LOAD_QUERY: u8 = 18;
/// Where the variables of a statement start; the other one names the file, too.
const QUERY_HEADER: usize = 13;
const LOAD_QUERY_HEADER: usize = 26;
const MARIADB_GTID: u8 = 162;
const MARIADB_STANDALONE: u8 = 1;

/// Whether `event` begins a transaction; one that may stand inside of it begins it where none is open.
pub fn begins(event: &Event, is_open: bool) -> bool {
    match event.header().event_type_raw() {
        33 | 34 | 42 | MARIADB_GTID => true,
        2 | EXECUTE_LOAD_QUERY | 19 | 23..=25 | 29..=32 | 160 | PARTIAL_UPDATE => !is_open,
        _ => false,
    }
}

/// Says what `event` is.
pub fn classify(event: &Event) -> Result<Kind, BinlogError> {
    let header = event.header();
    let body = event.data();
    Ok(match header.event_type_raw() {
        2 => query(body, QUERY_HEADER)?,
        4 => rotate(without_checksum(event))?,
        EXECUTE_LOAD_QUERY => query(body, LOAD_QUERY_HEADER)?,
        16 => Kind::Xid(u64::from_le_bytes(fixed(body, 0, "XID")?)),
        19 => Kind::TableMap,
        23 | 30 => Kind::Rows(Operation::Insert),
        24 | 31 | PARTIAL_UPDATE => Kind::Rows(Operation::Update),
        25 | 32 => Kind::Rows(Operation::Delete),
        26 => Kind::Incident,
        27 | 41 => Kind::Heartbeat,
        29 | 160 => Kind::RowsQuery,
        33 | 42 => {
            mysql_gtid(&event.read_event::<GtidEvent>().map_err(|_| BinlogError::Damaged("GTID"))?, true)
        }
        34 => {
            let anonymous = event
                .read_event::<AnonymousGtidEvent>()
                .map_err(|_| BinlogError::Damaged("ANONYMOUS_GTID"))?;
            mysql_gtid(&anonymous.0, false)
        }
        38 => {
            let (one_phase, name) = xa::prepare(body)?;
            Kind::XaPrepare { one_phase, name }
        }
        40 => Kind::Payload,
        MARIADB_GTID => mariadb_gtid(body, header.server_id())?,
        _ => Kind::Other,
    })
}

/// The text of a [`Kind::RowsQuery`]. MySQL puts a byte before it that says nothing: the length, if one would do.
pub fn rows_query(event: &Event) -> String {
    let body = event.data();
    let text = if event.header().event_type_raw() == 29 { body.get(1..).unwrap_or_default() } else { body };
    String::from_utf8_lossy(text).into_owned()
}

/// The table id of a TABLE_MAP or rows event.
pub fn table_id(body: &[u8]) -> Result<u64, BinlogError> {
    let bytes: [u8; 6] = fixed(body, 0, "table map or rows")?;
    Ok(bytes.iter().rev().fold(0, |id, byte| (id << 8) | u64::from(*byte)))
}

fn fixed<const N: usize>(body: &[u8], at: usize, what: &'static str) -> Result<[u8; N], BinlogError> {
    body.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).ok_or(BinlogError::Damaged(what))
}

fn mysql_gtid(event: &GtidEvent, named: bool) -> Kind {
    let tag = event.tag().map(|tag| tag.to_string()).unwrap_or_default();
    let gtid =
        named.then(|| Gtid::MySql { source: (Uuid::from_bytes(event.sid()), tag), number: event.gno() });
    Kind::Gtid { gtid, committed_at: event.immediate_commit_timestamp(), standalone: false }
}

fn mariadb_gtid(body: &[u8], server: u32) -> Result<Kind, BinlogError> {
    let sequence = u64::from_le_bytes(fixed(body, 0, "GTID")?);
    let domain = u32::from_le_bytes(fixed(body, 8, "GTID")?);
    let [flags] = fixed(body, 12, "GTID")?;
    Ok(Kind::Gtid {
        gtid: Some(Gtid::MariaDb { domain, server, sequence }),
        committed_at: 0,
        standalone: flags & MARIADB_STANDALONE != 0,
    })
}

/// The body of a ROTATE event. MariaDB's first one, which comes before the event that announces checksums, has one
/// all the same: whatever ends in its own CRC-32 is taken to.
fn without_checksum(event: &Event) -> &[u8] {
    let body = event.data();
    let Some((name, checksum)) = body.split_last_chunk::<4>() else { return body };
    let mut header = Vec::new();
    event.header().serialize(&mut header);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header);
    hasher.update(name);
    if hasher.finalize() == u32::from_le_bytes(*checksum) { name } else { body }
}

fn rotate(body: &[u8]) -> Result<Kind, BinlogError> {
    let offset = u64::from_le_bytes(fixed(body, 0, "ROTATE")?);
    Ok(Kind::Rotate { file: String::from_utf8_lossy(&body[8..]).into_owned(), offset })
}

fn query(body: &[u8], header: usize) -> Result<Kind, BinlogError> {
    let damaged = || BinlogError::Damaged("QUERY");
    let thread = u32::from_le_bytes(fixed(body, 0, "QUERY")?);
    let [database_length] = fixed(body, 8, "QUERY")?;
    let variables = usize::from(u16::from_le_bytes(fixed(body, 11, "QUERY")?));
    let database_at = header + variables;
    let statement_at = database_at + usize::from(database_length) + 1;
    let database = body.get(database_at..statement_at - 1).ok_or_else(damaged)?;
    let statement = body.get(statement_at..).ok_or_else(damaged)?;
    if statement == b"BEGIN" {
        return Ok(Kind::Begin { thread });
    }
    Ok(Kind::Query {
        thread,
        database: String::from_utf8_lossy(database).into_owned(),
        statement: String::from_utf8_lossy(statement).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_cut_out_of_its_body() {
        let mut body = vec![7, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 2, 0, 9, 9];
        body.extend_from_slice(b"shop\0BEGIN");
        assert_eq!(query(&body, QUERY_HEADER), Ok(Kind::Begin { thread: 7 }));
        body.truncate(body.len() - 5);
        body.extend_from_slice(b"begin");
        let Ok(Kind::Query { thread, database, statement }) = query(&body, QUERY_HEADER) else {
            panic!("a query")
        };
        assert_eq!((thread, database.as_str(), statement.as_str()), (7, "shop", "begin"));
        for cut in 0..body.len() - 5 {
            assert!(query(&body[..cut], QUERY_HEADER).is_err(), "cut at {cut}");
        }
    }
}
