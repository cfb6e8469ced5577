//! What was written held against what was seen. Pure.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;

/// A row's identity: table and primary key.
pub type Key = (String, i64);

/// A change of a row: its type and the value that it left, which no other change has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `insert`, `update` or `delete`.
    pub kind: String,
    /// The value.
    pub value: i64,
}

/// What was committed, per key in order.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// Changes per key.
    pub changes: BTreeMap<Key, Vec<Change>>,
    /// Rows in all; of an update that may have been split one.
    pub rows: u64,
    /// Updates that took a row to another key, of which it is not known whether the keys were of one shard then.
    moves: Vec<Move>,
}

/// Where the halves of an update stand that may have been split.
#[derive(Debug, Clone)]
struct Move {
    from: (Key, usize),
    to: (Key, usize),
}

impl Expected {
    /// A committed update of `from`, whose value was `was`, to `to` and `value`: shown as such, or as a delete and an insert.
    pub fn push_move(&mut self, (from, was): (Key, i64), (to, value): (Key, i64)) {
        let at = |expected: &Self, key: &Key| expected.changes.get(key).map_or(0, Vec::len);
        let left = (from.clone(), at(self, &from));
        self.push(from, "delete", was);
        let came = (to.clone(), at(self, &to));
        self.push(to, "update", value);
        self.rows -= 1;
        self.moves.push(Move { from: left, to: came });
    }

    /// Settles by what was seen which of them were split: a delete of the old key shows it, whose value no other change
    /// left. How many were.
    pub fn settle(&mut self, seen: &[Message]) -> u64 {
        let deleted: HashSet<(&str, i64, i64)> = seen
            .iter()
            .filter(|message| message.kind == "delete")
            .map(|message| (message.table.as_str(), message.data.id, message.data.v))
            .collect();
        let mut split = 0;
        for Move { from: (from, left), to: (to, came) } in std::mem::take(&mut self.moves) {
            let halves = self.changes.get_mut(&from).and_then(|changes| changes.get_mut(left));
            let Some(half) = halves else { continue };
            if deleted.contains(&(from.0.as_str(), from.1, half.value)) {
                split += 1;
                if let Some(other) = self.changes.get_mut(&to).and_then(|changes| changes.get_mut(came)) {
                    "insert".clone_into(&mut other.kind);
                }
            } else {
                half.kind.clear();
            }
        }
        for changes in self.changes.values_mut() {
            changes.retain(|change| !change.kind.is_empty());
        }
        self.rows += split;
        split
    }

    /// A committed change.
    pub fn push(&mut self, key: Key, kind: &str, value: i64) {
        self.changes.entry(key).or_default().push(Change { kind: kind.into(), value });
        self.rows += 1;
    }
}

/// A message, as far as it is checked.
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    /// Table.
    pub table: String,
    /// Type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Transaction.
    pub xid: Option<u64>,
    /// Rows before it.
    pub xoffset: Option<u64>,
    /// Whether it is the last.
    #[serde(default)]
    pub commit: bool,
    /// Columns.
    pub data: Row,
    /// The transaction's GTID, out of the record's headers, where the server has GTIDs.
    #[serde(skip)]
    pub gtid: Option<String>,
}

/// The columns that every table of the writer has.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// Primary key.
    pub id: i64,
    /// The change's value.
    pub v: i64,
}

/// What is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Changes that were not seen.
    pub lost: u64,
    /// Changes that were seen again.
    pub repeated: u64,
    /// Keys whose changes came in another order, or changes that nobody made.
    pub out_of_order: u64,
    /// Transactions without exactly one commit or with gaps in their offsets.
    pub torn: u64,
    /// The first few findings in words.
    pub examples: Vec<String>,
    /// The value of each change that was lost, seen again or seen in another order: values grow with time.
    pub values: Vec<(Violation, i64)>,
}

/// What became of a change that was not seen as it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// It was not seen.
    Lost,
    /// It was seen again.
    Repeated,
    /// It was seen out of order, or nobody made it.
    OutOfOrder,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        (self.lost, self.repeated, self.out_of_order, self.torn) == (0, 0, 0, 0)
    }

    fn example(&mut self, text: String) {
        if self.examples.len() < 10 {
            self.examples.push(text);
        }
    }
}

/// Holds `seen`, in the order of each key's partition, against `expected`.
pub fn check(expected: &Expected, seen: &[Message]) -> Verdict {
    check_divided(expected, seen, 1)
}

/// The same where up to `shards` shards each show a part of a transaction.
pub fn check_divided(expected: &Expected, seen: &[Message], shards: u64) -> Verdict {
    let mut verdict = Verdict::default();
    let mut per_key: BTreeMap<Key, Vec<Change>> = BTreeMap::new();
    for message in seen {
        let key = (message.table.clone(), message.data.id);
        per_key.entry(key).or_default().push(Change { kind: message.kind.clone(), value: message.data.v });
    }
    for (key, wanted) in &expected.changes {
        compare(&mut verdict, key, wanted, per_key.remove(key).unwrap_or_default());
    }
    for (key, changes) in per_key {
        verdict.out_of_order += 1;
        verdict.values.extend(changes.last().map(|change| (Violation::OutOfOrder, change.value)));
        verdict.example(format!("{key:?}: nobody made {changes:?}"));
    }
    transactions(&mut verdict, seen, shards);
    verdict
}

fn compare(verdict: &mut Verdict, key: &Key, wanted: &[Change], mut got: Vec<Change>) {
    if got == wanted {
        return;
    }
    let mut known = Vec::new();
    got.retain(|change| {
        let again = known.contains(change);
        if again {
            verdict.repeated += 1;
            verdict.values.push((Violation::Repeated, change.value));
            verdict.example(format!("{key:?}: {change:?} came again"));
        }
        known.push(change.clone());
        !again
    });
    for change in wanted.iter().filter(|change| !got.contains(change)) {
        verdict.lost += 1;
        verdict.values.push((Violation::Lost, change.value));
        verdict.example(format!("{key:?}: {change:?} was not seen"));
    }
    let kept: Vec<&Change> = wanted.iter().filter(|change| got.contains(change)).collect();
    if kept != got.iter().collect::<Vec<_>>() {
        verdict.out_of_order += 1;
        verdict.values.extend(wanted.last().map(|change| (Violation::OutOfOrder, change.value)));
        verdict.example(format!("{key:?}: wanted {wanted:?}, got {got:?}"));
    }
}

/// Every transaction's rows are, in each shard that has some, numbered without a gap and end with one commit.
fn transactions(verdict: &mut Verdict, seen: &[Message], shards: u64) {
    // Two servers may have given the same xid; one transaction keeps its own, wherever it is read.
    let mut by_xid: BTreeMap<_, (Vec<u64>, u64)> = BTreeMap::new();
    for message in seen {
        let Some(xid) = message.xid else {
            verdict.torn += 1;
            continue;
        };
        let (offsets, commits) = by_xid.entry((message.gtid.as_deref(), xid)).or_default();
        offsets.extend(message.xoffset);
        *commits += u64::from(message.commit);
    }
    for ((_, xid), (mut offsets, commits)) in by_xid {
        offsets.sort_unstable();
        // As many parts as commits: no offset is in more of them than the one before it.
        let counts: Vec<usize> = offsets.chunk_by(|one, other| one == other).map(<[u64]>::len).collect();
        let first_of_each = offsets.chunk_by(|one, other| one == other).map(|same| same[0]);
        let numbered = first_of_each.eq(0..counts.len() as u64)
            && counts.first().is_none_or(|&parts| parts as u64 <= commits)
            && counts.is_sorted_by(|one, next| one >= next);
        if !(1..=shards).contains(&commits) || !numbered {
            verdict.torn += 1;
            verdict.example(format!("transaction {xid}: {commits} commits, {} offsets", offsets.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: i64, kind: &str, v: i64, xid: u64, xoffset: Option<u64>) -> Message {
        let commit = xoffset.is_none();
        let (table, kind, data) = ("t".into(), kind.into(), Row { id, v });
        Message { table, kind, xid: Some(xid), xoffset, commit, data, gtid: None }
    }

    fn history() -> (Expected, Vec<Message>) {
        let mut expected = Expected::default();
        for (id, kind, value) in [(1, "insert", 10), (1, "update", 11), (2, "insert", 12), (1, "delete", 11)]
        {
            expected.push(("t".into(), id), kind, value);
        }
        let seen = vec![
            message(1, "insert", 10, 5, Some(0)),
            message(1, "update", 11, 5, None),
            message(2, "insert", 12, 6, None),
            message(1, "delete", 11, 7, None),
        ];
        (expected, seen)
    }

    #[test]
    fn the_truth_is_clean() {
        let (expected, seen) = history();
        assert!(check(&expected, &seen).is_clean());
    }

    #[test]
    fn an_update_is_split_or_whole_as_its_shard_was() {
        let mut expected = Expected::default();
        for (from, to) in [(1, 11), (2, 12)] {
            expected.push(("t".into(), from), "insert", from);
            expected.push_move((("t".into(), from), from), (("t".into(), to), to * 10));
        }
        let seen = vec![
            message(1, "insert", 1, 5, None),
            message(1, "delete", 1, 6, None),
            message(11, "insert", 110, 7, None),
            message(2, "insert", 2, 8, None),
            message(12, "update", 120, 9, None),
        ];
        let mut lossy = expected.clone();
        assert_eq!(lossy.settle(&seen[..2]), 1);
        assert_eq!(check(&lossy, &seen[..2]).lost, 3);
        assert_eq!((expected.settle(&seen), expected.rows), (1, 5));
        assert!(check(&expected, &seen).is_clean());
    }

    #[test]
    fn planted_faults_are_found() {
        let (expected, seen) = history();
        let mut lossy = seen.clone();
        lossy.remove(1);
        let verdict = check(&expected, &lossy);
        assert_eq!((verdict.lost, verdict.torn), (1, 1));
        let mut repeated = seen.clone();
        repeated.push(seen[2].clone());
        assert_eq!(check(&expected, &repeated).repeated, 1);
        let mut swapped = seen.clone();
        swapped.swap(0, 1);
        assert_eq!(check(&expected, &swapped).out_of_order, 1);
        let mut foreign = seen;
        foreign.push(message(9, "insert", 99, 8, None));
        assert_eq!(check(&expected, &foreign).out_of_order, 1);
    }
}
