//! JSON strings as Jackson writes them: `"`, `\` and control characters are escaped, nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// For every byte: 0 if it stands for itself, else what follows the backslash (`u` for the long form).
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut control = 0;
    while control < 0x20 {
        table[control] = b'u';
        control += 1;
    }
    table[8] = b'b';
    table[9] = b't';
    table[10] = b'n';
    table[12] = b'f';
    table[13] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

/// Bytes that are looked at together.
const BLOCK: usize = 32;

/// Whether every byte stands for itself. Without branches, so that the compiler makes vector instructions of it.
fn is_plain(block: &[u8]) -> bool {
    block.iter().fold(true, |plain, &byte| plain & (byte >= 0x20) & (byte != b'"') & (byte != b'\\'))
}

/// Appends `text` as a JSON string, quotes included.
pub fn string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    // What stands for itself is copied in runs as long as they come.
    let mut from = 0;
    for (number, block) in bytes.chunks(BLOCK).enumerate() {
        if is_plain(block) {
            continue;
        }
        for (at, &byte) in block.iter().enumerate() {
            let escape = ESCAPES[usize::from(byte)];
            if escape != 0 {
                let at = number * BLOCK + at;
                out.extend_from_slice(&bytes[from..at]);
                from = at + 1;
                escaped(out, byte, escape);
            }
        }
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

fn escaped(out: &mut Vec<u8>, byte: u8, escape: u8) {
    out.extend_from_slice(&[b'\\', escape]);
    if escape == b'u' {
        out.extend_from_slice(&[b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

/// Appends bytes as a JSON string in base64 with padding.
pub fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    // Four characters for every three bytes begun.
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).expect("the room is made to measure");
    out.truncate(start + written);
    out.push(b'"');
}

/// Appends a number in decimal.
pub fn integer(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_padded_base64() {
        for (bytes, text) in
            [(&b""[..], "\"\""), (b"a", "\"YQ==\""), (b"ab", "\"YWI=\""), (b"abc", "\"YWJj\"")]
        {
            let mut out = Vec::new();
            base64(&mut out, bytes);
            assert_eq!(out, text.as_bytes());
        }
    }

    #[test]
    fn escapes_what_jackson_escapes() {
        let mut out = Vec::new();
        string(&mut out, "a\"b\\c/\n\u{1}\u{1f}\u{7f}é😀");
        assert_eq!(String::from_utf8(out).unwrap(), "\"a\\\"b\\\\c/\\n\\u0001\\u001F\u{7f}é😀\"");
    }
}
