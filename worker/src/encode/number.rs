//! DECIMAL, FLOAT and DOUBLE as Java prints them, BIT.

use std::io::Write;

use crate::binlog::rows::DECIMAL_BYTES;

/// Appends a float or double as Java's `toString` does: plain for 1e-3 ≤ |x| < 1e7, else `d.ddE±n` without `+`;
/// always with a point. `digits` is Rust's shortest form in scientific notation, for example `1.25e-7`; where that has
/// one digit, Java prints the nearest of two digits (`4.9E-324`), which is `two`.
fn java(out: &mut Vec<u8>, digits: &str, two: &str) {
    let digits = if digits.trim_start_matches('-').as_bytes().get(1) == Some(&b'e') { two } else { digits };
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits),
    };
    out.extend_from_slice(sign.as_bytes());
    let (mantissa, exponent) = digits.split_once('e').unwrap_or((digits, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = if fraction == "0" { "" } else { fraction };
    let zero = whole == "0";
    if zero || (-3..7).contains(&exponent) {
        plain(out, whole, fraction, if zero { 0 } else { exponent });
        return;
    }
    out.extend_from_slice(whole.as_bytes());
    out.push(b'.');
    out.extend_from_slice(if fraction.is_empty() { b"0" } else { fraction.as_bytes() });
    out.push(b'E');
    super::text::integer(out, exponent);
}

/// `whole` is one digit, `fraction` what follows its point.
fn plain(out: &mut Vec<u8>, whole: &str, fraction: &str, exponent: i32) {
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
        out.extend_from_slice(whole.as_bytes());
        out.extend_from_slice(fraction.as_bytes());
        return;
    }
    let moved = exponent as usize;
    out.extend_from_slice(whole.as_bytes());
    if fraction.len() <= moved {
        out.extend_from_slice(fraction.as_bytes());
        out.extend(std::iter::repeat_n(b'0', moved - fraction.len()));
        out.extend_from_slice(b".0");
    } else {
        out.extend_from_slice(&fraction.as_bytes()[..moved]);
        out.push(b'.');
        out.extend_from_slice(&fraction.as_bytes()[moved..]);
    }
}

/// A number's text without an allocation. No float needs more than 24 bytes in scientific notation.
struct Stack {
    bytes: [u8; 32],
    length: usize,
}

impl Stack {
    fn of(text: std::fmt::Arguments<'_>) -> Self {
        let mut bytes = [0; 32];
        let mut rest = bytes.as_mut_slice();
        rest.write_fmt(text).expect("a float fits");
        let length = 32 - rest.len();
        Self { bytes, length }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).expect("digits are ASCII")
    }
}

/// Appends a FLOAT.
pub fn float(out: &mut Vec<u8>, number: f32) {
    java(out, Stack::of(format_args!("{number:e}")).text(), Stack::of(format_args!("{number:.1e}")).text());
}

/// Appends a DOUBLE.
pub fn double(out: &mut Vec<u8>, number: f64) {
    java(out, Stack::of(format_args!("{number:e}")).text(), Stack::of(format_args!("{number:.1e}")).text());
}

/// Appends a double of a JSON document: never in E-notation. What Java's `toString` would print so is printed with all
/// the digits that the binary number has.
pub fn json_double(out: &mut Vec<u8>, number: f64) {
    let start = out.len();
    double(out, number);
    if !out[start..].contains(&b'E') {
        return;
    }
    out.truncate(start);
    // 1074 digits are all that any double has behind the point.
    write!(out, "{number:.1074}").expect("a Vec takes every byte");
    while out.last() == Some(&b'0') {
        out.pop();
    }
    if out.last() == Some(&b'.') {
        out.pop();
    }
}

/// Appends a DECIMAL(precision, scale) from its packed form as Java's `BigDecimal.toString` does: trailing zeros
/// stay; scientific when the first digit is more than six places behind the point. `None` if the bytes do not fit.
pub fn decimal(out: &mut Vec<u8>, bytes: &[u8], precision: u8, scale: u8) -> Option<()> {
    let mut digits = [0; MOST_DIGITS];
    let (negative, digits) = unpacked(&mut digits, bytes, precision, scale)?;
    big_decimal(out, negative, digits, usize::from(scale));
    Some(())
}

/// The same as `BigDecimal.toPlainString` does: never scientific.
pub fn plain_decimal(out: &mut Vec<u8>, bytes: &[u8], precision: u8, scale: u8) -> Option<()> {
    let mut digits = [0; MOST_DIGITS];
    let (negative, digits) = unpacked(&mut digits, bytes, precision, scale)?;
    if negative && digits.iter().any(|&digit| digit != b'0') {
        out.push(b'-');
    }
    unscaled(out, digits, usize::from(scale));
    Some(())
}

/// Of a DECIMAL(255, 255); MySQL's own has 65.
const MOST_DIGITS: usize = 255;

/// The sign and the digits of a packed decimal.
fn unpacked<'a>(
    digits: &'a mut [u8; MOST_DIGITS],
    bytes: &[u8],
    precision: u8,
    scale: u8,
) -> Option<(bool, &'a [u8])> {
    let whole = usize::from(precision.checked_sub(scale)?);
    let scale = usize::from(scale);
    let negative = bytes.first()? & 0x80 == 0;
    let flip = if negative { 0xff } else { 0 };
    let mut rest = bytes;
    let mut room = digits.as_mut_slice();
    for count in groups(whole % 9, whole / 9, 0).chain(groups(0, scale / 9, scale % 9)) {
        let (head, tail) = rest.split_at_checked(DECIMAL_BYTES[count])?;
        let first = rest.len() == bytes.len();
        rest = tail;
        let number = head.iter().enumerate().fold(0u32, |number, (at, &byte)| {
            // The sign is the first bit, inverted.
            let byte = if first && at == 0 { byte ^ 0x80 } else { byte };
            (number << 8) | u32::from(byte ^ flip)
        });
        let before = room.len();
        write!(room, "{number:0count$}").ok()?;
        if before - room.len() != count {
            return None;
        }
    }
    rest.is_empty().then_some((negative, &digits[..whole + scale]))
}

/// The sizes of the groups: a short one first, full ones, a short one last.
fn groups(first: usize, full: usize, last: usize) -> impl Iterator<Item = usize> {
    let short = |count: usize| std::iter::once(count).filter(|&count| count > 0);
    short(first).chain(std::iter::repeat_n(9, full)).chain(short(last))
}

/// `digits` with `scale` of them behind the point.
fn big_decimal(out: &mut Vec<u8>, negative: bool, digits: &[u8], scale: usize) {
    let leading = digits.iter().take_while(|&&digit| digit == b'0').count();
    let significant = &digits[leading..];
    if negative && !significant.is_empty() {
        out.push(b'-');
    }
    // Java: adjusted exponent = (number of digits - 1) - scale; zero has one digit.
    let adjusted = significant.len().max(1) as i64 - 1 - scale as i64;
    if adjusted < -6 {
        let significant = if significant.is_empty() { b"0" } else { significant };
        out.push(significant[0]);
        if significant.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&significant[1..]);
        }
        out.push(b'E');
        super::text::integer(out, adjusted);
        return;
    }
    unscaled(out, digits, scale);
}

/// Plain digits, `scale` of them behind the point.
fn unscaled(out: &mut Vec<u8>, digits: &[u8], scale: usize) {
    let point = digits.len() - scale;
    let leading = digits[..point].iter().take_while(|&&digit| digit == b'0').count();
    let whole = &digits[leading..point];
    out.extend_from_slice(if whole.is_empty() { b"0" } else { whole });
    if scale > 0 {
        out.push(b'.');
        out.extend_from_slice(&digits[point..]);
    }
}

/// The original's BIT: what Java made of bits 0 to 30, with bit 31 as a sign and bits 32 to 62 aliasing them; right
/// only up to 2^31 - 1 or with bit 63 set.
pub fn bit_of_the_original(value: u64) -> i128 {
    if value >> 63 != 0 {
        return i128::from(value);
    }
    let mut sum: i128 = 0;
    for bit in (0..63).filter(|bit| value & (1 << bit) != 0) {
        sum |= i128::from(1i32.wrapping_shl(bit));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles_read_as_java_prints_them() {
        for (number, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (100.0, "100.0"),
            (1e7, "1.0E7"),
            (9_999_999.0, "9999999.0"),
            (1.5e-3, "0.0015"),
            (9.9e-4, "9.9E-4"),
            (1.2345e10, "1.2345E10"),
            (-1.25e-7, "-1.25E-7"),
            (123.456, "123.456"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::from_bits(1), "4.9E-324"),
            (2e-323, "2.0E-323"),
            (2e23, "2.0E23"),
            (0.002, "0.002"),
            (1234567.0, "1234567.0"),
        ] {
            assert_eq!(printed(|out| double(out, number)), text);
        }
        assert_eq!(printed(|out| float(out, 3.1)), "3.1");
        assert_eq!(printed(|out| float(out, f32::MAX)), "3.4028235E38");
        assert_eq!(printed(|out| float(out, f32::from_bits(1))), "1.4E-45");
        assert_eq!(printed(|out| float(out, -16_777_216.0)), "-1.6777216E7");
    }

    #[test]
    fn doubles_of_documents_are_plain() {
        for (number, text) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.001, "0.001"),
            (1e7, "10000000"),
            (1e21, "1000000000000000000000"),
            (1.5e300, &format!("{:.0}", 1.5e300)),
            // The nearest binary number, digit for digit.
            (1e-5, "0.000010000000000000000818030539140313095458623138256371021270751953125"),
            (0.0009765625, "0.0009765625"),
        ] {
            assert_eq!(printed(|out| json_double(out, number)), text);
        }
    }

    #[test]
    fn decimals_keep_their_scale() {
        // DECIMAL(14,4) 1234567890.1234 and its negative, as MySQL's manual packs them.
        let positive = [0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2];
        let negative = [0x7e, 0xf2, 0x04, 0xc7, 0x2d, 0xfb, 0x2d];
        assert_eq!(printed(|out| decimal(out, &positive, 14, 4).unwrap()), "1234567890.1234");
        assert_eq!(printed(|out| decimal(out, &negative, 14, 4).unwrap()), "-1234567890.1234");
        assert!(decimal(&mut Vec::new(), &positive[..6], 14, 4).is_none());
        assert!(decimal(&mut Vec::new(), &[0xff; 4], 9, 0).is_none());
        assert_eq!(printed(|out| plain_decimal(out, &negative, 14, 4).unwrap()), "-1234567890.1234");
        assert_eq!(printed(|out| plain_decimal(out, &[0x80, 0, 0, 0, 7], 10, 9).unwrap()), "0.000000007");
        assert_eq!(printed(|out| decimal(out, &[0x80, 0, 0, 0, 7], 10, 9).unwrap()), "7E-9");
    }

    #[test]
    fn small_decimals_turn_scientific() {
        for (digits, scale, text) in [
            ("000000000000", 7, "0E-7"),
            ("000000000000", 6, "0.000000"),
            ("000000000123", 9, "1.23E-7"),
            ("000031415900", 7, "3.1415900"),
            ("000000000005", 0, "5"),
            ("000000000000", 0, "0"),
        ] {
            assert_eq!(printed(|out| big_decimal(out, false, digits.as_bytes(), scale)), text);
        }
    }
}
