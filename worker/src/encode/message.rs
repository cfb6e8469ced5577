//! A row's message: Maxwell's fields in Maxwell's order, its key, the text that decides its partition.

use std::sync::Arc;

use maxwell_protocol::settings::{Kafka, KeyFormat, Output, PartitionBy, PartitionHash};
use rand::distr::{Alphanumeric, SampleString};

use super::value::{ValueStyle, java_text, value};
use super::{EncodeError, key, text};
use crate::binlog::event::Operation;
use crate::binlog::rows::{Field, Image};
use crate::binlog::table::Table;

/// How messages look: the part of the settings that decides it.
#[derive(Debug, Clone)]
pub struct Style {
    /// Maxwell's `output_*` options.
    pub output: Output,
    /// Form of the keys.
    pub key_format: KeyFormat,
    /// What decides the partition.
    pub partition_by: PartitionBy,
    /// Columns for [`PartitionBy::Columns`].
    pub partition_columns: Vec<String>,
    /// Hash from that to the partition.
    pub partition_hash: PartitionHash,
    /// Topic, with Maxwell's placeholders.
    pub topic: String,
    /// Topic of schema changes.
    pub ddl_topic: String,
}

impl Style {
    /// From the settings; without Kafka its parts are the defaults.
    pub fn new(output: &Output, kafka: Option<&Kafka>) -> Self {
        let kafka = kafka.cloned();
        Self {
            output: output.clone(),
            key_format: kafka.as_ref().map(|k| k.key_format).unwrap_or_default(),
            partition_by: kafka.as_ref().map(|k| k.partition_by).unwrap_or_default(),
            partition_hash: kafka.as_ref().map(|k| k.partition_hash).unwrap_or_default(),
            partition_columns: kafka.as_ref().map(|k| k.partition_columns.clone()).unwrap_or_default(),
            ddl_topic: kafka
                .as_ref()
                .map(|k| k.ddl_topic.clone().unwrap_or_else(|| k.topic.clone()))
                .unwrap_or_default(),
            topic: kafka.map(|k| k.topic).unwrap_or_default(),
        }
    }
}

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
    /// Seconds since the epoch with microseconds, if printed.
    pub push_timestamp: Option<f64>,
}

/// One table's messages: everything that is the same for all its rows, made once.
#[derive(Debug)]
pub struct TableEncoder {
    /// The table.
    pub table: Table,
    /// Where its rows go.
    pub topic: Arc<str>,
    names: Vec<Vec<u8>>,
    heads: [Vec<u8>; 3],
    key_head: Vec<u8>,
    key_names: Vec<Vec<u8>>,
    partition_columns: Vec<usize>,
    table_partition: i32,
    style: Style,
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
        let json = |name: &str| {
            let mut out = Vec::new();
            text::string(&mut out, name);
            out
        };
        let head = |operation: Operation| {
            let (database, name) = (json(&table.database), json(&table.name));
            let kind = json(operation.name());
            [b"{\"database\":" as &[u8], &database, b",\"table\":", &name, b",\"type\":", &kind].concat()
        };
        let names = table.columns.iter().map(|column| [json(&column.name), b":".to_vec()].concat()).collect();
        let key_names = table.primary_key.iter().map(|&at| {
            let name = table.columns[at].name.to_lowercase();
            let name = if style.key_format == KeyFormat::Hash { format!("pk.{name}") } else { name };
            [json(&name), b":".to_vec()].concat()
        });
        let (database, name) = (json(&table.database), json(&table.name));
        let key_head = match style.key_format {
            KeyFormat::Hash => [b"{\"database\":" as &[u8], &database, b",\"table\":", &name].concat(),
            KeyFormat::Array => [b"[" as &[u8], &database, b",", &name, b",["].concat(),
        };
        let partition_text = match style.partition_by {
            PartitionBy::Table => table.name.clone(),
            PartitionBy::PrimaryKey => format!("{}{}", table.database, table.name),
            _ => table.database.clone(),
        };
        let column_index = |name: &String| table.columns.iter().position(|column| column.name == *name);
        Self {
            topic: topic(&style.topic, &table).into(),
            heads: [head(Operation::Insert), head(Operation::Update), head(Operation::Delete)],
            names,
            key_names: key_names.collect(),
            key_head,
            partition_columns: match style.partition_by {
                PartitionBy::PrimaryKey => table.primary_key.clone(),
                PartitionBy::Columns => style.partition_columns.iter().filter_map(column_index).collect(),
                _ => Vec::new(),
            },
            table_partition: key::hash(style.partition_hash, &partition_text),
            style: style.clone(),
            table,
        }
    }

    fn full_name(&self) -> String {
        format!("{}.{}", self.table.database, self.table.name)
    }

    /// Appends the row's key and, behind it, its message.
    pub fn row(
        &self,
        out: &mut Vec<u8>,
        operation: Operation,
        body: &[u8],
        before: &Image,
        after: &Image,
        context: &RowContext<'_>,
    ) -> Result<Written, EncodeError> {
        let shown = if operation == Operation::Delete { before } else { after };
        let fallback = if operation == Operation::Update { before } else { shown };
        self.key(out, body, shown, fallback)?;
        let key_end = out.len();
        let partition_hash = self.partition(body, shown, fallback, context)?;
        self.message(out, operation, body, (before, after), shown, fallback, context)?;
        Ok(Written { key_end, partition_hash })
    }

    /// A field of the image that is shown, or of the before image where `binlog_row_image` left it out there.
    fn field(shown: &Image, fallback: &Image, at: usize) -> Field {
        match shown.get(at) {
            Some(Field::Absent) | None => fallback.get(at).copied().unwrap_or(Field::Absent),
            Some(field) => *field,
        }
    }

    fn value_or_null(
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

    fn key(
        &self,
        out: &mut Vec<u8>,
        body: &[u8],
        shown: &Image,
        fallback: &Image,
    ) -> Result<(), EncodeError> {
        out.extend_from_slice(&self.key_head);
        let hashed = self.style.key_format == KeyFormat::Hash;
        for (count, (&at, name)) in self.table.primary_key.iter().zip(&self.key_names).enumerate() {
            match (hashed, count) {
                (true, _) => out.push(b','),
                (false, 0) => out.push(b'{'),
                (false, _) => out.extend_from_slice(b",{"),
            }
            out.extend_from_slice(name);
            self.value_or_null(out, body, at, Self::field(shown, fallback, at))?;
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

    fn partition(
        &self,
        body: &[u8],
        shown: &Image,
        fallback: &Image,
        context: &RowContext<'_>,
    ) -> Result<i32, EncodeError> {
        let hash = |text: &str| key::hash(self.style.partition_hash, text);
        match self.style.partition_by {
            PartitionBy::TransactionId => {
                return Ok(hash(&context.xid.map_or("null".into(), |xid| xid.to_string())));
            }
            PartitionBy::Random => return Ok(hash(&Alphanumeric.sample_string(&mut rand::rng(), 10))),
            _ if self.partition_columns.is_empty() => return Ok(self.table_partition),
            _ => {}
        }
        let mut joined = String::new();
        let mut found = false;
        for &at in &self.partition_columns {
            if let Field::Value(from, to) = Self::field(shown, fallback, at) {
                found = true;
                let bytes = &body[from as usize..to as usize];
                let style = ValueStyle::from(&self.style.output);
                java_text(&mut joined, &self.table.columns[at], bytes, style, &|| self.full_name())?;
            }
        }
        Ok(hash(if found { &joined } else { "None" }))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one row, borrowed from the caller's buffers")]
    fn message(
        &self,
        out: &mut Vec<u8>,
        operation: Operation,
        body: &[u8],
        (before, after): (&Image, &Image),
        shown: &Image,
        fallback: &Image,
        context: &RowContext<'_>,
    ) -> Result<(), EncodeError> {
        out.extend_from_slice(&self.heads[operation as usize]);
        out.extend_from_slice(b",\"ts\":");
        text::integer(out, context.timestamp);
        self.commit_info(out, context);
        self.optional_fields(out, body, shown, fallback, context)?;
        out.extend_from_slice(b",\"data\":{");
        let mut first = true;
        for at in 0..self.table.columns.len() {
            match Self::field(shown, fallback, at) {
                Field::Absent => continue,
                Field::Null if !self.style.output.nulls => continue,
                field => {
                    self.member(out, &mut first, at);
                    self.value_or_null(out, body, at, field)?;
                }
            }
        }
        out.push(b'}');
        if operation == Operation::Update {
            self.old(out, body, before, after)?;
        }
        out.push(b'}');
        Ok(())
    }

    fn member(&self, out: &mut Vec<u8>, first: &mut bool, at: usize) {
        if !std::mem::replace(first, false) {
            out.push(b',');
        }
        out.extend_from_slice(&self.names[at]);
    }

    fn commit_info(&self, out: &mut Vec<u8>, context: &RowContext<'_>) {
        if !self.style.output.commit_info {
            return;
        }
        if let Some(xid) = context.xid {
            out.extend_from_slice(b",\"xid\":");
            text::integer(out, xid);
        }
        if context.commit {
            out.extend_from_slice(b",\"commit\":true");
        } else if self.style.output.xoffset {
            out.extend_from_slice(b",\"xoffset\":");
            text::integer(out, context.xoffset);
        }
    }

    fn optional_fields(
        &self,
        out: &mut Vec<u8>,
        body: &[u8],
        shown: &Image,
        fallback: &Image,
        context: &RowContext<'_>,
    ) -> Result<(), EncodeError> {
        let output = &self.style.output;
        if output.binlog_position {
            out.extend_from_slice(b",\"position\":");
            text::string(out, context.position);
        }
        if output.gtid {
            out.extend_from_slice(b",\"gtid\":");
            match context.gtid {
                Some(gtid) => text::string(out, gtid),
                None => out.extend_from_slice(b"null"),
            }
        }
        if output.server_id {
            out.extend_from_slice(b",\"server_id\":");
            text::integer(out, context.server_id);
        }
        if let Some(thread) = context.thread_id.filter(|_| output.thread_id) {
            out.extend_from_slice(b",\"thread_id\":");
            text::integer(out, thread);
        }
        if let Some(time) = context.push_timestamp {
            out.extend_from_slice(format!(",\"push_ts\":{time:.6}").as_bytes());
        }
        if output.primary_keys {
            out.extend_from_slice(b",\"primary_key\":[");
            for (count, &at) in self.table.primary_key.iter().enumerate() {
                if count > 0 {
                    out.push(b',');
                }
                self.value_or_null(out, body, at, Self::field(shown, fallback, at))?;
            }
            out.push(b']');
        }
        if output.primary_key_columns {
            out.extend_from_slice(b",\"primary_key_columns\":[");
            for (count, &at) in self.table.primary_key.iter().enumerate() {
                if count > 0 {
                    out.push(b',');
                }
                text::string(out, &self.table.columns[at].name);
            }
            out.push(b']');
        }
        Ok(())
    }

    /// Columns of both images whose printed values differ.
    fn old(&self, out: &mut Vec<u8>, body: &[u8], before: &Image, after: &Image) -> Result<(), EncodeError> {
        let start = out.len();
        out.extend_from_slice(b",\"old\":{");
        let mut first = true;
        let mut now = Vec::new();
        for (at, (&was, &is)) in before.iter().zip(after).enumerate() {
            if was == Field::Absent || is == Field::Absent || same(body, was, is) {
                continue;
            }
            if was == Field::Null && !self.style.output.nulls {
                continue;
            }
            let rollback = (out.len(), first);
            self.member(out, &mut first, at);
            let value_at = out.len();
            self.value_or_null(out, body, at, was)?;
            now.clear();
            self.value_or_null(&mut now, body, at, is)?;
            if out[value_at..] == now[..] {
                out.truncate(rollback.0);
                first = rollback.1;
            }
        }
        if first {
            out.truncate(start);
        } else {
            out.push(b'}');
        }
        Ok(())
    }
}

fn same(body: &[u8], a: Field, b: Field) -> bool {
    match (a, b) {
        (Field::Value(from, to), Field::Value(other, end)) => {
            body[from as usize..to as usize] == body[other as usize..end as usize]
        }
        (a, b) => a == b,
    }
}

/// The topic with Maxwell's placeholders replaced. `%{type}` has no value for a whole table and is refused earlier.
fn topic(template: &str, table: &Table) -> String {
    template.replace("%{database}", &table.database).replace("%{table}", &table.name)
}
