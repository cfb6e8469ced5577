//! DECIMAL, FLOAT and DOUBLE as Java prints them, BIT.

use std::io::Write;

use crate::binlog::rows::DECIMAL_BYTES;

/// Appends a float or double as Java's `toString` does: plain for 1e-3 ≤ |x| < 1e7, else `d.ddE±n` without `+`;
/// always with a point. `digits` is Rust's shortest form in scientific notation, for example `1.25e-7`.
fn java(out: &mut Vec<u8>, digits: &str) {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits),
    };
    out.extend_from_slice(sign.as_bytes());
    let (mantissa, exponent) = digits.split_once('e').unwrap_or((digits, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
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

fn plain(out: &mut Vec<u8>, whole: &str, fraction: &str, exponent: i32) {
    let digits = [whole, fraction].concat();
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
        out.extend_from_slice(digits.as_bytes());
        return;
    }
    let point = exponent as usize + 1;
    if digits.len() <= point {
        out.extend_from_slice(digits.as_bytes());
        out.extend(std::iter::repeat_n(b'0', point - digits.len()));
        out.extend_from_slice(b".0");
    } else {
        out.extend_from_slice(&digits.as_bytes()[..point]);
        out.push(b'.');
        out.extend_from_slice(&digits.as_bytes()[point..]);
    }
}

/// Appends a FLOAT.
pub fn float(out: &mut Vec<u8>, number: f32) {
    java(out, &format!("{number:e}"));
}

/// Appends a DOUBLE.
pub fn double(out: &mut Vec<u8>, number: f64) {
    java(out, &format!("{number:e}"));
}

/// Appends a DECIMAL(precision, scale) from its packed form as Java's `BigDecimal.toString` does: trailing zeros
/// stay; scientific when the first digit is more than six places behind the point. `None` if the bytes do not fit.
pub fn decimal(out: &mut Vec<u8>, bytes: &[u8], precision: u8, scale: u8) -> Option<()> {
    let whole = usize::from(precision.checked_sub(scale)?);
    let scale = usize::from(scale);
    let negative = bytes.first()? & 0x80 == 0;
    let mut packed = bytes.to_vec();
    packed[0] ^= 0x80;
    if negative {
        packed.iter_mut().for_each(|byte| *byte = !*byte);
    }
    let mut digits = Vec::with_capacity(whole + scale);
    let mut rest = packed.as_slice();
    let mut group = |count: usize, digits: &mut Vec<u8>| -> Option<()> {
        let (head, tail) = rest.split_at_checked(DECIMAL_BYTES[count])?;
        rest = tail;
        let number = head.iter().fold(0u32, |number, byte| (number << 8) | u32::from(*byte));
        write!(digits, "{number:0count$}").ok()
    };
    for count in groups(whole % 9, whole / 9, 0).chain(groups(0, scale / 9, scale % 9)) {
        group(count, &mut digits)?;
    }
    if digits.len() != whole + scale || !rest.is_empty() {
        return None;
    }
    big_decimal(out, negative, &digits, scale);
    Some(())
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
    let point = digits.len() - scale;
    let whole = &digits[leading.min(point)..point];
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
        ] {
            assert_eq!(printed(|out| double(out, number)), text);
        }
        assert_eq!(printed(|out| float(out, 3.1)), "3.1");
        assert_eq!(printed(|out| float(out, f32::MAX)), "3.4028235E38");
    }

    #[test]
    fn decimals_keep_their_scale() {
        // DECIMAL(14,4) 1234567890.1234 and its negative, as MySQL's manual packs them.
        let positive = [0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2];
        let negative = [0x7e, 0xf2, 0x04, 0xc7, 0x2d, 0xfb, 0x2d];
        assert_eq!(printed(|out| decimal(out, &positive, 14, 4).unwrap()), "1234567890.1234");
        assert_eq!(printed(|out| decimal(out, &negative, 14, 4).unwrap()), "-1234567890.1234");
        assert!(decimal(&mut Vec::new(), &positive[..6], 14, 4).is_none());
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
