//! MySQL's charsets and how each is decoded. Rules as in the original: latin1 and ascii are Windows-1252, ucs2 is
//! UTF-16BE, undecodable bytes become U+FFFD.

use std::borrow::Cow;

use encoding_rs::Encoding;
use mysql_common::collations::{Collation, CollationId};

/// How a column's text is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// utf8, utf8mb3, utf8mb4.
    Utf8,
    /// No text: printed as base64.
    Binary,
    /// Anything that the WHATWG encodings cover.
    Encoded(&'static Encoding),
    /// Four bytes a character, big endian.
    Utf32,
    /// No decoder: a row with such a value stops the shard.
    Unsupported(&'static str),
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
            "latin5" => WINDOWS_1254,
            "greek" => ISO_8859_7,
            "hebrew" => ISO_8859_8,
            "cp1250" => WINDOWS_1250,
            "cp1251" => WINDOWS_1251,
            "cp1256" => WINDOWS_1256,
            "cp1257" => WINDOWS_1257,
            "cp866" => IBM866,
            "koi8r" => KOI8_R,
            "koi8u" => KOI8_U,
            "macroman" => MACINTOSH,
            "tis620" => WINDOWS_874,
            "big5" => BIG5,
            "gbk" | "gb2312" => GBK,
            "gb18030" => GB18030,
            "sjis" | "cp932" => SHIFT_JIS,
            "ujis" | "eucjpms" => EUC_JP,
            "euckr" => EUC_KR,
            _ => return Self::Unsupported(known_name(name)),
        })
    }

    /// The text of `bytes`; `None` where there is no decoder.
    pub fn decode<'a>(&self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        match self {
            Self::Utf8 => Some(String::from_utf8_lossy(bytes)),
            Self::Encoded(encoding) => Some(encoding.decode_without_bom_handling(bytes).0),
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
            Self::Binary | Self::Unsupported(_) => None,
        }
    }
}

/// The charsets of MySQL and MariaDB that have no decoder here.
fn known_name(name: &str) -> &'static str {
    const KNOWN: [&str; 10] =
        ["dec8", "hp8", "swe7", "armscii8", "keybcs2", "macce", "latin7", "geostd8", "cp850", "cp852"];
    KNOWN.iter().find(|known| **known == name).copied().unwrap_or("an unknown charset")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_as_the_original_does() {
        assert_eq!(Charset::named("latin1").decode(b"caf\xe9 \x80").unwrap(), "café €");
        assert_eq!(Charset::named("utf8mb4").decode("😀".as_bytes()).unwrap(), "😀");
        assert_eq!(Charset::named("utf8").decode(b"a\xffb").unwrap(), "a\u{fffd}b");
        assert_eq!(Charset::named("ucs2").decode(&[0, 65, 32, 172]).unwrap(), "A€");
        assert_eq!(Charset::named("utf32").decode(&[0, 1, 246, 0]).unwrap(), "😀");
        assert_eq!(Charset::named("hp8"), Charset::Unsupported("hp8"));
        assert_eq!(Charset::of_collation(CollationId::from(63)), Charset::Binary);
    }
}
