//! A message's `data` and `old`.

use super::EncodeError;
use super::message::{Row, TableEncoder, may_print_null};
use crate::binlog::event::Operation;
use crate::binlog::rows::Field;

impl TableEncoder {
    pub(super) fn data(&self, out: &mut Vec<u8>, row: &Row<'_>) -> Result<(), EncodeError> {
        out.extend_from_slice(b"\"data\":{");
        let mut first = true;
        for &at in &self.printed {
            match row.shown(at) {
                Field::Absent => {}
                field => {
                    self.member(out, &mut first, row.body, at, field)?;
                }
            }
        }
        out.push(b'}');
        if row.operation == Operation::Update {
            self.old(out, row)?;
        }
        Ok(())
    }

    /// Appends a column, unless it is null and those are left out; gives the start of its value.
    fn member(
        &self,
        out: &mut Vec<u8>,
        first: &mut bool,
        body: &[u8],
        at: usize,
        field: Field,
    ) -> Result<Option<usize>, EncodeError> {
        let nulls = self.style.output.nulls;
        if field == Field::Null && !nulls {
            return Ok(None);
        }
        let start = out.len();
        if !*first {
            out.push(b',');
        }
        out.extend_from_slice(&self.names[at]);
        let value_at = out.len();
        self.value_or_null(out, body, at, field)?;
        if !nulls && out[value_at..] == *b"null" && may_print_null(&self.table.columns[at].kind) {
            out.truncate(start);
            return Ok(None);
        }
        *first = false;
        Ok(Some(value_at))
    }

    /// Columns of both images whose printed values differ.
    fn old(&self, out: &mut Vec<u8>, row: &Row<'_>) -> Result<(), EncodeError> {
        let start = out.len();
        out.extend_from_slice(b",\"old\":{");
        let mut first = true;
        let mut now = Vec::new();
        for &at in &self.printed {
            let (Some(&was), Some(&is)) = (row.before.get(at), row.after.get(at)) else { continue };
            if was == Field::Absent || is == Field::Absent || same(row.body, was, is) {
                continue;
            }
            let rollback = (out.len(), first);
            let Some(value_at) = self.member(out, &mut first, row.body, at, was)? else { continue };
            now.clear();
            self.value_or_null(&mut now, row.body, at, is)?;
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
