//! The path of a JSON diff: `.member`, `."quoted member"`, `[3]`, `[last-1]`, one after the other.

/// A step into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leg {
    /// Into an object.
    Member(Vec<u8>),
    /// Into an array, counted from its start.
    Cell(usize),
    /// Into an array, counted from its last element.
    FromLast(usize),
}

/// Reads a path; `None` if it is none, or matches more than one place.
pub(super) fn parse(text: &[u8]) -> Option<Vec<Leg>> {
    let mut rest = std::str::from_utf8(text).ok()?;
    rest = rest.strip_prefix('$').unwrap_or(rest).trim_start();
    let mut legs = Vec::new();
    while !rest.is_empty() {
        let (leg, after) = match rest.strip_prefix('.') {
            Some(after) => member(after.trim_start())?,
            None => cell(rest.strip_prefix('[')?)?,
        };
        legs.push(leg);
        rest = after.trim_start();
    }
    Some(legs)
}

fn member(text: &str) -> Option<(Leg, &str)> {
    if !text.starts_with('"') {
        let end = text.find(['.', '[', ' ', '*']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        return (!name.is_empty()).then(|| (Leg::Member(name.as_bytes().to_vec()), rest));
    }
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|&(_, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    let (quoted, rest) = text.split_at(end?.0 + 1);
    let name: String = serde_json::from_str(quoted).ok()?;
    Some((Leg::Member(name.into_bytes()), rest))
}

fn cell(text: &str) -> Option<(Leg, &str)> {
    let (inside, rest) = text.split_once(']')?;
    let inside = inside.trim();
    let leg = match inside.strip_prefix("last") {
        None => Leg::Cell(inside.parse().ok()?),
        Some(behind) if behind.trim().is_empty() => Leg::FromLast(0),
        Some(behind) => Leg::FromLast(behind.trim_start().strip_prefix('-')?.trim().parse().ok()?),
    };
    Some((leg, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_leg() {
        let member = |name: &str| Leg::Member(name.as_bytes().to_vec());
        assert_eq!(parse(b"").unwrap(), []);
        assert_eq!(parse(b"$.a[0]").unwrap(), [member("a"), Leg::Cell(0)]);
        assert_eq!(
            parse("[12].\"x.y \\\"]\"[last][last-2].ü".as_bytes()).unwrap(),
            [Leg::Cell(12), member("x.y \"]"), Leg::FromLast(0), Leg::FromLast(2), member("ü")]
        );
    }

    #[test]
    fn what_names_no_single_place_is_refused() {
        for text in ["a", ".", ".*", "[*]", "[1 to 2]", "**.a", "[", ".\"a", "[-1]", "[last+1]"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(&[b'.', 0xff]), None);
    }
}
