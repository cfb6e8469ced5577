//! MySQL's binary JSON as the original prints it: compact, keys in stored order, doubles never in E-notation.

use mysql_common::binlog::jsonb::{JsonDom, JsonNumber, JsonScalar, Value};
use mysql_common::io::ParseBuf;

use super::text;

/// Appends a binary JSON value as text; the empty value is `null`. `None` if the bytes are damaged.
pub fn json(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    if bytes.is_empty() {
        out.extend_from_slice(b"null");
        return Some(());
    }
    let value: Value<'_> = ParseBuf(bytes).parse(()).ok()?;
    write(out, &value)
}

fn write(out: &mut Vec<u8>, value: &Value<'_>) -> Option<()> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::I16(number) => text::integer(out, *number),
        Value::U16(number) => text::integer(out, *number),
        Value::I32(number) => text::integer(out, *number),
        Value::U32(number) => text::integer(out, *number),
        Value::I64(number) => text::integer(out, *number),
        Value::U64(number) => text::integer(out, *number),
        Value::F64(number) => double(out, *number),
        Value::String(string) => text::string(out, &string.str()),
        Value::SmallArray(array) => sequence(out, array.iter())?,
        Value::LargeArray(array) => sequence(out, array.iter())?,
        Value::SmallObject(object) => members(out, object.iter())?,
        Value::LargeObject(object) => members(out, object.iter())?,
        Value::Opaque(_) => opaque(out, value.clone())?,
    }
    Some(())
}

fn sequence<'a>(out: &mut Vec<u8>, values: impl Iterator<Item = std::io::Result<Value<'a>>>) -> Option<()> {
    out.push(b'[');
    for (at, value) in values.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, &value.ok()?)?;
    }
    out.push(b']');
    Some(())
}

fn members<'a>(
    out: &mut Vec<u8>,
    members: impl Iterator<Item = std::io::Result<(mysql_common::binlog::jsonb::ObjectKey<'a>, Value<'a>)>>,
) -> Option<()> {
    out.push(b'{');
    for (at, member) in members.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let (key, value) = member.ok()?;
        text::string(out, &key.value());
        out.push(b':');
        write(out, &value)?;
    }
    out.push(b'}');
    Some(())
}

/// Plain decimal digits, at least one behind the point.
pub fn double(out: &mut Vec<u8>, number: f64) {
    let digits = number.to_string();
    out.extend_from_slice(digits.as_bytes());
    if !digits.contains('.') {
        out.extend_from_slice(b".0");
    }
}

fn opaque(out: &mut Vec<u8>, value: Value<'_>) -> Option<()> {
    use base64::Engine as _;
    let raw = match &value {
        Value::Opaque(opaque) => opaque.data_raw().to_vec(),
        _ => return None,
    };
    match value.parse().ok()? {
        JsonDom::Scalar(JsonScalar::Number(JsonNumber::Decimal(decimal))) => {
            out.extend_from_slice(decimal.to_string().as_bytes());
        }
        JsonDom::Scalar(JsonScalar::DateTime(time)) => text::string(out, &trimmed(&time.to_string())),
        _ => text::string(out, &base64::engine::general_purpose::STANDARD.encode(raw)),
    }
    Some(())
}

/// Microseconds without trailing zeros, and without the point if none is left.
fn trimmed(time: &str) -> String {
    if time.contains('.') {
        time.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        time.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values() {
        let show = |bytes: &[u8]| {
            let mut out = Vec::new();
            json(&mut out, bytes).map(|()| String::from_utf8(out).unwrap())
        };
        assert_eq!(show(&[]).unwrap(), "null");
        assert_eq!(show(&[4, 1]).unwrap(), "true");
        assert_eq!(show(&[5, 0xff, 0xff]).unwrap(), "-1");
        assert_eq!(show(&[12, 2, b'h', b'"']).unwrap(), "\"h\\\"\"");
        // {"a": [1, null]} as a small object
        let object = [0, 1, 0, 22, 0, 11, 0, 1, 0, 2, 12, 0, b'a', 2, 0, 10, 0, 5, 1, 0, 4, 0, 0];
        assert_eq!(show(&object).unwrap(), "{\"a\":[1,null]}");
        assert!(show(&[99]).is_none());
        let mut out = Vec::new();
        double(&mut out, 1e21);
        assert_eq!(out, b"1000000000000000000000.0");
    }
}
