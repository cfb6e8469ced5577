//! MySQL's charsets and how each is decoded. Rules as in the original: latin1 and ascii are Windows-1252, ucs2 is
//! UTF-16BE, undecodable bytes become U+FFFD. What the original cannot decode reads as the server reads it.

use std::borrow::Cow;

use encoding_rs::Encoding;
use mysql_common::collations::{Collation, CollationId};

use super::deviating::Deviating;
use super::single_byte::{self, Characters};

/// How a column's text is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// utf8, utf8mb3, utf8mb4.
    Utf8,
    /// No text: printed as base64.
    Binary,
    /// Anything that the WHATWG encodings cover.
    Encoded(&'static Encoding),
    /// What they cover but for some characters.
    Deviating(Deviating),
    /// One byte a character.
    Table(&'static Characters),
    /// Four bytes a character, big endian.
    Utf32,
    /// No decoder: a row with such a value stops the shard.
    Unsupported,
}

impl Charset {
    /// The charset of a collation id, as TABLE_MAP events carry it.
    pub fn of_collation(id: CollationId) -> Self {
        Self::named(Collation::from(id).charset())
    }

    /// The charset of MySQL's name for it.
    pub fn named(name: &str) -> Self {
        use encoding_rs::*;
        Self::Encoded(match name {
            "utf8" | "utf8mb3" | "utf8mb4" => return Self::Utf8,
            "binary" => return Self::Binary,
            "utf32" => return Self::Utf32,
            "latin1" | "ascii" => WINDOWS_1252,
            "ucs2" | "utf16" => UTF_16BE,
            "utf16le" => UTF_16LE,
            "latin2" => ISO_8859_2,
            "latin7" => ISO_8859_13,
            "greek" => ISO_8859_7,
            "hebrew" => ISO_8859_8,
            "cp1250" => WINDOWS_1250,
            "cp1251" => WINDOWS_1251,
            "cp1256" => WINDOWS_1256,
            "cp1257" => WINDOWS_1257,
            "cp866" => IBM866,
            "koi8r" => KOI8_R,
            "macroman" => MACINTOSH,
            "big5" => return Self::Deviating(Deviating::Big5),
            "gbk" | "gb2312" => GBK,
            "gb18030" => GB18030,
            "cp932" => SHIFT_JIS,
            "sjis" => return Self::Deviating(Deviating::Sjis),
            "ujis" => return Self::Deviating(Deviating::Ujis),
            "eucjpms" => return Self::Deviating(Deviating::Eucjpms),
            "euckr" => EUC_KR,
            _ => return single_byte::named(name).map_or(Self::Unsupported, Self::Table),
        })
    }

    /// The text of `bytes`; `None` where there is no decoder.
    pub fn decode<'a>(&self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        match self {
            Self::Utf8 => Some(String::from_utf8_lossy(bytes)),
            Self::Encoded(encoding) => Some(undefined_replaced(encoding, bytes)),
            Self::Deviating(charset) => Some(charset.decode(bytes)),
            Self::Table(table) => Some(bytes.iter().map(|&byte| table[usize::from(byte)]).collect()),
            Self::Utf32 => Some(
                bytes
                    .chunks(4)
                    .map(|unit| match unit {
                        &[a, b, c, d] => {
                            char::from_u32(u32::from_be_bytes([a, b, c, d])).unwrap_or('\u{fffd}')
                        }
                        _ => '\u{fffd}',
                    })
                    .collect(),
            ),
            Self::Binary | Self::Unsupported => None,
        }
    }
}

/// Bytes that the Windows code pages leave undefined are control characters for the WHATWG, and U+FFFD for Java and so
/// for the original.
fn undefined_replaced<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Cow<'a, str> {
    let control = |c: char| ('\u{80}'..='\u{9f}').contains(&c);
    match encoding.decode_without_bom_handling(bytes).0 {
        Cow::Owned(text) if encoding.name().starts_with("windows-125") && text.contains(control) => {
            Cow::Owned(text.replace(control, "\u{fffd}"))
        }
        text => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_as_the_original_does() {
        assert_eq!(Charset::named("latin1").decode(b"caf\xe9 \x80").unwrap(), "café €");
        assert_eq!(Charset::named("latin1").decode(b"a\x81b").unwrap(), "a\u{fffd}b");
        assert_eq!(Charset::named("utf8mb4").decode("😀".as_bytes()).unwrap(), "😀");
        assert_eq!(Charset::named("utf8").decode(b"a\xffb").unwrap(), "a\u{fffd}b");
        assert_eq!(Charset::named("ucs2").decode(&[0, 65, 32, 172]).unwrap(), "A€");
        assert_eq!(Charset::named("utf32").decode(&[0, 1, 246, 0]).unwrap(), "😀");
        assert_eq!(Charset::named("hp8").decode(b"\xa1").unwrap(), "À");
        assert_eq!(Charset::named("latin7").decode(b"\xff").unwrap(), "’");
        assert_eq!(Charset::named("cp932").decode(b"\x81\x60").unwrap(), "～");
        assert_eq!(Charset::named("klingon"), Charset::Unsupported);
        assert_eq!(Charset::of_collation(CollationId::from(63)), Charset::Binary);
    }
}
