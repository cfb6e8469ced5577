//! MySQL's binary JSON as the original prints it: compact, keys in stored order, doubles never in E-notation.

use std::io::Write;

use mysql_common::binlog::jsonb::{ObjectKey, OpaqueValue, Value};
use mysql_common::constants::ColumnType;
use mysql_common::io::ParseBuf;

use super::{number, text};

/// MySQL nests no deeper than a hundred.
const DEEPEST: u32 = 128;

/// Appends a binary JSON value as text; the empty value is `null`. `None` if the bytes are damaged.
pub fn json(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    if bytes.is_empty() {
        out.extend_from_slice(b"null");
        return Some(());
    }
    let value: Value<'_> = ParseBuf(bytes).parse(()).ok()?;
    Printer { out, left: bytes.len() }.write(&value, 0)
}

struct Printer<'o> {
    out: &'o mut Vec<u8>,
    /// Bytes of the document that may still be printed. Each holds a part of one value only, so that values which
    /// damage makes share their bytes come to an end.
    left: usize,
}

impl Printer<'_> {
    fn spend(&mut self, bytes: usize) -> Option<()> {
        self.left = self.left.checked_sub(bytes)?;
        Some(())
    }

    fn write(&mut self, value: &Value<'_>, depth: u32) -> Option<()> {
        self.spend(1)?;
        match value {
            Value::Null => self.out.extend_from_slice(b"null"),
            Value::Bool(true) => self.out.extend_from_slice(b"true"),
            Value::Bool(false) => self.out.extend_from_slice(b"false"),
            Value::I16(number) => text::integer(self.out, *number),
            Value::U16(number) => text::integer(self.out, *number),
            Value::I32(number) => text::integer(self.out, *number),
            Value::U32(number) => text::integer(self.out, *number),
            Value::I64(number) => text::integer(self.out, *number),
            Value::U64(number) => text::integer(self.out, *number),
            Value::F64(number) => number::json_double(self.out, *number),
            Value::String(string) => {
                self.spend(string.str_raw().len())?;
                text::string(self.out, &string.str());
            }
            Value::Opaque(value) => {
                self.spend(value.data_raw().len())?;
                opaque(self.out, value)?;
            }
            _ if depth == DEEPEST => return None,
            Value::SmallArray(array) => self.sequence(array.iter(), depth)?,
            Value::LargeArray(array) => self.sequence(array.iter(), depth)?,
            Value::SmallObject(object) => self.members(object.iter(), depth)?,
            Value::LargeObject(object) => self.members(object.iter(), depth)?,
        }
        Some(())
    }

    fn sequence<'a>(
        &mut self,
        values: impl Iterator<Item = std::io::Result<Value<'a>>>,
        depth: u32,
    ) -> Option<()> {
        self.out.push(b'[');
        for (at, value) in values.enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            self.write(&value.ok()?, depth + 1)?;
        }
        self.out.push(b']');
        Some(())
    }

    fn members<'a>(
        &mut self,
        members: impl Iterator<Item = std::io::Result<(ObjectKey<'a>, Value<'a>)>>,
        depth: u32,
    ) -> Option<()> {
        self.out.push(b'{');
        for (at, member) in members.enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            let (key, value) = member.ok()?;
            self.spend(key.value_raw().len())?;
            text::string(self.out, &key.value());
            self.out.push(b':');
            self.write(&value, depth + 1)?;
        }
        self.out.push(b'}');
        Some(())
    }
}

/// Values of MySQL's own types: numbers and dates as such, the others as bytes.
fn opaque(out: &mut Vec<u8>, value: &OpaqueValue<'_>) -> Option<()> {
    use ColumnType::*;
    let bytes = value.data_raw();
    match value.value_type() {
        MYSQL_TYPE_DECIMAL | MYSQL_TYPE_NEWDECIMAL => {
            let ([precision, scale], digits) = bytes.split_first_chunk()?;
            number::plain_decimal(out, digits, *precision, *scale)
        }
        kind @ (MYSQL_TYPE_DATE
        | MYSQL_TYPE_NEWDATE
        | MYSQL_TYPE_DATETIME
        | MYSQL_TYPE_DATETIME2
        | MYSQL_TYPE_TIMESTAMP
        | MYSQL_TYPE_TIMESTAMP2) => {
            let packed = i64::from_le_bytes(bytes.try_into().ok()?).unsigned_abs();
            let day = packed >> 41;
            let months = day >> 5;
            out.push(b'"');
            write!(out, "{:04}-{:02}-{:02}", months / 13, months % 13, day & 31).ok()?;
            if !matches!(kind, MYSQL_TYPE_DATE | MYSQL_TYPE_NEWDATE) {
                out.push(b' ');
                clock(out, packed, packed >> 36 & 31);
            }
            out.push(b'"');
            Some(())
        }
        MYSQL_TYPE_TIME | MYSQL_TYPE_TIME2 => {
            let packed = i64::from_le_bytes(bytes.try_into().ok()?);
            out.extend_from_slice(if packed < 0 { b"\"-" } else { b"\"" });
            let packed = packed.unsigned_abs();
            clock(out, packed, packed >> 36 & 0x3ff);
            out.push(b'"');
            Some(())
        }
        _ => {
            text::base64(out, bytes);
            Some(())
        }
    }
}

/// The time of day of a packed date or time; microseconds without zeros at their end.
fn clock(out: &mut Vec<u8>, packed: u64, hour: u64) {
    let (minute, second, micros) = (packed >> 30 & 63, packed >> 24 & 63, packed & 0xff_ffff);
    write!(out, "{hour:02}:{minute:02}:{second:02}").expect("a Vec takes every byte");
    if micros > 0 {
        write!(out, ".{micros:06}").expect("a Vec takes every byte");
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(bytes: &[u8]) -> Option<String> {
        let mut out = Vec::new();
        json(&mut out, bytes).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn small_values() {
        assert_eq!(show(&[]).unwrap(), "null");
        assert_eq!(show(&[4, 1]).unwrap(), "true");
        assert_eq!(show(&[5, 0xff, 0xff]).unwrap(), "-1");
        assert_eq!(show(&[12, 2, b'h', b'"']).unwrap(), "\"h\\\"\"");
        // {"a": [1, null]} as a small object
        let object = [0, 1, 0, 22, 0, 11, 0, 1, 0, 2, 12, 0, b'a', 2, 0, 10, 0, 5, 1, 0, 4, 0, 0];
        assert_eq!(show(&object).unwrap(), "{\"a\":[1,null]}");
        assert!(show(&[99]).is_none());
    }

    #[test]
    fn opaque_values() {
        let show = |kind: u8, data: &[u8]| show(&[&[15, kind, data.len() as u8], data].concat());
        let at = |year: i64, month: i64, day: i64, time: i64| ((year * 13 + month) << 5 | day) << 41 | time;
        let time = |hour: i64, minute: i64, second: i64, micros: i64| {
            hour << 36 | minute << 30 | second << 24 | micros
        };
        let shown = |kind, packed: i64| show(kind, &packed.to_le_bytes()).unwrap();
        assert_eq!(shown(10, at(2015, 1, 15, 0)), "\"2015-01-15\"");
        assert_eq!(shown(12, at(2015, 1, 15, time(23, 24, 25, 120_000))), "\"2015-01-15 23:24:25.12\"");
        assert_eq!(shown(7, at(2015, 1, 15, time(23, 24, 25, 0))), "\"2015-01-15 23:24:25\"");
        assert_eq!(shown(11, time(23, 24, 25, 12)), "\"23:24:25.000012\"");
        assert_eq!(shown(11, -time(838, 59, 58, 0)), "\"-838:59:58\"");
        assert_eq!(show(246, &[5, 3, 0x80 + 1, 0, 5]).unwrap(), "1.005");
        assert_eq!(show(252, b"\x01\xff").unwrap(), "\"Af8=\"");
        assert!(show(12, &[1, 2]).is_none());
    }

    #[test]
    fn shared_and_nested_values_come_to_an_end() {
        // Arrays of two elements, both of them the array behind it.
        let mut bomb = vec![2u8];
        for _ in 0..60 {
            bomb.extend_from_slice(&[2, 0, 0xff, 0x00, 2, 10, 0, 2, 10, 0]);
        }
        bomb.resize(6000, 0);
        let mut out = Vec::new();
        let _damaged = json(&mut out, &bomb);
        assert!(out.len() < 100_000);
    }
}
