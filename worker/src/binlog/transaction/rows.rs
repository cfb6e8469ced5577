//! The rows of a transaction: held until its end is known, then sent on.

use std::sync::Arc;

use mysql_common::binlog::events::Event;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Assembler, BinlogError, End, Step};
use crate::binlog::event::Operation;

/// Rows of a large transaction are sent on in pieces of this size.
pub(super) const STREAM_BYTES: usize = 64 * 1024;

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

impl<T> Assembler<T> {
    /// Takes rows in: `table` is `None` when the filter drops them. `extra` tells version 2 events.
    pub fn push_rows(
        &mut self,
        event: Event,
        operation: Operation,
        table: Option<Arc<T>>,
        row_offset: impl FnOnce(&Event, u64) -> Result<usize, BinlogError>,
    ) -> Result<Step<T>, BinlogError> {
        let offset = self.event_start;
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

    pub(super) fn finish(&mut self, end: End) -> Result<Step<T>, BinlogError> {
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
        // Another server numbers the transaction otherwise: what is left of it bears the xid that its first rows bear.
        let known = open.end.filter(|known| matches!((known, end), (End::Commit { .. }, End::Commit { .. })));
        let start = cut.then(|| self.position());
        self.pass();
        Ok(match known.unwrap_or(end) {
            End::Commit { xid } if !rows.is_empty() => Step::Emit { rows, header, xid, start, last: true },
            _ => Step::None,
        })
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
