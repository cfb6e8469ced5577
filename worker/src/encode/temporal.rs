//! Dates and times from their packed forms.

use std::io::Write;

use maxwell_protocol::settings::Compatibility;

/// A date and time of day, as the packed forms hold them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) year: u64,
    pub(super) month: u64,
    pub(super) day: u64,
    pub(super) hour: u64,
    pub(super) minute: u64,
    pub(super) second: u64,
    pub(super) micros: u64,
}

/// Whether the value was a zero date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zero {
    /// It was, and `out` holds its zero text.
    Yes,
    /// It was not.
    No,
}

pub(super) fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// Microseconds of the fraction bytes.
fn micros(bytes: &[u8], fsp: u8) -> u64 {
    unreduced_micros(bytes, fsp) % 1_000_000
}

fn unreduced_micros(bytes: &[u8], fsp: u8) -> u64 {
    (big_endian(bytes) & 0xff_ffff) * [1_000_000, 10_000, 100, 1][usize::from(fsp.div_ceil(2)).min(3)]
}

pub(super) fn fraction(out: &mut Vec<u8>, micros: u64, fsp: u8) {
    if fsp > 0 {
        let end = out.len() + 1 + usize::from(fsp.min(6));
        write_to(out, format_args!(".{micros:06}"));
        out.truncate(end);
    }
}

fn write_to(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes every byte");
}

pub(super) fn moment(out: &mut Vec<u8>, at: Moment, fsp: u8) -> Zero {
    let zero = at.year == 0 || at.month == 0 || at.day == 0;
    if zero {
        out.extend_from_slice(b"0000-00-00 00:00:00");
        fraction(out, 0, fsp);
        return Zero::Yes;
    }
    let Moment { year, month, day, hour, minute, second, .. } = at;
    write_to(out, format_args!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"));
    fraction(out, at.micros, fsp);
    Zero::No
}

/// Appends a DATE (three bytes) without quotes.
pub fn date(out: &mut Vec<u8>, bytes: &[u8]) -> Zero {
    let packed = crate::binlog::rows::little_endian(bytes);
    let (year, month, day) = (packed >> 9, packed >> 5 & 15, packed & 31);
    if year == 0 || month == 0 || day == 0 {
        out.extend_from_slice(b"0000-00-00");
        return Zero::Yes;
    }
    write_to(out, format_args!("{year:04}-{month:02}-{day:02}"));
    Zero::No
}

/// Appends a DATETIME (five bytes and the fraction) without quotes.
pub fn datetime(out: &mut Vec<u8>, bytes: &[u8], fsp: u8) -> Zero {
    let (whole, rest) = bytes.split_at(bytes.len().min(5));
    let packed = big_endian(whole).wrapping_sub(1 << 39);
    let months = packed >> 22 & 0x1_ffff;
    let at = Moment {
        year: months / 13,
        month: months % 13,
        day: packed >> 17 & 31,
        hour: packed >> 12 & 31,
        minute: packed >> 6 & 63,
        second: packed & 63,
        micros: micros(rest, fsp),
    };
    moment(out, at, fsp)
}

/// Appends a TIMESTAMP (four bytes and the fraction) in UTC without quotes.
pub fn timestamp(out: &mut Vec<u8>, bytes: &[u8], fsp: u8) -> Zero {
    let (whole, rest) = bytes.split_at(bytes.len().min(4));
    let seconds = big_endian(whole);
    let micros = micros(rest, fsp);
    let (year, month, day) = if seconds == 0 { (0, 0, 0) } else { civil(seconds / 86_400) };
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    moment(out, Moment { year, month, day, hour, minute, second, micros }, fsp)
}

/// Year, month and day of a number of days since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date
/// algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// Appends a TIME (three bytes and the fraction) without quotes. The original prints its bits without regard to the
/// sign, modulo 24 hours.
pub fn time(out: &mut Vec<u8>, bytes: &[u8], fsp: u8, compatibility: Compatibility) {
    let fraction_bits = 8 * bytes.len().saturating_sub(3) as u32;
    let mut packed = big_endian(bytes) as i64;
    if compatibility == Compatibility::Corrected {
        packed -= 1i64 << (23 + fraction_bits);
    }
    let magnitude = packed.unsigned_abs();
    let whole = magnitude >> fraction_bits;
    let (hour, minute, second) = (whole >> 12 & 0x3ff, whole >> 6 & 63, whole & 63);
    let fraction_bytes = (magnitude & ((1u64 << fraction_bits) - 1)).to_be_bytes();
    let rest = unreduced_micros(&fraction_bytes, fsp);
    clock(out, (packed < 0, (hour * 60 + minute) * 60 + second), rest, fsp, compatibility);
}

/// Appends a TIME: its sign and seconds, then the microseconds, which may be seconds' worth. The original prints it modulo
/// 24 hours.
pub(super) fn clock(
    out: &mut Vec<u8>,
    (negative, seconds): (bool, u64),
    micros: u64,
    fsp: u8,
    compatibility: Compatibility,
) {
    let mut seconds = seconds + micros / 1_000_000;
    if compatibility == Compatibility::Maxwell {
        seconds %= 86_400;
    }
    let sign = if negative { "-" } else { "" };
    write_to(out, format_args!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
    fraction(out, micros % 1_000_000, fsp);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed<T>(write: impl FnOnce(&mut Vec<u8>) -> T) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn timestamps_are_utc() {
        let bytes = |seconds: u32| seconds.to_be_bytes();
        assert_eq!(printed(|out| timestamp(out, &bytes(1_700_000_000), 0)), "2023-11-14 22:13:20");
        assert_eq!(printed(|out| timestamp(out, &bytes(951_782_400), 0)), "2000-02-29 00:00:00");
        assert_eq!(printed(|out| timestamp(out, &[0, 0, 0, 1, 12], 2)), "1970-01-01 00:00:01.12");
        assert_eq!(printed(|out| timestamp(out, &bytes(0), 0)), "0000-00-00 00:00:00");
    }

    #[test]
    fn datetimes() {
        let packed = |y: u64, m: u64, d: u64, h: u64, i: u64, s: u64| {
            let value = ((y * 13 + m) << 22 | d << 17 | h << 12 | i << 6 | s) + (1 << 39);
            value.to_be_bytes()[3..].to_vec()
        };
        assert_eq!(printed(|out| datetime(out, &packed(9999, 12, 31, 23, 59, 59), 0)), "9999-12-31 23:59:59");
        let mut fractional = packed(2015, 1, 1, 0, 0, 0);
        fractional.extend_from_slice(&[0x01, 0xe2, 0x40]);
        assert_eq!(printed(|out| datetime(out, &fractional, 6)), "2015-01-01 00:00:00.123456");
        assert_eq!(datetime(&mut Vec::new(), &packed(2015, 0, 10, 0, 0, 0), 0), Zero::Yes);
        assert_eq!(printed(|out| datetime(out, &packed(0, 0, 0, 0, 0, 0), 0)), "0000-00-00 00:00:00");
    }

    #[test]
    fn times_in_both_manners() {
        let pack =
            |h: i64, m: i64, s: i64| (((h << 12) | (m << 6) | s) + (1 << 23)).to_be_bytes()[5..].to_vec();
        let negative =
            |h: i64, m: i64, s: i64| (-((h << 12) | (m << 6) | s) + (1 << 23)).to_be_bytes()[5..].to_vec();
        let show = |bytes: &[u8], how| printed(|out| time(out, bytes, 0, how));
        assert_eq!(show(&pack(838, 59, 59), Compatibility::Corrected), "838:59:59");
        assert_eq!(show(&pack(838, 59, 59), Compatibility::Maxwell), "22:59:59");
        assert_eq!(show(&negative(1, 0, 0), Compatibility::Corrected), "-01:00:00");
        assert_eq!(show(&pack(25, 0, 0), Compatibility::Maxwell), "01:00:00");
        assert_eq!(show(&negative(1, 0, 0), Compatibility::Maxwell), "15:00:00");
        assert_eq!(show(&negative(838, 59, 59), Compatibility::Corrected), "-838:59:59");
        // Half a second before midnight, and half a second less than nothing.
        let half = printed(|out| time(out, &[0x81, 0x7e, 0xfb, 0x32], 1, Compatibility::Corrected));
        assert_eq!(half, "23:59:59.5");
        let less = printed(|out| time(out, &[0x7f, 0xff, 0xff, 0xce], 1, Compatibility::Corrected));
        assert_eq!(less, "-00:00:00.5");
    }

    #[test]
    fn dates() {
        let packed: u64 = 2024 << 9 | 2 << 5 | 29;
        assert_eq!(printed(|out| date(out, &packed.to_le_bytes()[..3])), "2024-02-29");
        assert_eq!(printed(|out| date(out, &[0, 0, 0])), "0000-00-00");
    }
}
