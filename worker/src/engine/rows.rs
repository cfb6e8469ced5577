//! A rows event looked at as a whole: which of its rows pass, where one stands.

use maxwell_protocol::position::{Inside, Position};
use mysql_common::binlog::events::Event;

use super::error::EngineError;
use crate::binlog::BinlogError;
use crate::binlog::event::Operation;
use crate::binlog::rows::{Image, RowCursor};
use crate::binlog::transaction::{HeldRows, chain};
use crate::encode::message::{Row, TableEncoder};
use crate::encode::share::Shown;
use crate::source::SourceError;

/// Whether a rows event carries extra data.
pub(super) fn is_version_2(event: &Event) -> bool {
    matches!(event.header().event_type_raw(), 30..=32)
}

/// The number (from 1) of the event's last row that passes, if rows are asked.
pub(super) fn last_passing(held: &HeldRows<TableEncoder>) -> Result<Option<u64>, EngineError> {
    if !held.table.filters_rows() {
        return Ok(None);
    }
    let mut last = 0;
    each_row(&held.event, held.operation, &held.table, |number, passes| {
        if passes {
            last = number;
        }
        true
    })?;
    Ok(Some(last))
}

/// Whether a row of the event passes.
pub(super) fn any_passes(
    event: &Event,
    operation: Operation,
    encoder: &TableEncoder,
) -> Result<bool, EngineError> {
    let mut any = false;
    each_row(event, operation, encoder, |_, passes| {
        any |= passes;
        !any
    })?;
    Ok(any)
}

/// Tells number and verdict of the event's rows, until `tell` wants no more.
fn each_row(
    event: &Event,
    operation: Operation,
    encoder: &TableEncoder,
    mut tell: impl FnMut(u64, bool) -> bool,
) -> Result<(), EngineError> {
    let body = event.data();
    let mut cursor =
        RowCursor::new(body, is_version_2(event), operation, &encoder.table).map_err(SourceError::from)?;
    let (mut before, mut after) = (Image::new(), Image::new());
    let mut number = 0;
    while cursor.has_next() {
        cursor.next(&mut before, &mut after).map_err(SourceError::from)?;
        number += 1;
        let row = Row { operation, body, before: &before, after: &after };
        if !tell(number, encoder.shows(&row)? != Shown::Nothing) {
            break;
        }
    }
    Ok(())
}

/// Offset of row number `row` in the event.
pub(super) fn row_offset(
    event: &Event,
    operation: Operation,
    encoder: &TableEncoder,
    row: u64,
) -> Result<usize, BinlogError> {
    let mut cursor = RowCursor::new(event.data(), is_version_2(event), operation, &encoder.table)?;
    let (mut before, mut after) = (Image::new(), Image::new());
    for _ in 0..row {
        if !cursor.has_next() {
            return Err(BinlogError::Damaged("rows (fewer rows than were sent)"));
        }
        cursor.next(&mut before, &mut after)?;
    }
    Ok(cursor.offset())
}

/// The place behind row number `row` (from 1) of an event.
pub(super) fn place(
    start: &Position,
    held: &HeldRows<TableEncoder>,
    cursor: &RowCursor<'_>,
    row: u64,
    xid: Option<u64>,
    xoffset: u64,
) -> Position {
    let body = held.event.data();
    let (event, row, passed) = if cursor.has_next() {
        (held.index, row, &body[8..cursor.offset()])
    } else {
        (held.index + 1, 0, &body[8..])
    };
    let inside = Inside { event, row, digest: chain(held.digest_before, passed), xid, xoffset, filter: None };
    Position { inside: Some(inside), ..start.clone() }
}
