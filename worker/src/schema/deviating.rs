//! Where MySQL's charsets of more than one byte a character deviate from the encodings of the WHATWG that decode them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use encoding_rs::{BIG5, EUC_JP, Encoding, SHIFT_JIS};

/// A charset that deviates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deviating {
    /// Without the extensions of ETEN, with kana in their place.
    Big5,
    /// JIS X 0208 as MySQL reads it, not as Microsoft does.
    Sjis,
    /// Likewise, and with characters for private use.
    Ujis,
    /// With IBM's extensions and characters for private use.
    Eucjpms,
}

/// JIS X 0208 as Microsoft reads it, and as MySQL does.
const JIS: ([char; 7], [char; 7]) =
    (['～', '∥', '－', '￠', '￡', '￢', '＼'], ['〜', '‖', '−', '¢', '£', '¬', '\\']);

const BIG5_WHATWG: &str = "‧﹑¯～⊕⊙∕﹨￥￠￡①②③④⑤⑥⑦⑧⑨⑩⑴⑵⑶⑷⑸⑹⑺⑻⑼⑽ⅰⅱⅲⅳⅴⅵⅶⅷⅸⅹ丶丿亅亠冂冖冫勹匸卩厶夊宀巛⼳\
     广廴彐彡攴无疒癶辵隶¨ˆヽヾゝゞ〃仝々〆〇ー［］✽ぁあぃいぅうぇえぉおかがきぎくぐけげこごさざしじすずせぜそぞた\
     だちぢっつづてでとどなにぬねのはばぱひびぴふぶぷへべぺほぼぽまみむめもゃやゅゆょよらりるれろゎわゐゑをんァアィイ\
     ゥウェエォオカガキギクグケゲコゴサザシジスズセゼソゾタダチヂッツヅテデトドナニヌネノハバパヒビピフブプヘベペホボ\
     ポマミムメモャヤュユョヨラリルレロヮワヰヱヲンヴヵヶАБВГДЕЁЖЗИ";
const BIG5_MYSQL: &str = "•､‾∼♁☉／＼¥¢£ヾゝゞ々ぁあぃいぅうぇえぉおかがきぎくぐけげこごさざしじすずせぜそぞただちぢっつづてでとど\
     なにぬねのはばぱひびぴふぶぷへべぺほぼぽまみむめもゃやゅゆょよらりるれろゎわゐゑをんァアィイゥウェエォオカガキギ\
     クグケゲコゴサザシジスズセゼソゾタダチヂッツヅテデトドナニヌネノハバパヒビピフブプヘベペホボポマミムメモャヤュユ\
     ョヨラリルレロヮワヰヱヲンヴヵヶДЕЁЖЗИЙКЛМУФХЦЧШЩЪЫЬЭЮЯабвгдеёжзийклмноп\
     рстуфхцчшщъыьэюя①②③④⑤⑥⑦⑧⑨⑩⑴⑵⑶⑷⑸⑹⑺⑻⑼⑽";

static BIG5_CHARACTERS: LazyLock<HashMap<char, char>> =
    LazyLock::new(|| BIG5_WHATWG.chars().zip(BIG5_MYSQL.chars()).collect());

/// IBM's extensions of eucjpms: `8FF3F3` to `8FF4FE`.
const IBM: &str = "ⅰⅱⅲⅳⅴⅵⅶⅷⅸⅹⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩ＇＂㈱№℡炻仼僴凬匇匤﨎咊坙﨏塚增寬峵嵓﨑德悅愠敎昻晥晴朗栁﨓﨔橫櫢淸淲\
     瀨凞猪甁皂皞益礰礼神祥福竧靖精綠緖羽荢﨟薰蘒﨡蠇諸譿賴赶﨣﨤逸郞都鄕﨧﨨閒隆﨩霻靍靑飯飼館馞髙魲鶴黑";

impl Deviating {
    fn encoding(self) -> &'static Encoding {
        match self {
            Self::Big5 => BIG5,
            Self::Sjis => SHIFT_JIS,
            Self::Ujis | Self::Eucjpms => EUC_JP,
        }
    }

    fn character(self, decoded: char) -> char {
        match self {
            Self::Big5 => BIG5_CHARACTERS.get(&decoded).copied().unwrap_or(decoded),
            Self::Sjis | Self::Ujis => {
                JIS.0.iter().position(|&other| other == decoded).map_or(decoded, |at| JIS.1[at])
            }
            Self::Eucjpms if decoded == '¦' => '￤',
            Self::Eucjpms => decoded,
        }
    }

    /// The text of `bytes`.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        let (text, damaged) = self.encoding().decode_without_bom_handling(bytes);
        if damaged && matches!(self, Self::Ujis | Self::Eucjpms) {
            return Cow::Owned(self.extended(bytes));
        }
        if text.is_ascii() || text.chars().all(|decoded| self.character(decoded) == decoded) {
            return text;
        }
        Cow::Owned(text.chars().map(|decoded| self.character(decoded)).collect())
    }

    /// EUC with what the WHATWG's has not: character by character.
    fn extended(self, mut bytes: &[u8]) -> String {
        let mut text = String::with_capacity(bytes.len());
        while let Some(&first) = bytes.first() {
            let length = match first {
                0x8f => 3,
                0x8e | 0xa1..=0xfe => 2,
                _ => 1,
            };
            let (one, rest) = bytes.split_at(length.min(bytes.len()));
            bytes = rest;
            match self.extension(one) {
                Some(character) => text.push(character),
                None => {
                    let decoded = EUC_JP.decode_without_bom_handling(one).0;
                    text.extend(decoded.chars().map(|decoded| self.character(decoded)));
                }
            }
        }
        text
    }

    /// A character that only MySQL's charset has. Rows `F5` to `FE` are for private use, ninety-four each.
    fn extension(self, bytes: &[u8]) -> Option<char> {
        let (row, cell, first) = match *bytes {
            [0x8f, row, cell] => (row, cell, 0xe3ac),
            [row, cell] => (row, cell, 0xe000),
            _ => return None,
        };
        let cell = u32::from(cell.checked_sub(0xa1).filter(|&cell| cell < 94)?);
        match row {
            0xf5..=0xfe => char::from_u32(first + u32::from(row - 0xf5) * 94 + cell),
            0xf3 | 0xf4 if self == Self::Eucjpms && bytes.len() == 3 => {
                let at = (u32::from(row - 0xf3) * 94 + cell).checked_sub(0xf3 - 0xa1)?;
                IBM.chars().nth(at as usize)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn japanese_is_the_standard_or_microsofts() {
        assert_eq!(Deviating::Sjis.decode(b"a\x81\x60\x81\x7c\x81\x5f"), "a〜−\\");
        assert_eq!(Deviating::Ujis.decode(b"\xa1\xc1\xa4\xa2"), "〜あ");
        assert_eq!(Deviating::Eucjpms.decode(b"\xa1\xc1\x8f\xa2\xc3"), "～￤");
        assert_eq!(Deviating::Eucjpms.decode(b"\x8f\xf3\xf3\x8f\xf4\xa1\x8f\xf4\xfe"), "ⅰⅢ黑");
        assert_eq!(Deviating::Ujis.decode(b"\xf5\xa1\xfe\xfe\x8f\xf5\xa1"), "\u{e000}\u{e3ab}\u{e3ac}");
        assert_eq!(Deviating::Ujis.decode(b"x\xa4"), "x\u{fffd}");
    }

    #[test]
    fn big5_has_the_servers_kana() {
        assert_eq!(BIG5_WHATWG.chars().count(), BIG5_MYSQL.chars().count());
        assert_eq!(Deviating::Big5.decode(b"\xa4\xa4\xc6\xa5\xc7\x40"), "中ぁエ");
    }
}
