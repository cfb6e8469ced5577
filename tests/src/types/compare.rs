//! Whether a value's JSON is what the server says that the value is. Written without a look at how the worker prints.

use anyhow::{Context, bail, ensure};
use serde_json::value::RawValue;

/// How a type's JSON and the server's answer compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The answer itself.
    Number,
    /// A decimal with so many digits behind the point; small ones are scientific.
    Decimal(usize),
    /// The nearest float to the answer.
    Float,
    /// The answer's number.
    Double,
    /// A date with or without time; any part of the date that is zero makes it a zero date.
    Date,
    /// A time.
    Time,
    /// A string, the answer in hexadecimal UTF-8.
    Text,
    /// A string, the answer itself.
    Plain,
    /// Base64, the answer in hexadecimal.
    Bytes,
    /// The same, without the zeros at the end.
    PaddedBytes,
    /// A string; the empty one is null.
    Enumerated,
    /// A list; the answer has commas.
    Set,
    /// JSON without spaces.
    Json,
    /// Well-known text.
    Geometry,
}

impl Form {
    /// Fails if `json` is not `answer`.
    pub(super) fn check(self, answer: Option<&str>, json: &RawValue) -> anyhow::Result<()> {
        let Some(answer) = answer else {
            ensure!(json.get() == "null", "the server has NULL");
            return Ok(());
        };
        match self {
            Self::Number => same(answer, json.get()),
            Self::Decimal(scale) => same(answer, &plain(json.get(), scale)?),
            Self::Float => {
                java_form(json.get())?;
                let nearest = answer.parse::<f64>()? as f32;
                let printed: f32 = json.get().parse()?;
                ensure!(nearest.to_bits() == printed.to_bits() || nearest == printed, "another float");
                Ok(())
            }
            Self::Double => {
                java_form(json.get())?;
                ensure!(answer.parse::<f64>()? == json.get().parse::<f64>()?, "another double");
                Ok(())
            }
            Self::Date => same(&zeroed(answer), &string(json)?),
            Self::Time | Self::Plain => same(answer, &string(json)?),
            Self::Text => same_text(&from_hex(answer)?, &string(json)?),
            Self::Enumerated if answer.is_empty() => same("null", json.get()),
            Self::Enumerated => same(&from_hex(answer)?, &string(json)?),
            Self::Set => {
                let list: Vec<String> = serde_json::from_str(json.get())?;
                same(&from_hex(answer)?, &list.join(","))
            }
            Self::Bytes => same(answer, &base64_to_hex(&string(json)?)?),
            Self::PaddedBytes => {
                let printed = base64_to_hex(&string(json)?)?;
                ensure!(!printed.ends_with("00"), "zeros at the end");
                ensure!(answer.starts_with(&printed), "other bytes");
                ensure!(answer[printed.len()..].chars().all(|digit| digit == '0'), "too few bytes");
                Ok(())
            }
            Self::Json => {
                // MariaDB's is the text that was stored.
                let printed = tokens(json.get())?;
                ensure!(tokens(answer)? == printed, "another document");
                Ok(())
            }
            Self::Geometry => geometry(answer, &string(json)?),
        }
    }
}

fn same(answer: &str, printed: &str) -> anyhow::Result<()> {
    ensure!(answer == printed, "not the same: {answer} and {printed}");
    Ok(())
}

fn string(json: &RawValue) -> anyhow::Result<String> {
    serde_json::from_str(json.get()).context("no string")
}

/// What a charset lacks is a question mark there.
fn same_text(answer: &str, printed: &str) -> anyhow::Result<()> {
    let (answer, printed): (Vec<char>, Vec<char>) = (answer.chars().collect(), printed.chars().collect());
    ensure!(answer.len() == printed.len(), "{answer:?} and {printed:?} differ in length");
    for (theirs, ours) in answer.iter().zip(&printed) {
        // Some charsets of the server lack characters that the standard has by now.
        let lacking = *theirs == '?' && (!ours.is_ascii() || *ours == '\u{7f}');
        // What a Windows code page leaves undefined, the original cannot decode.
        let undefined = ('\u{80}'..='\u{9f}').contains(theirs) && *ours == '\u{fffd}';
        ensure!(theirs == ours || lacking || undefined, "{theirs:?} and {ours:?}");
    }
    Ok(())
}

fn from_hex(digits: &str) -> anyhow::Result<String> {
    let bytes: Result<Vec<u8>, _> =
        (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16)).collect();
    Ok(String::from_utf8(bytes?)?)
}

fn base64_to_hex(text: &str) -> anyhow::Result<String> {
    ensure!(text.len().is_multiple_of(4), "no padding");
    let mut hex = String::new();
    for four in text.as_bytes().chunks(4) {
        let mut number = 0u32;
        let padding = four.iter().filter(|&&byte| byte == b'=').count();
        for &byte in four {
            let six = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' => 0,
                _ => bail!("no base64"),
            };
            number = (number << 6) | u32::from(six);
        }
        hex.push_str(&format!("{number:06X}")[..6 - 2 * padding]);
    }
    Ok(hex)
}

/// Whether two answers are printed alike.
pub(super) fn alike(form: Form, one: Option<&str>, other: Option<&str>) -> bool {
    match (form, one, other) {
        (Form::Date, Some(one), Some(other)) => zeroed(one) == zeroed(other),
        (Form::Enumerated, one, other) => {
            one.filter(|one| !one.is_empty()) == other.filter(|other| !other.is_empty())
        }
        _ => one == other,
    }
}

/// A date whose year, month or day is zero is zero as a whole.
fn zeroed(date: &str) -> String {
    let zero = date.starts_with("0000") || &date[5..7] == "00" || &date[8..10] == "00";
    if !zero {
        return date.into();
    }
    date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

/// The decimal without an exponent.
fn plain(number: &str, scale: usize) -> anyhow::Result<String> {
    let Some((mantissa, exponent)) = number.split_once('E') else {
        let digits = number.trim_start_matches('-').replace('.', "");
        let leading = digits.chars().take_while(|&digit| digit == '0').count();
        let significant = (digits.len() - leading).max(1);
        ensure!(significant + 5 >= scale, "should be scientific");
        return Ok(number.into());
    };
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let exponent: usize = exponent.strip_prefix('-').context("a large exponent")?.parse()?;
    ensure!(exponent > 6, "should be plain");
    let digits = mantissa.replace('.', "");
    ensure!(exponent + digits.len() - 1 == scale, "another scale");
    Ok(format!("{sign}0.{}{digits}", "0".repeat(exponent - 1)))
}

/// Java's `Double.toString`: a point, an exponent outside of 1e-3 to 1e7 only.
fn java_form(number: &str) -> anyhow::Result<()> {
    ensure!(number.contains('.') && !number.contains('+') && !number.contains('e'), "not Java's form");
    let size = number.parse::<f64>()?.abs();
    let plain = size == 0.0 || (1e-3..1e7).contains(&size);
    ensure!(plain != number.contains('E'), "not Java's form");
    Ok(())
}

/// Strings, numbers by value, and everything else of a JSON text.
fn tokens(text: &str) -> anyhow::Result<Vec<String>> {
    let (bytes, mut at, mut found) = (text.as_bytes(), 0, Vec::new());
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b' ' => continue,
            b'"' => {
                while bytes.get(at) != Some(&b'"') {
                    at += if bytes.get(at) == Some(&b'\\') { 2 } else { 1 };
                    ensure!(at < bytes.len(), "no end of a string");
                }
                at += 1;
                found.push(format!("{:?}", serde_json::from_str::<String>(&text[start..at])?));
            }
            b'-' | b'0'..=b'9' => {
                while bytes.get(at).is_some_and(|byte| b"0123456789.eE+-".contains(byte)) {
                    at += 1;
                }
                let number = &text[start..at];
                let whole: Option<i128> = number.parse().ok();
                found.push(whole.map_or_else(
                    || number.parse::<f64>().map(canonical),
                    |whole| {
                        Ok(if whole.unsigned_abs() < 1 << 64 {
                            whole.to_string()
                        } else {
                            canonical(whole as f64)
                        })
                    },
                )?);
            }
            _ => found.push(char::from(byte).to_string()),
        }
    }
    Ok(found)
}

/// A double that is whole equals the integer: `1e7` is printed as `10000000`.
fn canonical(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 { format!("{number:.0}") } else { format!("{number:e}") }
}

/// Names and numbers; the servers differ in brackets, so ours are checked on their own.
fn geometry(answer: &str, printed: &str) -> anyhow::Result<()> {
    let parts = |text: &str| -> Vec<String> {
        text.split(|c: char| "(), ".contains(c)).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    let (theirs, ours) = (parts(answer), parts(printed));
    ensure!(theirs.len() == ours.len(), "{answer} and {printed}");
    for (theirs, ours) in theirs.iter().zip(&ours) {
        let equal = match (theirs.parse::<f64>(), ours.parse::<f64>()) {
            (Ok(a), Ok(b)) => (a - b).abs() <= 1e-13 * a.abs().max(1.0),
            _ => theirs == ours,
        };
        ensure!(equal, "{answer} and {printed}");
        ensure!(!ours.contains('e') && !ours.ends_with(".0"), "{printed} is not in plain numbers");
    }
    ensure!(printed.matches('(').count() == printed.matches(')').count(), "{printed}");
    Ok(())
}
