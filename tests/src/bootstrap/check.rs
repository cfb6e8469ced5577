//! What a copy beside the stream must look like. Pure.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `bootstrap-start`.
    Start,
    /// `bootstrap-insert`.
    Copied,
    /// `bootstrap-complete`.
    Complete,
    /// `insert`, or `update` with every column.
    Written,
    /// `update` with some columns only.
    Changed,
    /// `delete`.
    Deleted,
}

/// A message: its row's id and value. Whoever writes a row gives it a value that is larger than all before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Event {
    /// What it says.
    pub kind: Kind,
    /// Primary key.
    pub id: i64,
    /// Value.
    pub value: i64,
}

/// What is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Rows of the table whose last state was not shown, or whose columns were never shown in full.
    pub lost: u64,
    /// Rows that were copied, or changes that were shown, more than once.
    pub repeated: u64,
    /// Rows that were shown older than before.
    pub out_of_order: u64,
    /// Rows that are shown and not there.
    pub left_over: u64,
    /// Copies that were not begun and completed once.
    pub torn: u64,
    /// The first few findings in words.
    pub examples: Vec<String>,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }

    fn example(&mut self, text: String) {
        if self.examples.len() < 10 {
            self.examples.push(text);
        }
    }
}

/// Holds `seen`, in the order of each key's partition, against what is in the table at the end.
pub fn check(table: &BTreeMap<i64, i64>, seen: &[Event]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut last: BTreeMap<i64, Event> = BTreeMap::new();
    let (mut copied, mut changes) = (HashSet::new(), HashSet::new());
    let mut whole: HashSet<i64> = HashSet::new();
    let mut marks = (0, 0);
    for event in seen {
        match event.kind {
            Kind::Start => marks.0 += 1,
            Kind::Complete => marks.1 += 1,
            kind => {
                match kind {
                    Kind::Copied | Kind::Written => drop(whole.insert(event.id)),
                    Kind::Deleted => drop(whole.remove(&event.id)),
                    _ => {}
                }
                let again =
                    if kind == Kind::Copied { !copied.insert(event.id) } else { !changes.insert(*event) };
                if again {
                    verdict.repeated += 1;
                    verdict.example(format!("{event:?} came again"));
                }
                if let Some(before) =
                    last.insert(event.id, *event).filter(|before| before.value > event.value)
                {
                    verdict.out_of_order += 1;
                    verdict.example(format!("{event:?} came behind {before:?}"));
                }
            }
        }
    }
    if marks != (1, 1) {
        verdict.torn += 1;
        verdict.example(format!("{} starts, {} completes", marks.0, marks.1));
    }
    compare(&mut verdict, table, &last);
    let in_part = table.keys().filter(|id| last.contains_key(id) && !whole.contains(id));
    for id in in_part {
        verdict.lost += 1;
        verdict.example(format!("row {id} was shown in part only"));
    }
    verdict
}

fn compare(verdict: &mut Verdict, table: &BTreeMap<i64, i64>, last: &BTreeMap<i64, Event>) {
    for (id, value) in table {
        let shown = last.get(id);
        if shown.is_none_or(|event| event.kind == Kind::Deleted || event.value != *value) {
            verdict.lost += 1;
            verdict.example(format!("row {id} has {value}, shown is {shown:?}"));
        }
    }
    for (id, event) in last {
        if event.kind != Kind::Deleted && !table.contains_key(id) {
            verdict.left_over += 1;
            verdict.example(format!("{event:?}, but row {id} is not there"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: Kind, id: i64, value: i64) -> Event {
        Event { kind, id, value }
    }

    fn history() -> (BTreeMap<i64, i64>, Vec<Event>) {
        let seen = vec![
            event(Kind::Start, 0, 0),
            event(Kind::Copied, 1, 1),
            event(Kind::Written, 1, 5),
            event(Kind::Copied, 2, 2),
            event(Kind::Deleted, 2, 2),
            event(Kind::Written, 3, 7),
            event(Kind::Complete, 0, 0),
        ];
        (BTreeMap::from([(1, 5), (3, 7)]), seen)
    }

    #[test]
    fn the_truth_is_clean() {
        let (table, seen) = history();
        assert_eq!(check(&table, &seen), Verdict::default());
    }

    #[test]
    fn planted_faults_are_found() {
        let (table, seen) = history();
        let with = |change: &dyn Fn(&mut Vec<Event>)| {
            let mut seen = seen.clone();
            change(&mut seen);
            check(&table, &seen)
        };
        assert_eq!(with(&|seen| _ = seen.remove(5)).lost, 1);
        assert_eq!(with(&|seen| seen[5].kind = Kind::Changed).lost, 1);
        assert_eq!(with(&|seen| _ = seen.remove(4)).left_over, 1);
        assert_eq!(with(&|seen| seen.push(event(Kind::Copied, 1, 5))).repeated, 1);
        assert_eq!(with(&|seen| seen.push(event(Kind::Written, 1, 5))).repeated, 1);
        assert_eq!(with(&|seen| seen.swap(1, 2)).out_of_order, 1);
        assert_eq!(with(&|seen| _ = seen.pop()).torn, 1);
    }
}
