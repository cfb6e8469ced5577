//! What was written held against what was seen, columns included. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

/// A change of a row as a message shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) table: String,
    pub(super) kind: String,
    /// JSON, and so the columns with their order.
    pub(super) data: String,
    /// JSON; empty for nothing.
    pub(super) old: String,
}

/// Changes by the row's id, each in order. No id is used again.
pub(super) type History = BTreeMap<u64, Vec<Shown>>;

/// What is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Changes that were not seen.
    pub lost: u64,
    /// Changes that were seen again.
    pub repeated: u64,
    /// Changes with other columns or values than the table and the row had at the moment.
    pub different: u64,
    /// Rows whose changes came in another order, or that nobody made.
    pub out_of_order: u64,
    /// The first few findings in words.
    pub examples: Vec<String>,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }

    fn tell(&mut self, id: u64, wanted: &[Shown], got: &[Shown]) {
        if self.examples.len() < 5 {
            self.examples.push(format!("row {id}: wanted {wanted:?}, got {got:?}"));
        }
    }
}

/// Holds `seen` against `written`.
pub(super) fn check(written: &History, seen: &History) -> Verdict {
    let mut verdict = Verdict::default();
    for (id, wanted) in written {
        let got = seen.get(id).map_or(&[] as &[_], Vec::as_slice);
        if wanted.as_slice() != got {
            verdict.tell(*id, wanted, got);
            compare(&mut verdict, wanted, got);
        }
    }
    for (id, got) in seen.iter().filter(|(id, _)| !written.contains_key(id)) {
        verdict.out_of_order += 1;
        verdict.tell(*id, &[], got);
    }
    verdict
}

fn compare(verdict: &mut Verdict, wanted: &[Shown], got: &[Shown]) {
    let kinds = |changes: &[Shown]| changes.iter().map(|change| change.kind.clone()).collect::<Vec<_>>();
    if kinds(wanted) == kinds(got) {
        verdict.different += 1;
        return;
    }
    let repeated = got.iter().enumerate().filter(|(at, change)| got[..*at].contains(change)).count();
    let lost = wanted.iter().filter(|change| !got.contains(change)).count();
    verdict.repeated += repeated as u64;
    verdict.lost += lost as u64;
    verdict.out_of_order += u64::from(repeated == 0 && lost == 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: &str, data: &str) -> Shown {
        Shown { table: "t".into(), kind: kind.into(), data: data.into(), old: String::new() }
    }

    #[test]
    fn planted_faults_are_found() {
        let (insert, delete) = (shown("insert", r#"{"id":1}"#), shown("delete", r#"{"id":1}"#));
        let history = |changes: &[&Shown]| {
            BTreeMap::from([(1, changes.iter().map(|change| (*change).clone()).collect::<Vec<_>>())])
        };
        let truth = history(&[&insert, &delete]);
        assert!(check(&truth, &truth).is_clean());
        assert_eq!(check(&truth, &history(&[&insert])).lost, 1);
        assert_eq!(check(&truth, &BTreeMap::new()).lost, 2);
        assert_eq!(check(&truth, &history(&[&insert, &insert, &delete])).repeated, 1);
        assert_eq!(check(&truth, &history(&[&delete, &insert])).out_of_order, 1);
        assert_eq!(check(&BTreeMap::new(), &truth).out_of_order, 1);
        let other = shown("delete", r#"{"id":1,"c":null}"#);
        assert_eq!(check(&truth, &history(&[&insert, &other])).different, 1);
    }
}
