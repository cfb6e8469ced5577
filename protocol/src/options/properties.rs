//! Java's properties files, as far as Maxwell's use them: `name=value`, comments, continued lines, escapes.

/// The entries of a text.
pub fn parse(text: &str) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut line = line.trim_start().to_owned();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        while line.chars().rev().take_while(|&c| c == '\\').count() % 2 == 1 {
            line.pop();
            line.push_str(lines.next().unwrap_or("").trim_start());
        }
        let end = name_end(&line);
        let (name, value) = line.split_at(end);
        let value = value.trim_start();
        let value = value.strip_prefix(['=', ':']).unwrap_or(value).trim_start();
        entries.push((unescape(name), unescape(value).trim_end().to_owned()));
    }
    entries
}

/// Where a line's name ends: at the first separator that is not escaped.
fn name_end(line: &str) -> usize {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let ends = !escaped && matches!(c, '=' | ':' | ' ' | '\t');
        escaped = !escaped && c == '\\';
        ends
    });
    end.unwrap_or(line.len())
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match characters.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => {
                let digits: String = characters.by_ref().take(4).collect();
                plain.push(
                    u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).unwrap_or('\u{fffd}'),
                );
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    plain
}
