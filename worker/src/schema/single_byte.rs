//! MySQL's charsets of one byte a character that no encoding of the WHATWG is: as the server itself maps them.

use std::sync::LazyLock;

/// The character of every byte; U+FFFD where the charset has none.
pub type Characters = [char; 256];

/// Bytes without a run are the character of the same number, those outside the charset U+FFFD.
struct Charset {
    name: &'static str,
    /// From this byte on, these characters.
    runs: &'static [(u8, &'static str)],
    /// Bytes from here on are not in the charset unless a run has them.
    bytes: usize,
}

const CHARSETS: [Charset; 12] = [
    // Armenian.
    Charset {
        name: "armscii8",
        runs: &[(
            0xa1,
            "❁§։)(»«—.՝,-՟…՜՛՞ԱաԲբԳգԴդԵեԶզԷէԸըԹթԺժԻիԼլԽխԾծԿկՀհՁձՂղՃճՄմՅյՆնՇշՈոՉչՊպՋջՌռՍսՎվՏտՐ\
             րՑցՒւՓփՔքՕօՖֆ’'",
        )],
        bytes: 256,
    },
    // DOS, Western European.
    Charset {
        name: "cp850",
        runs: &[(
            0x80,
            "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤\
             ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}",
        )],
        bytes: 256,
    },
    // DOS, Central European.
    Charset {
        name: "cp852",
        runs: &[(
            0x80,
            "ÇüéâäůćçłëŐőîŹÄĆÉĹĺôöĽľŚśÖÜŤťŁ×čáíóúĄąŽžĘę¬źČş«»░▒▓│┤ÁÂĚŞ╣║╗╝Żż┐└┴┬├─┼Ăă╚╔╩╦╠═╬¤\
             đĐĎËďŇÍÎě┘┌█▄ŢŮ▀ÓßÔŃńňŠšŔÚŕŰýÝţ´\u{ad}˝˛ˇ˘§÷¸°¨˙űŘř■\u{a0}",
        )],
        bytes: 256,
    },
    // DEC, Western European.
    Charset {
        name: "dec8",
        runs: &[
            (
                0xa4,
                "\u{fffd}¥\u{fffd}§¤©ª«\u{fffd}\u{fffd}\u{fffd}\u{fffd}°±²³\u{fffd}µ¶·\u{fffd}¹º»\
             ¼½\u{fffd}",
            ),
            (0xd0, "\u{fffd}"),
            (0xd7, "ŒØÙÚÛÜŸ\u{fffd}"),
            (0xf0, "\u{fffd}"),
            (0xf7, "œøùúûüÿ\u{fffd}\u{fffd}"),
        ],
        bytes: 256,
    },
    // Georgian.
    Charset {
        name: "geostd8",
        runs: &[
            (
                0x80,
                "€\u{fffd}‚\u{fffd}„…†‡\u{fffd}‰\u{fffd}‹\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\
             ‘’“”•–—\u{fffd}\u{fffd}\u{fffd}›\u{fffd}\u{fffd}\u{fffd}\u{fffd}",
            ),
            (
                0xc0,
                "აბგდევზჱთიკლმნჲოპჟრსტჳუფქღყშჩცძწჭხჴჯჰჵ\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\
             \u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\
             \u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}№\u{fffd}\
             \u{fffd}",
            ),
        ],
        bytes: 256,
    },
    // HP, Western European.
    Charset {
        name: "hp8",
        runs: &[(
            0xa1,
            "ÀÂÈÊËÎÏ´ˋˆ¨˜ÙÛ₤¯Ýý°ÇçÑñ¡¿¤£¥§ƒ¢âêôûáéóúàèòùäëöüÅîØÆåíøæÄìÖÜÉïßÔÁÃãÐðÍÌÓÒÕõŠšÚŸÿÞ\
             þ·µ¶¾—¼½ªº«■»±\u{fffd}",
        )],
        bytes: 256,
    },
    // Kamenický, Czech and Slovak.
    Charset {
        name: "keybcs2",
        runs: &[(
            0x80,
            "ČüéďäĎŤčěĚĹÍľĺÄÁÉžŽôöÓůÚýÖÜŠĽÝŘťáíóúňŇŮÔšřŕŔ¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧\
             ╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
        )],
        bytes: 256,
    },
    // Ukrainian.
    Charset {
        name: "koi8u",
        runs: &[(
            0x80,
            "─│┌┐└┘├┤┬┴┼▀▄█▌▐░▒▓⌠■•√≈≤≥\u{a0}⌡°²·÷═║╒ёє╔ії╗╘╙╚╛ґ╝╞╟╠╡ЁЄ╣ІЇ╦╧╨╩╪Ґ╬©юабцдефгхий\
             клмнопярстужвьызшэщчъЮАБЦДЕФГХИЙКЛМНОПЯРСТУЖВЬЫЗШЭЩЧЪ",
        )],
        bytes: 256,
    },
    // ISO 8859-9, with its control characters.
    Charset {
        name: "latin5", runs: &[(0xd0, "Ğ"), (0xdd, "İŞ"), (0xf0, "ğ"), (0xfd, "ış")], bytes: 256
    },
    // Mac, Central European.
    Charset {
        name: "macce",
        runs: &[(
            0x80,
            "ÄĀāÉĄÖÜáąČäčĆćéŹźĎíďĒēĖóėôöõúĚěü†°Ę£§•¶ß®©™ę¨≠ģĮįĪ≤≥īĶ∂∑łĻļĽľĹĺŅņŃ¬√ńŇ∆«»…\u{a0}\
             ňŐÕőŌ–—“”‘’÷◊ōŔŕŘ‹›řŖŗŠ‚„šŚśÁŤťÍŽžŪÓÔūŮÚůŰűŲųÝýķŻŁżĢˇ",
        )],
        bytes: 256,
    },
    // Swedish, seven bits.
    Charset { name: "swe7", runs: &[(0x40, "É"), (0x5b, "ÄÖÅÜ_é"), (0x7b, "äöåü")], bytes: 128 },
    // Thai.
    Charset {
        name: "tis620",
        runs: &[(
            0xa0,
            "\u{fffd}กขฃคฅฆงจฉชซฌญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรฤลฦวศษสหฬอฮฯะ\u{e31}าำ\u{e34}\u{e35}\
             \u{e36}\u{e37}\u{e38}\u{e39}\u{e3a}\u{fffd}\u{fffd}\u{fffd}\u{fffd}฿เแโใไๅๆ\
             \u{e47}\u{e48}\u{e49}\u{e4a}\u{e4b}\u{e4c}\u{e4d}\u{e4e}๏๐๑๒๓๔๕๖๗๘๙๚๛\u{fffd}\
             \u{fffd}\u{fffd}\u{fffd}",
        )],
        bytes: 256,
    },
];

static TABLES: LazyLock<[Characters; CHARSETS.len()]> = LazyLock::new(|| CHARSETS.each_ref().map(characters));

fn characters(charset: &Charset) -> Characters {
    let mut table: Characters =
        std::array::from_fn(|byte| if byte < charset.bytes { byte as u8 as char } else { '\u{fffd}' });
    for (start, run) in charset.runs {
        for (slot, character) in table[usize::from(*start)..].iter_mut().zip(run.chars()) {
            *slot = character;
        }
    }
    table
}

/// The characters of a charset; `None` if it is not one of these.
pub fn named(name: &str) -> Option<&'static Characters> {
    CHARSETS.iter().position(|charset| charset.name == name).map(|at| &TABLES[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, bytes: &[u8]) -> String {
        bytes.iter().map(|&byte| named(name).unwrap()[usize::from(byte)]).collect()
    }

    #[test]
    fn bytes_have_the_characters_of_the_standards() {
        assert_eq!(text("cp850", b"a\x81\xe1\xff"), "a\u{fc}\u{df}\u{a0}");
        assert_eq!(text("cp852", b"\x9f\xa5\xfe"), "čą■");
        assert_eq!(text("macce", b"\xde\x8b\xff"), "řčˇ");
        assert_eq!(text("dec8", b"\xa8\xd7\xff"), "¤Œ\u{fffd}");
        assert_eq!(text("hp8", b"\xa1\xfd\xff"), "À»\u{fffd}");
        assert_eq!(text("swe7", b"r{ksm|rg}s \x80"), "räksmörgås \u{fffd}");
        assert_eq!(text("armscii8", b"\xb2\xb3"), "Աա");
        assert_eq!(text("geostd8", b"\xc0\xe4"), "აჰ");
        assert_eq!(text("keybcs2", b"\x87\xa8"), "čš");
        assert_eq!(text("koi8u", b"\xa4\xa6\xad"), "єіґ");
        assert_eq!(text("latin5", b"\x80\xd0\xfd"), "\u{80}Ğı");
        assert_eq!(text("tis620", b"\xa1\xfb\xfc"), "ก๛\u{fffd}");
        assert!(named("latin1").is_none());
    }
}
