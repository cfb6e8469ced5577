//! Schema changes between the rows: each leaves as a record of its own, in the place of its statement.

use std::sync::Arc;

use maxwell_protocol::gtid::Gtid;

use crate::encode::ddl::{StatementContext, change};
use crate::encode::style::Style;
use crate::encode::text::integer;
use crate::schema::ddl::Event;
use crate::sink::Record;

/// A statement of the binlog.
#[derive(Debug)]
pub struct SchemaStatement {
    /// Default database.
    pub database: String,
    /// The text.
    pub text: String,
    /// Header time, seconds since the epoch.
    pub timestamp: u32,
    /// Its GTID, if it has one.
    pub gtid: Option<Gtid>,
    /// Binlog file.
    pub file: String,
    /// Offset of its start.
    pub start: u64,
}

/// Changes that wait for the end of their transaction: `CREATE TABLE … SELECT` is one with its rows.
#[derive(Debug)]
pub struct Changes {
    /// Where they go.
    pub topic: Arc<str>,
    waiting: Vec<(SchemaStatement, Vec<Event>)>,
}

impl Changes {
    /// Sends to the topic of `style`.
    pub fn new(style: &Style) -> Self {
        Self { topic: style.ddl_topic.as_str().into(), waiting: Vec::new() }
    }

    /// Takes the changes of a statement in.
    pub fn push(&mut self, statement: SchemaStatement, events: Vec<Event>) {
        if !events.is_empty() {
            self.waiting.push((statement, events));
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Appends the waiting changes to a chunk, whose topic number `topic` is theirs.
    pub fn encode(
        &mut self,
        bytes: &mut Vec<u8>,
        records: &mut Vec<Record>,
        topic: u32,
        server: &str,
        style: &Style,
    ) {
        for (statement, events) in self.waiting.drain(..) {
            for (number, event) in events.iter().enumerate() {
                records.push(record(bytes, topic, &statement, event, number, server, style));
            }
        }
    }
}

fn record(
    bytes: &mut Vec<u8>,
    topic: u32,
    statement: &SchemaStatement,
    event: &Event,
    number: usize,
    server: &str,
    style: &Style,
) -> Record {
    let start = bytes.len();
    let gtid = statement.gtid.as_ref().map(ToString::to_string);
    let place = format!("{}:{}", statement.file, statement.start);
    let context = StatementContext {
        sql: &statement.text,
        timestamp: statement.timestamp,
        position: &place,
        gtid: gtid.as_deref(),
    };
    let written = change(bytes, event, &context, style);
    let value_end = bytes.len();
    let mut gtid_end = value_end;
    match &gtid {
        Some(gtid) => {
            bytes.extend_from_slice(gtid.as_bytes());
            gtid_end = bytes.len();
        }
        None => bytes.extend_from_slice(format!("{server}/{place}").as_bytes()),
    }
    // Rows have two numbers here.
    bytes.extend_from_slice(b"/ddl.");
    integer(bytes, number);
    Record {
        topic,
        partition_hash: written.partition_hash,
        start: start as u32,
        key_end: written.key_end as u32,
        value_end: value_end as u32,
        gtid_end: gtid_end as u32,
        id_end: bytes.len() as u32,
    }
}
