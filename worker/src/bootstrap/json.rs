//! MySQL's JSON text as the stream prints the same value: no spaces, strings escaped alike, doubles never in
//! E-notation.

use crate::encode::{number, text};

/// Appends `json` in the stream's form. `None` if it is no JSON.
pub fn compact(out: &mut Vec<u8>, json: &str) -> Option<()> {
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b' ' | b'\n' | b'\t' | b'\r' => at += 1,
            b'"' => {
                let end = string_end(bytes, at)?;
                let string: String = serde_json::from_str(&json[at..end]).ok()?;
                text::string(out, &string);
                at = end;
            }
            b'-' | b'0'..=b'9' => {
                let length = bytes[at..].iter().take_while(|byte| is_of_number(**byte)).count();
                double(out, &json[at..at + length])?;
                at += length;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Some(())
}

fn is_of_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// Whether the number is kept as a DOUBLE. Text does not tell that from a DECIMAL: one that no DOUBLE prints as is taken
/// for the other.
fn is_double(digits: &str) -> bool {
    if digits.contains(['e', 'E']) || digits == "-0" {
        return true;
    }
    let plain = digits.strip_suffix(".0").unwrap_or(digits);
    digits.contains('.') && digits.parse::<f64>().is_ok_and(|number| number.to_string() == plain)
}

fn double(out: &mut Vec<u8>, digits: &str) -> Option<()> {
    if is_double(digits) {
        number::json_double(out, digits.parse().ok()?);
    } else {
        out.extend_from_slice(digits.as_bytes());
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_prints_as_the_binary_value_does() {
        let show = |json: &str| {
            let mut out = Vec::new();
            compact(&mut out, json).map(|()| String::from_utf8(out).unwrap())
        };
        assert_eq!(
            show(r#"{"a": [1, null, true], "b c": "x: , y"}"#).unwrap(),
            r#"{"a":[1,null,true],"b c":"x: , y"}"#
        );
        assert_eq!(
            show(r#"[1e21, -2.5e-3, 1.0, "\u001f\"é"]"#).unwrap(),
            "[1000000000000000000000,-0.0025,1.0,\"\\u001F\\\"é\"]"
        );
        // A small DOUBLE in all its digits, a DECIMAL with its scale.
        assert_eq!(show("[0.25, 0.00048828125, 1.10, -0, 7]").unwrap(), "[0.25,0.00048828125,1.10,-0.0,7]");
        assert_eq!(
            show("0.0001").unwrap(),
            "0.000100000000000000004792173602385929598312941379845142364501953125"
        );
        assert_eq!(show("\"open"), None);
    }
}
