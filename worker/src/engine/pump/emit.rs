//! The rows of a transaction as records.

use std::sync::Arc;

use maxwell_protocol::position::{Inside, Position};

use super::{CHUNK_BYTES, LEAST_SPARED, Pump, PumpEnd};
use crate::binlog::event::Operation;
use crate::binlog::rows::{Image, RowCursor};
use crate::binlog::transaction::{Header, HeldRows, chain};
use crate::clock::seconds;
use crate::encode::message::{Row, RowContext, TableEncoder};
use crate::encode::share::{Shown, completed};
use crate::encode::text::integer;
use crate::engine::error::EngineError;
use crate::engine::rows::{is_version_2, last_passing, place};
use crate::sink::{Record, Spare};

/// The image that a row does not have.
static EMPTY: Image = Image::new();

impl Pump {
    pub(super) fn emit(
        &mut self,
        rows: &[HeldRows<TableEncoder>],
        header: &Header,
        xid: Option<u64>,
        start: Option<&Position>,
        last: bool,
    ) -> Result<(), PumpEnd> {
        self.hold_back(rows)?;
        if !self.changes.is_empty() {
            self.encode_changes();
        }
        let gtid = header.gtid.as_ref().map(ToString::to_string);
        let (mut before, mut after) = std::mem::take(&mut self.images);
        let last_row = match rows.last() {
            Some(held) if last => last_passing(held)?,
            _ => None,
        };
        for (at, held) in rows.iter().enumerate() {
            let body = held.event.data();
            let table = &held.table.table;
            let watch = self.desk.watch(table);
            let mut cursor =
                RowCursor::new(body, is_version_2(&held.event), held.operation, &held.table.table)?;
            let mut row = 0;
            while cursor.has_next() {
                cursor.next(&mut before, &mut after)?;
                row += 1;
                if row <= held.skip_rows {
                    continue;
                }
                let whole = Row { operation: held.operation, body, before: &before, after: &after };
                let shown = held.table.shows(&whole).map_err(EngineError::from)?;
                if let Some(watch) = &watch {
                    let how = (held.operation, shown != Shown::Nothing);
                    self.desk.passed((table, watch), how, body, (&before, &after));
                }
                let came = if shown == Shown::Came { completed(&after, &before) } else { Image::new() };
                let image = match shown {
                    Shown::Nothing => continue,
                    Shown::Whole => whole,
                    Shown::Left => Row { operation: Operation::Delete, after: &came, ..whole },
                    Shown::Came => Row { operation: Operation::Insert, body, before: &EMPTY, after: &came },
                };
                let end = last_row.map_or(!cursor.has_next(), |last_row| row == last_row);
                let commit = last && at + 1 == rows.len() && end;
                self.encode(held, &image, header, xid, gtid.as_deref(), (row - 1, commit))?;
                self.xoffset += 1;
                let full = self.bytes.len() >= CHUNK_BYTES || self.records.len() >= self.chunk_records;
                if let Some(start) = start.filter(|_| full && !commit) {
                    self.inside = Some(place(start, held, &cursor, row, xid, self.xoffset));
                    self.flush(false)?;
                }
            }
        }
        self.images = (before, after);
        if last {
            self.tables.trim();
            self.xoffset = 0;
            self.inside = None;
        } else if let (Some(start), Some(held)) = (start, rows.last()) {
            let digest = chain(held.digest_before, held.event.data().get(8..).unwrap_or_default());
            let (event, xoffset) = (held.index + 1, self.xoffset);
            let inside = Inside { event, row: 0, digest, xid, xoffset, filter: None };
            self.inside = Some(Position { inside: Some(inside), ..start.clone() });
        }
        if self.bytes.len() >= CHUNK_BYTES || self.records.len() >= self.chunk_records {
            self.flush(false)?;
        }
        Ok(())
    }

    fn encode(
        &mut self,
        held: &HeldRows<TableEncoder>,
        image: &Row<'_>,
        header: &Header,
        xid: Option<u64>,
        gtid: Option<&str>,
        (row, commit): (u64, bool),
    ) -> Result<(), PumpEnd> {
        let (file, _) = self.assembler.read_up_to();
        let position =
            if self.style.output.binlog_position { format!("{file}:{}", held.offset) } else { String::new() };
        let context = RowContext {
            timestamp: held.event.header().timestamp(),
            xid,
            xoffset: self.xoffset,
            commit,
            position: &position,
            gtid,
            server_id: header.server_id,
            thread_id: header.thread_id,
            query: held.query.as_deref(),
            push_timestamp: self.style.output.push_timestamp.then(seconds),
        };
        let start = self.bytes.len();
        let written = held.table.row(&mut self.bytes, image, &context).map_err(EngineError::from)?;
        let value_end = self.bytes.len();
        let mut gtid_end = value_end;
        match gtid {
            Some(gtid) => {
                self.bytes.extend_from_slice(gtid.as_bytes());
                gtid_end = self.bytes.len();
            }
            None => {
                for part in [self.side.server.id.as_str(), "/", file, ":"] {
                    self.bytes.extend_from_slice(part.as_bytes());
                }
                integer(&mut self.bytes, held.offset);
            }
        }
        self.bytes.push(b'/');
        integer(&mut self.bytes, held.index);
        self.bytes.push(b'.');
        integer(&mut self.bytes, row);
        // The halves of an update that leaves a shard are records of their own.
        if image.operation != held.operation {
            self.bytes.extend_from_slice(if image.operation == Operation::Delete { b"-" } else { b"+" });
        }
        let topic = self.topic(held.table.topic(image.operation));
        self.records.push(Record {
            topic,
            partition_hash: written.partition_hash,
            start: start as u32,
            key_end: written.key_end as u32,
            value_end: value_end as u32,
            gtid_end: gtid_end as u32,
            id_end: self.bytes.len() as u32,
        });
        match held.table.dead_letter_topic() {
            Some(topic) if value_end - written.key_end > LEAST_SPARED => self.spare(topic, held, image),
            _ => Ok(()),
        }
    }

    /// Lays by what is sent instead of the last record if that is too large.
    fn spare(
        &mut self,
        topic: &Arc<str>,
        held: &HeldRows<TableEncoder>,
        image: &Row<'_>,
    ) -> Result<(), PumpEnd> {
        let start = self.bytes.len();
        held.table.skeleton(&mut self.bytes, image).map_err(EngineError::from)?;
        let topic = self.topic(topic);
        let record = self.records.len() as u32 - 1;
        self.spares.push(Spare { record, topic, start: start as u32, end: self.bytes.len() as u32 });
        Ok(())
    }
}
