//! Comments with a version are code. The server blanks those that it did not run before it writes the binlog.

use super::Flavour;

/// The statement without the frames of its versioned comments. Quoted text is left alone.
pub(super) fn unwrap(text: &str, flavour: Flavour) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // Whether a versioned comment is open: its end is dropped too.
    let mut open = false;
    while let Some(first) = rest.chars().next() {
        let taken = if let Some(frame) = opening(rest, flavour) {
            open = true;
            out.push(' ');
            frame
        } else if open && rest.starts_with("*/") {
            open = false;
            out.push(' ');
            2
        } else {
            let length = plain(rest, first);
            out.push_str(&rest[..length]);
            length
        };
        rest = &rest[taken..];
    }
    out
}

/// Length of `/*!`, `/*!50100`, `/*M!`, `/*M!100100`.
fn opening(rest: &str, flavour: Flavour) -> Option<usize> {
    let mark = if rest.starts_with("/*!") {
        3
    } else if flavour.mariadb && rest.starts_with("/*M!") {
        4
    } else {
        return None;
    };
    let digits = rest[mark..].bytes().take(6).take_while(u8::is_ascii_digit).count();
    Some(mark + if digits >= 5 { digits } else { 0 })
}

/// Length of what stands at the start of `rest`: quoted text, a comment, or one character.
fn plain(rest: &str, first: char) -> usize {
    match first {
        '\'' | '"' | '`' => quoted(rest, first),
        '#' => line(rest),
        '-' if is_dash_comment(rest) => line(rest),
        '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
        _ => first.len_utf8(),
    }
}

fn is_dash_comment(rest: &str) -> bool {
    rest.strip_prefix("--").is_some_and(|after| after.chars().next().is_none_or(char::is_whitespace))
}

fn line(rest: &str) -> usize {
    rest.find('\n').map_or(rest.len(), |end| end + 1)
}

/// Length of quoted text with its quotes. A doubled quote reads as two texts in a row, which comes to the same.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote != '`' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        let flavour = Flavour { mariadb: true, ..Flavour::default() };
        unwrap(text, flavour).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn versioned_comments_are_code() {
        assert_eq!(plain("CREATE /*!32312 IF NOT EXISTS*/ TABLE t"), "CREATE IF NOT EXISTS TABLE t");
        assert_eq!(plain("/*!50003 DROP */ TABLE /*! t */"), "DROP TABLE t");
        assert_eq!(plain("ALTER TABLE t /*M!100100 ADD c INT */"), "ALTER TABLE t ADD c INT");
        assert_eq!(plain("a /*!50100 b /* c */ d */ e"), "a b /* c */ d e");
    }

    #[test]
    fn quoted_text_and_other_comments_stay() {
        for text in
            ["SELECT '/*!50100 x */'", "`/*!a`", "a /* ! */ b", "'it''s \\' /*! x'", "-- /*! x", "'open"]
        {
            assert_eq!(plain(text), text);
        }
        assert_eq!(unwrap("a /*M! b */", Flavour::default()), "a /*M! b */");
    }
}
