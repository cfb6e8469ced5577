//! A message's fields before `data`, in Maxwell's order.

use super::message::{Row, RowContext, TableEncoder};
use super::{EncodeError, text};
use crate::binlog::event::Operation;

/// The field `type`.
pub(super) fn kind(operation: Operation) -> &'static [u8] {
    match operation {
        Operation::Insert => b",\"type\":\"insert\"",
        Operation::Update => b",\"type\":\"update\"",
        Operation::Delete => b",\"type\":\"delete\"",
    }
}

/// The first `units` UTF-16 units of `text`; a character of two is not cut in half.
fn cut(text: &str, units: u32) -> &str {
    let mut left = units as usize;
    if units == 0 || text.len() <= left {
        return text;
    }
    for (at, c) in text.char_indices() {
        match left.checked_sub(c.len_utf16()) {
            Some(rest) => left = rest,
            None => return &text[..at],
        }
    }
    text
}

impl TableEncoder {
    pub(super) fn fields(
        &self,
        out: &mut Vec<u8>,
        row: &Row<'_>,
        context: &RowContext<'_>,
    ) -> Result<(), EncodeError> {
        out.extend_from_slice(&self.head);
        if let Some(query) = context.query.filter(|_| self.style.output.row_query) {
            out.extend_from_slice(b",\"query\":");
            text::string(out, cut(query, self.style.output.row_query_max_length));
        }
        match &self.copied {
            None => out.extend_from_slice(kind(row.operation)),
            Some(copied) => out.extend_from_slice(&copied.kind),
        }
        out.extend_from_slice(b",\"ts\":");
        text::integer(out, context.timestamp);
        self.commit_info(out, context);
        self.origin(out, context);
        if let Some(copied) = &self.copied {
            out.extend_from_slice(&copied.comment);
        }
        self.primary_key(out, row)
    }

    /// A field's name: most have one form only.
    fn named(&self, out: &mut Vec<u8>, plain: &[u8], camel: &[u8]) {
        out.extend_from_slice(if self.style.camel_case() { camel } else { plain });
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

    fn origin(&self, out: &mut Vec<u8>, context: &RowContext<'_>) {
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
            self.named(out, b",\"server_id\":", b",\"serverId\":");
            text::integer(out, context.server_id);
        }
        if let Some(thread) = context.thread_id.filter(|_| output.thread_id) {
            self.named(out, b",\"thread_id\":", b",\"threadId\":");
            text::integer(out, thread);
        }
        if output.schema_id {
            self.named(out, b",\"schema_id\":", b",\"schemaId\":");
            text::integer(out, self.schema_id);
        }
        if let Some(time) = context.push_timestamp.filter(|_| output.push_timestamp) {
            self.named(out, b",\"push_ts\":", b",\"pushTs\":");
            out.extend_from_slice(format!("{time:.6}").as_bytes());
        }
    }

    fn primary_key(&self, out: &mut Vec<u8>, row: &Row<'_>) -> Result<(), EncodeError> {
        let output = &self.style.output;
        if output.primary_keys {
            self.named(out, b",\"primary_key\":[", b",\"primaryKey\":[");
            for (count, &at) in self.table.primary_key.iter().enumerate() {
                if count > 0 {
                    out.push(b',');
                }
                self.value_or_null(out, row.body, at, row.shown(at))?;
            }
            out.push(b']');
        }
        if output.primary_key_columns {
            self.named(out, b",\"primary_key_columns\":[", b",\"primaryKeyColumns\":[");
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_cut_as_java_counts() {
        assert_eq!(cut("select", 0), "select");
        assert_eq!(cut("select", 3), "sel");
        assert_eq!(cut("select", 6), "select");
        assert_eq!(cut("äöü", 2), "äö");
        assert_eq!(cut("a😀b", 3), "a😀");
        assert_eq!(cut("a😀b", 2), "a");
        assert_eq!(cut("a😀b", 4), "a😀b");
    }
}
