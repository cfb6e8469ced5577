//! A value that was selected as the bytes that a row image holds for it.

use mysql_common::value::Value;

use super::json::compact;
use crate::binlog::rows::DECIMAL_BYTES;

/// How a column's values become the binlog's bytes. Widths are in bytes, `fsp` in digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are MySQL's types")]
pub enum Form {
    Integer {
        width: u8,
    },
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Date,
    Time {
        fsp: u8,
    },
    DateTime {
        fsp: u8,
    },
    Timestamp {
        fsp: u8,
    },
    Year,
    /// ENUM and SET: the index, or a bit for each value.
    Index {
        width: u8,
    },
    /// As they are; BINARY without the zeros that it is padded with, which the binlog leaves out.
    Bytes {
        padded: bool,
    },
    /// MariaDB's addresses and UUIDs.
    Address {
        width: u8,
    },
    /// Text that is brought into the stream's form.
    Json,
}

/// What differs between copy and stream in the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CopyStyle {
    /// Print as the original's bootstrap does: JSON as the server writes it, BINARY with its padding, no zero dates.
    pub original: bool,
}

impl Form {
    /// What is selected for a column.
    pub fn expression(self, column: &str) -> String {
        match self {
            Self::Index { .. } => format!("CAST({column} AS UNSIGNED)"),
            Self::Address { width } => format!("CAST({column} AS BINARY({width}))"),
            _ => column.to_owned(),
        }
    }

    /// Appends the bytes of a value. `Some(false)` if it is to be NULL, `None` if the type cannot have it.
    pub fn append(self, out: &mut Vec<u8>, value: &Value, style: CopyStyle) -> Option<bool> {
        match (self, value) {
            (_, Value::NULL) => return Some(false),
            (Self::Integer { width } | Self::Index { width }, _) => {
                let bytes = integer(value)?.to_le_bytes();
                out.extend_from_slice(&bytes[..usize::from(width)]);
            }
            (Self::Float, Value::Float(number)) => out.extend_from_slice(&number.to_le_bytes()),
            (Self::Double, Value::Double(number)) => out.extend_from_slice(&number.to_le_bytes()),
            (Self::Decimal { precision, scale }, Value::Bytes(digits)) => {
                decimal(out, digits, usize::from(precision), usize::from(scale))?;
            }
            (Self::Date, Value::Date(year, month, day, ..)) => {
                let packed = u32::from(*day) | u32::from(*month) << 5 | u32::from(*year) << 9;
                out.extend_from_slice(&packed.to_le_bytes()[..3]);
            }
            (Self::DateTime { .. } | Self::Timestamp { .. }, Value::Date(0, 0, 0, ..)) if style.original => {
                return Some(false);
            }
            (Self::DateTime { fsp }, Value::Date(year, month, day, hour, minute, second, micros)) => {
                let months = u64::from(*year) * 13 + u64::from(*month);
                let time = u64::from(*hour) << 12 | u64::from(*minute) << 6 | u64::from(*second);
                let packed = ((months << 5 | u64::from(*day)) << 17 | time) + 0x80_0000_0000;
                out.extend_from_slice(&packed.to_be_bytes()[3..]);
                fraction(out, i64::from(*micros), fsp);
            }
            (Self::Timestamp { fsp }, Value::Date(year, month, day, hour, minute, second, micros)) => {
                let days = days(i64::from(*year), i64::from(*month), i64::from(*day));
                let time = i64::from(*hour) * 3600 + i64::from(*minute) * 60 + i64::from(*second);
                let seconds = if *year == 0 { 0 } else { days * 86_400 + time };
                out.extend_from_slice(&u32::try_from(seconds).ok()?.to_be_bytes());
                fraction(out, i64::from(*micros), fsp);
            }
            (Self::Time { fsp }, Value::Time(negative, days, hours, minutes, seconds, micros)) => {
                let hours = i64::from(*days) * 24 + i64::from(*hours);
                let packed = hours << 12 | i64::from(*minutes) << 6 | i64::from(*seconds);
                time(out, (packed << 24) + i64::from(*micros), *negative, fsp);
            }
            (Self::Year, _) => {
                let year = integer(value)?;
                out.push(if year == 0 { 0 } else { u8::try_from(year.checked_sub(1900)?).ok()? });
            }
            (Self::Bytes { padded }, Value::Bytes(bytes)) => {
                out.extend_from_slice(if padded && !style.original { unpadded(bytes) } else { bytes });
            }
            (Self::Address { .. }, Value::Bytes(bytes)) => out.extend_from_slice(bytes),
            (Self::Json, Value::Bytes(json)) if style.original => out.extend_from_slice(json),
            (Self::Json, Value::Bytes(json)) => compact(out, std::str::from_utf8(json).ok()?)?,
            _ => return None,
        }
        Some(true)
    }

    /// The bytes of a key's column that the stream would have, whatever the style.
    pub fn of_key(self, bytes: &[u8]) -> &[u8] {
        match self {
            Self::Bytes { padded: true } => unpadded(bytes),
            _ => bytes,
        }
    }

    /// A value of a key as an SQL literal. `charset` is the column's.
    pub fn literal(self, value: &Value, charset: Option<&str>) -> Option<String> {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Some(match (self, value) {
            (_, Value::NULL) => return None,
            (Self::Decimal { .. }, Value::Bytes(digits)) => String::from_utf8(digits.clone()).ok()?,
            (Self::Bytes { .. } | Self::Address { .. } | Self::Json, Value::Bytes(bytes)) => match charset {
                Some(charset) => format!("_{charset} X'{}'", hex(bytes)),
                None => format!("X'{}'", hex(bytes)),
            },
            (_, Value::Float(number)) => format!("{:?}", f64::from(*number)),
            (_, Value::Double(number)) => format!("{number:?}"),
            (_, Value::Bytes(bytes)) => format!("X'{}'", hex(bytes)),
            // A date or a time, quoted, or a number.
            (_, value) => value.as_sql(true),
        })
    }
}

fn integer(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => Some(*number as u64),
        Value::UInt(number) => Some(*number),
        _ => None,
    }
}

fn unpadded(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    &bytes[..end]
}

fn fraction(out: &mut Vec<u8>, micros: i64, fsp: u8) {
    match fsp {
        0 => {}
        1 | 2 => out.push((micros / 10_000) as u8),
        3 | 4 => out.extend_from_slice(&((micros / 100) as i16).to_be_bytes()),
        _ => out.extend_from_slice(&(micros as i32).to_be_bytes()[1..]),
    }
}

/// As MySQL packs it: 24 bits of microseconds behind the time, the whole negated, then moved above zero.
fn time(out: &mut Vec<u8>, packed: i64, negative: bool, fsp: u8) {
    let packed = if negative { -packed } else { packed };
    if fsp > 4 {
        out.extend_from_slice(&(packed + 0x8000_0000_0000).to_be_bytes()[2..]);
        return;
    }
    out.extend_from_slice(&((packed >> 24) + 0x80_0000).to_be_bytes()[5..]);
    fraction(out, packed % (1 << 24), fsp);
}

/// Days since 1970-01-01.
pub(super) fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Groups of nine digits, big endian, the sign in the first bit, negative numbers inverted.
fn decimal(out: &mut Vec<u8>, text: &[u8], precision: usize, scale: usize) -> Option<()> {
    let text = std::str::from_utf8(text).ok()?;
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, behind) = digits.split_once('.').unwrap_or((digits, ""));
    let integral = precision.checked_sub(scale)?;
    let whole = whole.trim_start_matches('0');
    if whole.len() > integral || behind.len() > scale {
        return None;
    }
    let digits = format!("{whole:0>integral$}{behind:0<scale$}");
    let (whole, behind) = (&digits.as_bytes()[..integral], &digits.as_bytes()[integral..]);
    let start = out.len();
    let (head, groups) = whole.split_at(integral % 9);
    group(out, head)?;
    for digits in groups.chunks(9).chain(behind.chunks(9)) {
        group(out, digits)?;
    }
    if negative {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
    *out.get_mut(start)? ^= 0x80;
    Some(())
}

fn group(out: &mut Vec<u8>, digits: &[u8]) -> Option<()> {
    if digits.is_empty() {
        return Some(());
    }
    let number: u32 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    out.extend_from_slice(&number.to_be_bytes()[4 - DECIMAL_BYTES[digits.len()]..]);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{number, temporal};
    use maxwell_protocol::settings::Compatibility;

    fn bytes(form: Form, value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        assert_eq!(form.append(&mut out, value, CopyStyle::default()), Some(true), "{form:?} {value:?}");
        out
    }

    fn shown(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn decimals_print_as_they_were() {
        for (text, precision, scale) in [
            ("-1.10", 5, 2),
            ("0.00", 4, 2),
            ("12345678901234567890.0123456789", 30, 10),
            ("-7", 9, 0),
            ("0.5", 3, 3),
        ] {
            let packed = bytes(Form::Decimal { precision, scale }, &Value::Bytes(text.into()));
            let mut out = Vec::new();
            number::decimal(&mut out, &packed, precision, scale).unwrap();
            let wanted = if text == "0.5" { "0.500" } else { text };
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
        let mut out = Vec::new();
        let form = Form::Decimal { precision: 3, scale: 1 };
        assert_eq!(form.append(&mut out, &Value::Bytes(b"1234.5".to_vec()), CopyStyle::default()), None);
    }

    #[test]
    fn times_print_as_they_were() {
        let date = Value::Date(2038, 1, 19, 3, 14, 7, 120_000);
        for fsp in [2, 3, 6] {
            let wanted = format!("2038-01-19 03:14:07.{}", &"120000"[..usize::from(fsp)]);
            let packed = bytes(Form::DateTime { fsp }, &date);
            assert_eq!(
                shown(|out| {
                    let _zero = temporal::datetime(out, &packed, fsp);
                }),
                wanted
            );
            let packed = bytes(Form::Timestamp { fsp }, &date);
            assert_eq!(
                shown(|out| {
                    let _zero = temporal::timestamp(out, &packed, fsp);
                }),
                wanted
            );
        }
        let packed = bytes(Form::Date, &Value::Date(9999, 12, 31, 0, 0, 0, 0));
        assert_eq!(
            shown(|out| {
                let _zero = temporal::date(out, &packed);
            }),
            "9999-12-31"
        );
        for (fsp, wanted) in
            [(0, "-838:59:58"), (1, "-838:59:58.5"), (3, "-838:59:58.500"), (6, "-838:59:58.500000")]
        {
            let micros = if fsp == 0 { 0 } else { 500_000 };
            let packed = bytes(Form::Time { fsp }, &Value::Time(true, 34, 22, 59, 58, micros));
            assert_eq!(shown(|out| temporal::time(out, &packed, fsp, Compatibility::Corrected)), wanted);
        }
        assert_eq!(bytes(Form::Timestamp { fsp: 0 }, &Value::Date(0, 0, 0, 0, 0, 0, 0)), [0; 4]);
        assert_eq!(bytes(Form::Year, &Value::UInt(2155)), [255]);
        assert_eq!(bytes(Form::Year, &Value::UInt(0)), [0]);
    }

    #[test]
    fn padding_is_left_out_as_the_binlog_does_unless_the_original_is_asked_for() {
        let value = Value::Bytes(vec![1, 0, 2, 0, 0]);
        assert_eq!(bytes(Form::Bytes { padded: true }, &value), [1, 0, 2]);
        let mut out = Vec::new();
        Form::Bytes { padded: true }.append(&mut out, &value, CopyStyle { original: true });
        assert_eq!(out, [1, 0, 2, 0, 0]);
    }

    #[test]
    fn a_key_is_a_literal() {
        let text = Form::Bytes { padded: false };
        let of = |form: Form, value: &Value, charset| form.literal(value, charset).unwrap();
        assert_eq!(of(Form::Integer { width: 4 }, &Value::Int(-5), None), "-5");
        assert_eq!(of(text, &Value::Bytes(b"a'\\".to_vec()), Some("utf8mb4")), "_utf8mb4 X'61275c'");
        assert_eq!(of(text, &Value::Bytes(vec![0, 255]), None), "X'00ff'");
        assert_eq!(of(Form::Date, &Value::Date(2020, 1, 2, 0, 0, 0, 0), None), "'2020-01-02'");
        assert_eq!(of(Form::Double, &Value::Double(1e-7), None), "1e-7");
        assert_eq!(
            of(Form::Decimal { precision: 3, scale: 1 }, &Value::Bytes(b"-1.5".to_vec()), None),
            "-1.5"
        );
    }
}
