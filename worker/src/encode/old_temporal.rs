//! Dates and times in the form before MySQL 5.6, which MariaDB still writes with `mysql56_temporal_format=OFF`. With
//! digits behind the point the form is MariaDB's own: one number in units of the last digit.

use maxwell_protocol::settings::Compatibility;

use super::temporal::{Moment, Zero, big_endian, clock, moment, timestamp};
use crate::binlog::rows::little_endian;

/// Units in a second.
fn units(fsp: u8) -> u64 {
    10u64.pow(u32::from(fsp.min(6)))
}

/// Seconds, and microseconds of the rest.
fn split(number: u64, fsp: u8) -> (u64, u64) {
    (number / units(fsp), number % units(fsp) * (1_000_000 / units(fsp)))
}

/// Appends a DATETIME without quotes: the decimal number YYYYMMDDhhmmss, or with digits behind the point a number
/// whose places are year and month (times thirteen), day (32), hour (24), minute, second.
pub fn datetime(out: &mut Vec<u8>, bytes: &[u8], fsp: u8) -> Zero {
    let (date, time, micros) = if fsp == 0 {
        let number = little_endian(bytes);
        let (date, time) = (number / 1_000_000, number % 1_000_000);
        ((date / 10_000, date / 100 % 100, date % 100), (time / 10_000, time / 100 % 100, time % 100), 0)
    } else {
        let (seconds, micros) = split(big_endian(bytes), fsp);
        let days = seconds / 86_400;
        let months = days / 32;
        let time = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        ((months / 13, months % 13, days % 32), time, micros)
    };
    let ((year, month, day), (hour, minute, second)) = (date, time);
    moment(out, Moment { year, month, day, hour, minute, second, micros }, fsp)
}

/// Appends a TIMESTAMP in UTC without quotes: seconds, little endian; or with digits behind the point big endian and
/// followed by those.
pub fn old_timestamp(out: &mut Vec<u8>, bytes: &[u8], fsp: u8) -> Zero {
    if fsp == 0 {
        return timestamp(out, &(little_endian(bytes) as u32).to_be_bytes(), 0);
    }
    let (seconds, digits) = bytes.split_at(bytes.len().min(4));
    let (_, micros) = split(big_endian(digits), fsp);
    // The form of today holds microseconds in the same place.
    let mut now = [0; 7];
    now[..seconds.len()].copy_from_slice(seconds);
    now[4..].copy_from_slice(&(micros as u32).to_be_bytes()[1..]);
    let start = out.len();
    let zero = timestamp(out, &now, 6);
    out.truncate(out.len().min(start + 20 + usize::from(fsp)));
    zero
}

/// Appends a TIME without quotes: the decimal number hhmmss with a sign; or with digits behind the point, from the
/// least time on. The original takes the former for a number without a sign, and prints it modulo 24 hours.
pub fn old_time(out: &mut Vec<u8>, bytes: &[u8], fsp: u8, compatibility: Compatibility) {
    /// One second more than MySQL's longest time.
    const ZERO: i64 = 838 * 3600 + 59 * 60 + 59 + 1;
    let seconds = |number: u64| number / 10_000 * 3600 + number / 100 % 100 * 60 + number % 100;
    let (time, micros) = if fsp > 0 {
        let number = big_endian(bytes) as i64 - ZERO * units(fsp) as i64;
        let (seconds, micros) = split(number.unsigned_abs(), fsp);
        ((number < 0, seconds), micros)
    } else if compatibility == Compatibility::Maxwell {
        ((false, seconds(little_endian(bytes))), 0)
    } else {
        let number = ((little_endian(bytes) as i64) << 40) >> 40;
        ((number < 0, seconds(number.unsigned_abs())), 0)
    };
    clock(out, time, micros, fsp, compatibility);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed<T>(write: impl FnOnce(&mut Vec<u8>) -> T) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    // Bytes as MariaDB 10.11 wrote them.
    #[test]
    fn datetimes() {
        let old = [0x80, 0xc5, 0xaa, 0x8b, 0x68, 0x12, 0, 0];
        assert_eq!(printed(|out| datetime(out, &old, 0)), "2024-02-29 12:34:56");
        let tenths = [0x00, 0xa9, 0x65, 0xa7, 0xfc, 0x67];
        assert_eq!(printed(|out| datetime(out, &tenths, 1)), "2024-02-29 12:34:56.7");
        let four = [0x0c, 0xc4, 0xf1, 0x36, 0x6f, 0xdd, 0xc2];
        assert_eq!(printed(|out| datetime(out, &four, 4)), "9999-12-31 23:59:59.1234");
        let six = [0x00, 0xff, 0x65, 0x70, 0x19, 0x83, 0x60, 0x01];
        assert_eq!(printed(|out| datetime(out, &six, 6)), "2000-01-01 00:00:00.000001");
        assert_eq!(datetime(&mut Vec::new(), &[0; 8], 0), Zero::Yes);
    }

    #[test]
    fn timestamps() {
        assert_eq!(printed(|out| old_timestamp(out, &[0xf0, 0x79, 0xe0, 0x65], 0)), "2024-02-29 12:34:56");
        let hundredths = [0x65, 0xe0, 0x79, 0xf0, 0x4e];
        assert_eq!(printed(|out| old_timestamp(out, &hundredths, 2)), "2024-02-29 12:34:56.78");
        let six = [0x65, 0xe0, 0x79, 0xf0, 0x0c, 0x0a, 0x14];
        assert_eq!(printed(|out| old_timestamp(out, &six, 6)), "2024-02-29 12:34:56.789012");
        assert_eq!(printed(|out| old_timestamp(out, &[0; 5], 1)), "0000-00-00 00:00:00.0");
    }

    #[test]
    fn times_in_both_manners() {
        let show = |bytes: &[u8], fsp, how| printed(|out| old_time(out, bytes, fsp, how));
        let negative = [0xc0, 0x1d, 0xfe];
        assert_eq!(show(&negative, 0, Compatibility::Corrected), "-12:34:56");
        assert_eq!(show(&[0x03, 0x99, 0xc0, 0xb5], 1, Compatibility::Corrected), "838:59:58.9");
        assert_eq!(show(&[0, 0xb4, 7, 0xa5, 5], 3, Compatibility::Corrected), "-00:00:00.123");
        assert_eq!(show(&[0x60, 0xd8, 3], 0, Compatibility::Maxwell), "01:20:00");
    }
}
