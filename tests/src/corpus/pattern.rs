//! A record's text with placeholders for what no case can know: times, ids, positions. Pure.
//!
//! `$ts`, `$xid`, … stand for any value of their form. With a number behind (`$xid1`) the first one met decides what
//! the others of the case are, and no two numbers may mean the same.

use std::collections::BTreeMap;

/// The values that numbered placeholders have, per placeholder with its number.
pub type Bound = BTreeMap<String, String>;

/// Gives how many bytes at a text's beginning are of a form; 0 if none.
type Form = fn(&str) -> usize;

/// The forms, the longest name first where one begins another.
const FORMS: [(&str, Form); 11] = [
    ("$push", push),
    ("$pos", position),
    ("$gtid", gtid),
    ("$uuid", uuid),
    ("$thread", digits),
    ("$server", digits),
    ("$schema", digits),
    ("$sql", string),
    ("$xid", digits),
    ("$ms", milliseconds),
    ("$ts", seconds),
];

/// Whether `text` is what `pattern` says; binds what it names.
pub fn matches(pattern: &str, text: &str, bound: &mut Bound) -> bool {
    let mut trial = bound.clone();
    let fits = walk(pattern, text, &mut trial);
    if fits {
        *bound = trial;
    }
    fits
}

fn walk(mut pattern: &str, mut text: &str, bound: &mut Bound) -> bool {
    while let Some(at) = pattern.find('$') {
        let (plain, rest) = pattern.split_at(at);
        let Some(after) = text.strip_prefix(plain) else { return false };
        text = after;
        let Some((name, form)) = FORMS.iter().find(|(name, _)| rest.starts_with(name)) else {
            let Some(after) = text.strip_prefix('$') else { return false };
            (pattern, text) = (&rest[1..], after);
            continue;
        };
        let number = rest[name.len()..].bytes().take_while(u8::is_ascii_digit).count();
        let whole = &rest[..name.len() + number];
        let value = &text[..form(text)];
        if value.is_empty() || !agrees(whole, number > 0, value, bound) {
            return false;
        }
        (pattern, text) = (&rest[whole.len()..], &text[value.len()..]);
    }
    pattern == text
}

/// Whether a numbered placeholder can have `value`; `$server` and `$thread` are bound by the session.
fn agrees(whole: &str, numbered: bool, value: &str, bound: &mut Bound) -> bool {
    if let Some(known) = bound.get(whole) {
        return known == value;
    }
    if !numbered {
        return true;
    }
    let kind = whole.trim_end_matches(|c: char| c.is_ascii_digit());
    if bound.iter().any(|(other, known)| other.starts_with(kind) && known == value) {
        return false;
    }
    bound.insert(whole.into(), value.into());
    true
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn exactly(count: usize, text: &str) -> usize {
    if digits(text) == count { count } else { 0 }
}

fn seconds(text: &str) -> usize {
    exactly(10, text)
}

fn milliseconds(text: &str) -> usize {
    exactly(13, text)
}

/// Seconds and up to six digits of their fraction.
fn push(text: &str) -> usize {
    let whole = seconds(text);
    let Some(fraction) = text[whole..].strip_prefix('.').filter(|_| whole > 0) else { return 0 };
    let fraction = digits(fraction);
    if (1..=6).contains(&fraction) { whole + 1 + fraction } else { 0 }
}

/// A quoted text whose inside passes `test`.
fn quoted(text: &str, test: impl Fn(&str) -> bool) -> usize {
    let inside = text.strip_prefix('"').and_then(|rest| rest.split_once('"')).map(|(inside, _)| inside);
    inside.filter(|inside| test(inside)).map_or(0, |inside| inside.len() + 2)
}

/// A JSON string.
fn string(text: &str) -> usize {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
    if text.starts_with('"') && matches!(values.next(), Some(Ok(_))) { values.byte_offset() } else { 0 }
}

fn position(text: &str) -> usize {
    quoted(text, |inside| {
        inside.split_once(':').is_some_and(|(file, offset)| {
            !file.is_empty() && !offset.is_empty() && digits(offset) == offset.len()
        })
    })
}

/// MySQL's `uuid:n` or `uuid:tag:n`, or MariaDB's `domain-server-sequence`.
fn gtid(text: &str) -> usize {
    quoted(text, |inside| match inside.split_once(':') {
        Some((source, number)) => {
            let number = number.split_once(':').map_or(number, |(_tag, number)| number);
            uuid::Uuid::parse_str(source).is_ok() && digits(number) == number.len()
        }
        None => inside.split('-').count() == 3 && inside.bytes().all(|b| b.is_ascii_digit() || b == b'-'),
    })
}

fn uuid(text: &str) -> usize {
    text.get(..36).filter(|text| uuid::Uuid::parse_str(text).is_ok()).map_or(0, str::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_the_form_fits() {
        for (pattern, text, fits) in [
            (r#"{"ts":$ts,"x":1}"#, r#"{"ts":1700000000,"x":1}"#, true),
            (r#"{"ts":$ts}"#, r#"{"ts":1700000000123}"#, false),
            (r#"{"ts":$ms}"#, r#"{"ts":1700000000123}"#, true),
            (r#"{"push_ts":$push}"#, r#"{"push_ts":1700000000.1234}"#, true),
            (r#"{"position":$pos}"#, r#"{"position":"binlog.000001:42"}"#, true),
            (r#"{"gtid":$gtid}"#, r#"{"gtid":"0-1-42"}"#, true),
            (r#"{"gtid":$gtid}"#, r#"{"gtid":"00000000-0000-0000-0000-000000000001:7"}"#, true),
            (r#"{"gtid":$gtid}"#, r#"{"gtid":"00000000-0000-0000-0000-000000000001:tag:7"}"#, true),
            (r#"{"gtid":$gtid}"#, r#"{"gtid":null}"#, false),
            (r#"{"sql":$sql,"x":1}"#, r#"{"sql":"DROP \"t\" é","x":1}"#, true),
            (r#"{"a":"$5"}"#, r#"{"a":"$5"}"#, true),
            (r#"{"a":1}"#, r#"{"a":1} "#, false),
        ] {
            assert_eq!(matches(pattern, text, &mut Bound::new()), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_number_binds() {
        let mut bound = Bound::new();
        assert!(matches("$xid1 $xid1", "5 5", &mut bound));
        assert!(matches("$xid1", "5", &mut bound));
        assert!(!matches("$xid1", "6", &mut bound));
        assert!(!matches("$xid2", "5", &mut bound), "two numbers are two values");
        assert!(matches("$xid2", "6", &mut bound));
    }
}
