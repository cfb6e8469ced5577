//! A column's bytes as Maxwell prints them.

use std::borrow::Cow;

use maxwell_protocol::settings::{Compatibility, Output};

use super::temporal::Zero;
use super::{EncodeError, geometry, jsonb, native, number, old_temporal, temporal, text};
use crate::binlog::rows::little_endian;
use crate::binlog::table::{Column, ColumnKind};
use crate::schema::charset::Charset;

/// What of the settings decides how values print.
#[derive(Debug, Clone, Copy)]
pub struct ValueStyle {
    /// Right values, or the original's.
    pub compatibility: Compatibility,
    /// NULL for zero dates.
    pub null_zero_dates: bool,
}

impl From<&Output> for ValueStyle {
    fn from(output: &Output) -> Self {
        Self { compatibility: output.compatibility, null_zero_dates: output.null_zero_dates }
    }
}

/// Why a value cannot be printed, before table and column are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The bytes do not fit the type.
    Damaged,
    /// There is no decoder for the charset.
    Charset,
}

impl Fault {
    fn named(self, column: &Column, table: &dyn Fn() -> String) -> EncodeError {
        let (table, column) = (table(), column.name.clone());
        match self {
            Self::Damaged => EncodeError::Damaged { table, column },
            Self::Charset => EncodeError::Unsupported {
                table,
                column,
                what: "a charset that this version does not know".into(),
            },
        }
    }
}

/// Appends a value that is not NULL. `table` names the table in errors.
pub fn value(
    out: &mut Vec<u8>,
    column: &Column,
    bytes: &[u8],
    style: ValueStyle,
    table: &dyn Fn() -> String,
) -> Result<(), EncodeError> {
    print(out, &column.kind, bytes, style).map_err(|fault| fault.named(column, table))
}

fn print(out: &mut Vec<u8>, kind: &ColumnKind, bytes: &[u8], style: ValueStyle) -> Result<(), Fault> {
    let damaged = |_| Fault::Damaged;
    match kind {
        ColumnKind::Integer { unsigned: true, .. } => text::integer(out, little_endian(bytes)),
        ColumnKind::Integer { width, unsigned: false } => text::integer(out, sign_extended(bytes, *width)),
        ColumnKind::Float => number::float(out, f32::from_le_bytes(bytes.try_into().map_err(damaged)?)),
        ColumnKind::Double => number::double(out, f64::from_le_bytes(bytes.try_into().map_err(damaged)?)),
        ColumnKind::Decimal { precision, scale } => {
            number::decimal(out, bytes, *precision, *scale).ok_or(Fault::Damaged)?;
        }
        ColumnKind::Text { charset, .. } => characters(out, bytes, *charset)?,
        ColumnKind::Binary { .. } => text::base64(out, bytes),
        ColumnKind::Year => year(out, bytes, style.compatibility),
        ColumnKind::Bit { .. } => bit(out, bytes, style.compatibility),
        ColumnKind::Enum { values, .. } => enumerated(out, values, little_endian(bytes), style)?,
        ColumnKind::Set { values, .. } => set(out, values, little_endian(bytes), style),
        ColumnKind::Json { .. } => jsonb::json(out, bytes).ok_or(Fault::Damaged)?,
        ColumnKind::JsonText { charset, .. } => json_text(out, bytes, *charset)?,
        ColumnKind::Compressed { charset, json, .. } => compressed(out, bytes, *charset, *json)?,
        // A geometry without bytes is what IGNORE makes of NULL; the server's functions take it for that, too.
        ColumnKind::Geometry { .. } if bytes.is_empty() => out.extend_from_slice(b"null"),
        ColumnKind::Geometry { .. } => {
            quoted(out, |out| geometry::geometry(out, bytes)).ok_or(Fault::Damaged)?;
        }
        ColumnKind::Native { form, .. } => {
            quoted(out, |out| native::native(out, bytes, *form)).ok_or(Fault::Damaged)?;
        }
        // Rows hold no such values.
        ColumnKind::Hidden(_) => out.extend_from_slice(b"null"),
        kind => date_or_time(out, kind, bytes, style),
    }
    Ok(())
}

fn date_or_time(out: &mut Vec<u8>, kind: &ColumnKind, bytes: &[u8], style: ValueStyle) {
    let how = style.compatibility;
    match *kind {
        ColumnKind::DateTime { fsp } => quoted_date(out, style, |out| temporal::datetime(out, bytes, fsp)),
        ColumnKind::Timestamp { fsp } => quoted_date(out, style, |out| temporal::timestamp(out, bytes, fsp)),
        ColumnKind::Time { fsp } => quoted(out, |out| temporal::time(out, bytes, fsp, how)),
        ColumnKind::OldDateTime { fsp } => {
            quoted_date(out, style, |out| old_temporal::datetime(out, bytes, fsp));
        }
        ColumnKind::OldTimestamp { fsp } => {
            quoted_date(out, style, |out| old_temporal::old_timestamp(out, bytes, fsp));
        }
        ColumnKind::OldTime { fsp } => quoted(out, |out| old_temporal::old_time(out, bytes, fsp, how)),
        _ => quoted_date(out, style, |out| temporal::date(out, bytes)),
    }
}

fn quoted<T>(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    out.push(b'"');
    let written = write(out);
    out.push(b'"');
    written
}

fn characters(out: &mut Vec<u8>, bytes: &[u8], charset: Charset) -> Result<(), Fault> {
    // The common case first: it needs neither a copy nor the search for what to replace.
    let valid = (charset == Charset::Utf8).then(|| std::str::from_utf8(bytes).ok()).flatten();
    match valid {
        Some(valid) => text::string(out, valid),
        None => text::string(out, &charset.decode(bytes).ok_or(Fault::Charset)?),
    }
    Ok(())
}

/// Text that is JSON already; nothing at all is no JSON, and `null` as in binary JSON.
fn json_text(out: &mut Vec<u8>, bytes: &[u8], charset: Charset) -> Result<(), Fault> {
    let decoded = charset.decode(bytes).ok_or(Fault::Charset)?;
    out.extend_from_slice(if decoded.is_empty() { b"null" } else { decoded.as_bytes() });
    Ok(())
}

fn compressed(out: &mut Vec<u8>, bytes: &[u8], charset: Charset, json: bool) -> Result<(), Fault> {
    let bytes = native::uncompressed(bytes).ok_or(Fault::Damaged)?;
    match (charset, json) {
        (Charset::Binary, _) => text::base64(out, &bytes),
        (charset, true) => json_text(out, &bytes, charset)?,
        (charset, false) => characters(out, &bytes, charset)?,
    }
    Ok(())
}

fn sign_extended(bytes: &[u8], width: u8) -> i64 {
    let shift = 64 - 8 * u32::from(width);
    ((little_endian(bytes) << shift) as i64) >> shift
}

fn quoted_date(out: &mut Vec<u8>, style: ValueStyle, write: impl FnOnce(&mut Vec<u8>) -> Zero) {
    let start = out.len();
    out.push(b'"');
    let zero = write(out);
    if zero == Zero::Yes && style.null_zero_dates {
        out.truncate(start);
        out.extend_from_slice(b"null");
    } else {
        out.push(b'"');
    }
}

/// The original prints 1900 for the year 0000.
fn year(out: &mut Vec<u8>, bytes: &[u8], compatibility: Compatibility) {
    let value = bytes.first().copied().unwrap_or(0);
    let corrected_zero = value == 0 && compatibility == Compatibility::Corrected;
    text::integer(out, if corrected_zero { 0 } else { 1900 + u16::from(value) });
}

fn bit(out: &mut Vec<u8>, bytes: &[u8], compatibility: Compatibility) {
    let value = bytes.iter().fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
    match compatibility {
        Compatibility::Corrected => text::integer(out, value),
        Compatibility::Maxwell => text::integer(out, number::bit_of_the_original(value)),
    }
}

/// Index 0 is the empty value of an invalid insert, which the original prints as null.
fn enumerated(out: &mut Vec<u8>, values: &[String], index: u64, style: ValueStyle) -> Result<(), Fault> {
    if index == 0 {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    text::string(out, &defined(values.get(index as usize - 1).ok_or(Fault::Damaged)?, style));
    Ok(())
}

fn set(out: &mut Vec<u8>, values: &[String], bits: u64, style: ValueStyle) {
    out.push(b'[');
    for (count, value) in chosen(values, bits).enumerate() {
        if count > 0 {
            out.push(b',');
        }
        text::string(out, &defined(value, style));
    }
    out.push(b']');
}

/// The values of a set in the order of its definition.
fn chosen(values: &[String], bits: u64) -> impl Iterator<Item = &String> {
    values.iter().take(64).enumerate().filter(move |(at, _)| bits & (1 << at) != 0).map(|(_, value)| value)
}

/// A value of an ENUM or SET. The original leaves quotes doubled, as its definition has them.
fn defined(value: &str, style: ValueStyle) -> Cow<'_, str> {
    if style.compatibility == Compatibility::Maxwell && value.contains('\'') {
        return Cow::Owned(value.replace('\'', "''"));
    }
    Cow::Borrowed(value)
}

/// Appends a value's text as Java's `toString` shows it: what partitions are computed from.
pub fn java_text(
    out: &mut String,
    column: &Column,
    bytes: &[u8],
    style: ValueStyle,
    table: &dyn Fn() -> String,
) -> Result<(), EncodeError> {
    match &column.kind {
        ColumnKind::Text { charset, .. } => {
            out.push_str(&charset.decode(bytes).ok_or_else(|| Fault::Charset.named(column, table))?);
        }
        ColumnKind::Compressed { charset, json: false, .. } if *charset != Charset::Binary => {
            let bytes = native::uncompressed(bytes).ok_or_else(|| Fault::Damaged.named(column, table))?;
            out.push_str(&charset.decode(&bytes).ok_or_else(|| Fault::Charset.named(column, table))?);
        }
        ColumnKind::Enum { values, .. } => {
            let index = little_endian(bytes) as usize;
            let value = index.checked_sub(1).and_then(|at| values.get(at));
            out.push_str(&defined(value.map_or("", String::as_str), style));
        }
        ColumnKind::Set { values, .. } => {
            out.push('[');
            for (count, value) in chosen(values, little_endian(bytes)).enumerate() {
                out.push_str(if count > 0 { ", " } else { "" });
                out.push_str(&defined(value, style));
            }
            out.push(']');
        }
        ColumnKind::Integer { width, unsigned } => {
            let mut buffer = itoa::Buffer::new();
            out.push_str(match unsigned {
                true => buffer.format(little_endian(bytes)),
                false => buffer.format(sign_extended(bytes, *width)),
            });
        }
        _ => {
            let mut json = Vec::new();
            value(&mut json, column, bytes, style, table)?;
            out.push_str(String::from_utf8_lossy(&json).trim_matches('"'));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::binlog::table::NativeForm;

    fn show(kind: ColumnKind, bytes: &[u8], compatibility: Compatibility) -> String {
        let mut out = Vec::new();
        print(&mut out, &kind, bytes, ValueStyle { compatibility, null_zero_dates: false }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_right_or_the_originals() {
        let definition = || vec!["it's".to_owned(), "b".to_owned()];
        for (kind, bytes, right, originals) in [
            (ColumnKind::Year, &[0][..], "0", "1900"),
            (ColumnKind::Year, &[255], "2155", "2155"),
            (ColumnKind::Bit { bits: 32 }, &[0x80, 0, 0, 0], "2147483648", "-2147483648"),
            (ColumnKind::Bit { bits: 40 }, &[1, 0, 0, 0, 1], "4294967297", "1"),
            (ColumnKind::Bit { bits: 64 }, &[255; 8], "18446744073709551615", "18446744073709551615"),
            (ColumnKind::Enum { width: 1, values: definition() }, &[1], "\"it's\"", "\"it''s\""),
            (ColumnKind::Enum { width: 1, values: definition() }, &[0], "null", "null"),
            (
                ColumnKind::Set { width: 1, values: definition() },
                &[3],
                "[\"it's\",\"b\"]",
                "[\"it''s\",\"b\"]",
            ),
            (ColumnKind::Set { width: 1, values: definition() }, &[0], "[]", "[]"),
            (ColumnKind::Time { fsp: 0 }, &[0x7f, 0xf0, 0], "\"-01:00:00\"", "\"15:00:00\""),
            (ColumnKind::Geometry { length_bytes: 4 }, &[], "null", "null"),
            (ColumnKind::Json { length_bytes: 4 }, &[], "null", "null"),
        ] {
            assert_eq!(show(kind.clone(), bytes, Compatibility::Corrected), right, "{kind:?}");
            assert_eq!(show(kind.clone(), bytes, Compatibility::Maxwell), originals, "{kind:?}");
        }
    }

    fn any_kind() -> impl Strategy<Value = ColumnKind> {
        let (charset, length_bytes) = (Charset::Utf8, 4);
        prop_oneof![
            (0u8..=70, 0u8..=40).prop_map(|(precision, scale)| ColumnKind::Decimal { precision, scale }),
            (0u8..=7).prop_map(|fsp| ColumnKind::Time { fsp }),
            (0u8..=7).prop_map(|fsp| ColumnKind::DateTime { fsp }),
            (0u8..=7).prop_map(|fsp| ColumnKind::Timestamp { fsp }),
            (0u8..=7).prop_map(|fsp| ColumnKind::OldTime { fsp }),
            (0u8..=7).prop_map(|fsp| ColumnKind::OldDateTime { fsp }),
            (0u8..=7).prop_map(|fsp| ColumnKind::OldTimestamp { fsp }),
            Just(ColumnKind::Date),
            Just(ColumnKind::Float),
            Just(ColumnKind::Double),
            Just(ColumnKind::Json { length_bytes }),
            Just(ColumnKind::Geometry { length_bytes }),
            Just(ColumnKind::Compressed { length_bytes, charset, json: false }),
            Just(ColumnKind::Native { length_bytes, form: NativeForm::Inet6 }),
            Just(ColumnKind::Text { length_bytes, charset: Charset::named("eucjpms") }),
        ]
    }

    proptest! {
        #[test]
        fn no_bytes_end_the_process(
            kind in any_kind(),
            mut bytes in prop::collection::vec(any::<u8>(), 0..60),
            first in prop::option::of(0u8..16),
            maxwell: bool,
        ) {
            // What starts like a document or geometry gets further into one.
            if let (Some(first), Some(byte)) = (first, bytes.first_mut()) {
                *byte = first;
            }
            // Of a fixed length the cursor hands over no more bytes than the type has.
            let prefixed = matches!(
                kind,
                ColumnKind::Json { .. }
                    | ColumnKind::Geometry { .. }
                    | ColumnKind::Compressed { .. }
                    | ColumnKind::Native { .. }
                    | ColumnKind::Text { .. }
            );
            if !prefixed {
                bytes.truncate(6);
            }
            let compatibility = if maxwell { Compatibility::Maxwell } else { Compatibility::Corrected };
            let mut out = Vec::new();
            let _printed = print(&mut out, &kind, &bytes, ValueStyle { compatibility, null_zero_dates: true });
            prop_assert!(out.len() < 100_000);
        }
    }

    #[test]
    fn what_cannot_be_printed_is_named() {
        let kind = ColumnKind::Text { length_bytes: 1, charset: Charset::Unsupported };
        let column = Column { name: "c".into(), kind };
        let style = ValueStyle { compatibility: Compatibility::Corrected, null_zero_dates: false };
        let error = value(&mut Vec::new(), &column, b"x", style, &|| "d.t".into()).unwrap_err().to_string();
        assert!(error.contains("'c' of d.t") && error.contains("charset"), "{error}");
    }
}
