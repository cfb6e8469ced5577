//! A row's message: Maxwell's fields in Maxwell's order, its key, the text that decides its partition.

use std::sync::Arc;

use maxwell_protocol::settings::KeyFormat;

use super::partition::Partition;
use super::schema_id::schema_id;
use super::share::Shown;
use super::style::{Style, topic};
use super::value::{ValueStyle, java_text, value};
use super::{EncodeError, fields, names, text};
use crate::binlog::event::Operation;
use crate::binlog::rows::{Field, Image};
use crate::binlog::table::{ColumnKind, Table};
use crate::filter::{RowFilter, RowValue};
use crate::shard::Share;

const OPERATIONS: [Operation; 3] = [Operation::Insert, Operation::Update, Operation::Delete];

/// Facts of the transaction and event that a row is in.
#[derive(Debug, Clone, Default)]
pub struct RowContext<'a> {
    /// Header time of the rows event, seconds since the epoch.
    pub timestamp: u32,
    /// The transaction's xid.
    pub xid: Option<u64>,
    /// Rows emitted before this one.
    pub xoffset: u64,
    /// Whether this is the transaction's last emitted row.
    pub commit: bool,
    /// `file:offset` of the rows event, if it is printed.
    pub position: &'a str,
    /// GTID, if there is one.
    pub gtid: Option<&'a str>,
    /// Server id of the transaction.
    pub server_id: u32,
    /// Connection id of the transaction.
    pub thread_id: Option<u32>,
    /// The statement behind the row, if it is printed and known.
    pub query: Option<&'a str>,
    /// Seconds since the epoch with microseconds, if printed.
    pub push_timestamp: Option<f64>,
}

/// A row as it stands in its rows event.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// What was done.
    pub operation: Operation,
    /// The event's body.
    pub body: &'a [u8],
    /// The image before; empty for an insert.
    pub before: &'a Image,
    /// The image after; empty for a delete.
    pub after: &'a Image,
}

impl Row<'_> {
    /// A field of the image that is shown, or of the one before where `binlog_row_image` left it out there.
    pub(super) fn shown(&self, at: usize) -> Field {
        let (shown, fallback) = match self.operation {
            Operation::Delete => (self.before, self.before),
            Operation::Update => (self.after, self.before),
            Operation::Insert => (self.after, self.after),
        };
        match shown.get(at) {
            Some(Field::Absent) | None => fallback.get(at).copied().unwrap_or(Field::Absent),
            Some(field) => *field,
        }
    }
}

/// What messages of a copied table have in common.
#[derive(Debug)]
pub(super) struct Copied {
    /// The field `type`.
    pub(super) kind: Vec<u8>,
    /// The field `comment`; empty if there is none.
    pub(super) comment: Vec<u8>,
}

/// One table's messages: everything that is the same for all its rows, made once.
#[derive(Debug)]
pub struct TableEncoder {
    /// The table.
    pub table: Table,
    /// Decides about rows by their values, if a rule does.
    filter: Option<RowFilter>,
    /// The keys whose rows are shown, if not all are.
    pub(super) share: Option<Share>,
    topics: [Arc<str>; 3],
    dead_letter_topic: Option<Arc<str>>,
    /// Names as they are printed, with the colon.
    pub(super) names: Vec<Vec<u8>>,
    /// Columns that are printed: all but those excluded.
    pub(super) printed: Vec<usize>,
    pub(super) head: Vec<u8>,
    /// What replaces the operation's name on copies of a table.
    pub(super) copied: Option<Copied>,
    key_head: Vec<u8>,
    key_names: Vec<Vec<u8>>,
    partition: Partition,
    /// The same as long as the table's definition is.
    pub(super) schema_id: u64,
    pub(super) style: Style,
}

/// Where a message's parts are in the buffer that it was appended to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// End of the key, which starts where the buffer ended.
    pub key_end: usize,
    /// Hash that decides the partition.
    pub partition_hash: i32,
}

impl TableEncoder {
    /// Prepares for `table`.
    pub fn new(table: Table, style: &Style) -> Self {
        let (database, name) = (json(&table.database), json(&table.name));
        let printed_name = |name: &String| names::printed(style.output.naming_strategy, name).into_owned();
        let names = table.columns.iter().map(|column| member_name(&printed_name(&column.name))).collect();
        let key_names = table.primary_key.iter().map(|&at| {
            let name = table.columns[at].name.to_lowercase();
            member_name(&if style.key_format == KeyFormat::Hash { format!("pk.{name}") } else { name })
        });
        let head = [b"{\"database\":" as &[u8], &database, b",\"table\":", &name].concat();
        let shown = |at: &usize| style.shows(&table.columns[*at].name);
        let kinds = OPERATIONS.map(Operation::name);
        let filled = |template: &str, kind: &str| topic(template, &table.database, &table.name, kind).into();
        let topics: [Arc<str>; 3] = match style.topic.contains("%{type}") {
            true => kinds.map(|kind| filled(&style.topic, kind)),
            false => {
                let one: Arc<str> = filled(&style.topic, "");
                kinds.map(|_| Arc::clone(&one))
            }
        };
        Self {
            filter: None,
            share: None,
            topics,
            dead_letter_topic: style.dead_letter_topic.as_deref().map(|template| filled(template, "")),
            names,
            printed: (0..table.columns.len()).filter(shown).collect(),
            key_names: key_names.collect(),
            key_head: match style.key_format {
                KeyFormat::Hash => head.clone(),
                KeyFormat::Array => [b"[" as &[u8], &database, b",", &name, b",["].concat(),
            },
            head,
            copied: None,
            partition: Partition::new(&table, style),
            schema_id: schema_id(&table),
            style: style.clone(),
            table,
        }
    }

    /// Prepares for messages of another `type`, which are no part of a transaction and print none of its facts.
    pub fn copied(table: Table, style: &Style, kind: &str, comment: Option<&str>) -> Self {
        let mut style = style.clone();
        let output = &mut style.output;
        output.commit_info = false;
        output.binlog_position = false;
        output.gtid = false;
        output.server_id = false;
        output.thread_id = false;
        output.schema_id &= kind == "bootstrap-insert";
        style.topic = style.topic.replace("%{type}", kind);
        let mut encoder = Self::new(table, &style);
        let field = |name: &str, value: &str| [name.as_bytes(), &json(value)].concat();
        encoder.copied = Some(Copied {
            kind: field(",\"type\":", kind),
            comment: comment.map(|comment| field(",\"comment\":", comment)).unwrap_or_default(),
        });
        encoder
    }

    /// Whether messages carry `push_ts`.
    pub fn prints_push_timestamp(&self) -> bool {
        self.style.output.push_timestamp
    }

    /// Lets the values of a row decide whether it passes.
    pub fn with_filter(mut self, filter: Option<RowFilter>) -> Self {
        self.filter = filter;
        self
    }

    /// Where rows of this operation go.
    pub fn topic(&self, operation: Operation) -> &Arc<str> {
        &self.topics[operation as usize]
    }

    /// Where it is told that a row was too large.
    pub fn dead_letter_topic(&self) -> Option<&Arc<str>> {
        self.dead_letter_topic.as_ref()
    }

    /// Lets the keys of rows decide which are shown.
    pub fn with_share(mut self, share: Option<Share>) -> Self {
        self.share = share;
        self
    }

    /// Whether rows are asked whether they are shown.
    pub fn filters_rows(&self) -> bool {
        self.filter.is_some() || self.share.is_some()
    }

    /// What is shown of a row.
    pub fn shows(&self, row: &Row<'_>) -> Result<Shown, EncodeError> {
        let shown = match self.share {
            Some(share) => self.share_of(share, row)?,
            None => Shown::Whole,
        };
        Ok(if shown != Shown::Nothing && self.passes(row)? { shown } else { Shown::Nothing })
    }

    fn passes(&self, row: &Row<'_>) -> Result<bool, EncodeError> {
        let Some(filter) = &self.filter else { return Ok(true) };
        let mut text = String::new();
        filter.passes(|at, tell| {
            text.clear();
            let present = self.plain_text(&mut text, row, at)?;
            tell(match (row.shown(at), present) {
                (Field::Absent, _) => RowValue::Absent,
                (_, true) => RowValue::Text(&text),
                (_, false) => RowValue::Null,
            });
            Ok(())
        })
    }

    pub(super) fn full_name(&self) -> String {
        format!("{}.{}", self.table.database, self.table.name)
    }

    /// Appends the row's key and, behind it, its message.
    pub fn row(
        &self,
        out: &mut Vec<u8>,
        row: &Row<'_>,
        context: &RowContext<'_>,
    ) -> Result<Written, EncodeError> {
        self.key(out, row)?;
        let key_end = out.len();
        let partition_hash = self.partition.hash(self, row, context)?;
        self.message(out, row, context)?;
        if let Some(cipher) = self.style.message_cipher() {
            cipher.encrypt(out, key_end);
            out.splice(key_end..key_end, *b"{\"encrypted\":");
            out.push(b'}');
        }
        Ok(Written { key_end, partition_hash })
    }

    /// Appends what the dead-letter topic is told of a row that was too large.
    pub fn skeleton(&self, out: &mut Vec<u8>, row: &Row<'_>) -> Result<(), EncodeError> {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(fields::kind(row.operation));
        out.extend_from_slice(b",\"reason\":\"RecordTooLargeException\",\"data\":{");
        for (count, &at) in self.table.primary_key.iter().enumerate() {
            if count > 0 {
                out.push(b',');
            }
            text::string(out, &self.table.columns[at].name);
            out.push(b':');
            self.value_or_null(out, row.body, at, row.shown(at))?;
        }
        out.extend_from_slice(b"}}");
        Ok(())
    }

    pub(super) fn value_or_null(
        &self,
        out: &mut Vec<u8>,
        body: &[u8],
        at: usize,
        field: Field,
    ) -> Result<(), EncodeError> {
        match field {
            Field::Value(from, to) => value(
                out,
                &self.table.columns[at],
                &body[from as usize..to as usize],
                ValueStyle::from(&self.style.output),
                &|| self.full_name(),
            ),
            Field::Null | Field::Absent => {
                out.extend_from_slice(b"null");
                Ok(())
            }
        }
    }

    /// Appends a value's text as Java's `toString` shows it; `false` if there is none, or the original has null for it.
    pub(super) fn plain_text(&self, out: &mut String, row: &Row<'_>, at: usize) -> Result<bool, EncodeError> {
        let column = &self.table.columns[at];
        let field = row.shown(at);
        let Field::Value(from, to) = field else { return Ok(false) };
        if may_print_null(&column.kind) {
            let mut printed = Vec::new();
            self.value_or_null(&mut printed, row.body, at, field)?;
            if printed == b"null" {
                return Ok(false);
            }
        }
        let style = ValueStyle::from(&self.style.output);
        let bytes = &row.body[from as usize..to as usize];
        java_text(out, column, bytes, style, &|| self.full_name())?;
        Ok(true)
    }

    fn key(&self, out: &mut Vec<u8>, row: &Row<'_>) -> Result<(), EncodeError> {
        out.extend_from_slice(&self.key_head);
        let hashed = self.style.key_format == KeyFormat::Hash;
        for (count, (&at, name)) in self.table.primary_key.iter().zip(&self.key_names).enumerate() {
            match (hashed, count) {
                (true, _) => out.push(b','),
                (false, 0) => out.push(b'{'),
                (false, _) => out.extend_from_slice(b",{"),
            }
            out.extend_from_slice(name);
            self.value_or_null(out, row.body, at, row.shown(at))?;
            if !hashed {
                out.push(b'}');
            }
        }
        if hashed && self.table.primary_key.is_empty() {
            out.extend_from_slice(b",\"_uuid\":");
            text::string(out, &uuid::Uuid::new_v4().to_string());
        }
        out.extend_from_slice(if hashed { b"}" } else { b"]]" });
        Ok(())
    }

    fn message(&self, out: &mut Vec<u8>, row: &Row<'_>, context: &RowContext<'_>) -> Result<(), EncodeError> {
        self.fields(out, row, context)?;
        match self.style.data_cipher() {
            None => {
                out.push(b',');
                self.data(out, row)?;
            }
            Some(cipher) => {
                out.extend_from_slice(b",\"encrypted\":");
                let start = out.len();
                out.push(b'{');
                self.data(out, row)?;
                out.push(b'}');
                cipher.encrypt(out, start);
            }
        }
        out.push(b'}');
        Ok(())
    }
}

fn json(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    text::string(&mut out, text);
    out
}

fn member_name(name: &str) -> Vec<u8> {
    [json(name), b":".to_vec()].concat()
}

/// Whether a value that is not NULL may print as null, because the original has null for it. A JSON null is none.
pub(super) fn may_print_null(kind: &ColumnKind) -> bool {
    matches!(
        kind,
        ColumnKind::Enum { .. }
            | ColumnKind::Date
            | ColumnKind::DateTime { .. }
            | ColumnKind::Timestamp { .. }
    )
}

#[cfg(test)]
mod tests;
