//! XA transactions: their names, and the statements that end a prepared one.

use std::fmt::Write as _;

use super::BinlogError;

/// What an `XA` statement of the binlog does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `XA START`: opens a transaction, as BEGIN does.
    Start,
    /// `XA COMMIT` of what was prepared under that name.
    Commit(String),
    /// `XA ROLLBACK` of it.
    Rollback(String),
    /// `XA END` and what else says nothing about the end.
    Other,
}

/// Reads a statement that starts with `XA`.
pub fn command(text: &str) -> Command {
    let mut words = text.trim().splitn(3, char::is_whitespace);
    let (_, verb, rest) = (words.next(), words.next().unwrap_or(""), words.next().unwrap_or(""));
    let is = |word: &str| verb.eq_ignore_ascii_case(word);
    // One name for what the server writes in statements and what is made of the bytes of an event.
    let name = || rest.trim().trim_end_matches(';').replace(' ', "").to_lowercase();
    if is("START") || is("BEGIN") {
        Command::Start
    } else if is("COMMIT") {
        Command::Commit(name())
    } else if is("ROLLBACK") {
        Command::Rollback(name())
    } else {
        Command::Other
    }
}

/// Reads an XA_PREPARE event: whether it commits in one phase, and the transaction's name.
pub fn prepare(body: &[u8]) -> Result<(bool, String), BinlogError> {
    const DAMAGED: BinlogError = BinlogError::Damaged("XA_PREPARE");
    let number = |at: usize| {
        let bytes = body.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        bytes.map(u32::from_le_bytes).ok_or(DAMAGED)
    };
    let one_phase = *body.first().ok_or(DAMAGED)? != 0;
    let (format, global, branch) = (number(1)?, number(5)? as usize, number(9)? as usize);
    // Neither part is longer than 64 bytes.
    if global > 64 || branch > 64 {
        return Err(DAMAGED);
    }
    let data = body.get(13..13 + global + branch).ok_or(DAMAGED)?;
    let mut name = String::from("x'");
    let hex = |name: &mut String, bytes: &[u8]| {
        for byte in bytes {
            write!(name, "{byte:02x}").expect("a String takes every character");
        }
    };
    hex(&mut name, &data[..global]);
    name.push_str("',x'");
    hex(&mut name, &data[global..]);
    write!(name, "',{format}").expect("a String takes every character");
    Ok((one_phase, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_in_event_and_statement() {
        let body = [&[0][..], &[7, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0], b"aZ\x0b"].concat();
        let (one_phase, name) = prepare(&body).unwrap();
        assert!(!one_phase);
        assert_eq!(command("XA COMMIT X'61',X'5A0b',7"), Command::Commit(name.clone()));
        assert_eq!(command("xa rollback X'61', X'5a0b', 7;"), Command::Rollback(name));
        for cut in 0..body.len() {
            assert!(prepare(&body[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn the_rest_is_told_apart() {
        assert_eq!(command("XA START X'61',X'',1"), Command::Start);
        assert_eq!(command("XA END X'61',X'',1"), Command::Other);
        assert_eq!(command("XA"), Command::Other);
    }
}
