//! GTID sets of MySQL (tagged ones included) and of MariaDB: parse, print, contain, add. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use uuid::Uuid;

/// Why a text is not a GTID or a GTID set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{text}' is not a GTID set: {reason}")]
pub struct ParseGtidError {
    text: String,
    reason: &'static str,
}

fn refuse(text: &str, reason: &'static str) -> ParseGtidError {
    ParseGtidError { text: text.to_owned(), reason }
}

/// Where a MySQL transaction comes from: the server's UUID and, since 8.3, an optional tag.
pub type Source = (Uuid, String);

/// One transaction's GTID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gtid {
    /// `uuid[:tag]:number`.
    MySql {
        /// The originating server and tag.
        source: Source,
        /// The transaction's number, from 1.
        number: u64,
    },
    /// `domain-server-sequence`.
    MariaDb {
        /// Replication domain.
        domain: u32,
        /// The originating server's id.
        server: u32,
        /// The transaction's number within the domain.
        sequence: u64,
    },
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MySql { source: (uuid, tag), number } if tag.is_empty() => write!(f, "{uuid}:{number}"),
            Self::MySql { source: (uuid, tag), number } => write!(f, "{uuid}:{tag}:{number}"),
            Self::MariaDb { domain, server, sequence } => write!(f, "{domain}-{server}-{sequence}"),
        }
    }
}

/// Disjoint, ascending half-open intervals `[start, end)`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intervals(Vec<(u64, u64)>);

impl Intervals {
    /// The intervals, ascending, as `(start, end)` with `end` excluded.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().copied()
    }

    fn add(&mut self, start: u64, end: u64) {
        // The common case: the next number of the last interval.
        if let Some(last) = self.0.last_mut().filter(|last| last.1 == start) {
            last.1 = end;
            return;
        }
        self.0.push((start, end));
        self.0.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(self.0.len());
        for &(start, end) in &self.0 {
            match merged.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => merged.push((start, end)),
            }
        }
        self.0 = merged;
    }

    fn remove(&mut self, start: u64, end: u64) {
        let parts = |&(from, to): &(u64, u64)| [(from, to.min(start)), (from.max(end), to)];
        self.0 = self.0.iter().flat_map(parts).filter(|(from, to)| from < to).collect();
    }

    fn contains(&self, start: u64, end: u64) -> bool {
        self.0.iter().any(|&(from, to)| from <= start && end <= to)
    }
}

/// A set of executed transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GtidSet {
    /// Intervals per source.
    MySql(BTreeMap<Source, Intervals>),
    /// The last transaction per domain: `(server, sequence)`.
    MariaDb(BTreeMap<u32, (u32, u64)>),
}

impl Default for GtidSet {
    fn default() -> Self {
        Self::MySql(BTreeMap::new())
    }
}

impl GtidSet {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::MySql(sources) => sources.is_empty(),
            Self::MariaDb(domains) => domains.is_empty(),
        }
    }

    /// Adds a transaction. An empty set takes the flavor of the first one; a transaction of the other flavor is
    /// ignored, since no server sends both.
    pub fn add(&mut self, gtid: &Gtid) {
        match (&mut *self, gtid) {
            (Self::MySql(sources), Gtid::MySql { source, number }) => match sources.get_mut(source) {
                Some(intervals) => intervals.add(*number, number + 1),
                None => sources.entry(source.clone()).or_default().add(*number, number + 1),
            },
            (Self::MariaDb(domains), Gtid::MariaDb { domain, server, sequence }) => {
                domains.insert(*domain, (*server, *sequence));
            }
            (Self::MySql(sources), Gtid::MariaDb { domain, server, sequence }) if sources.is_empty() => {
                *self = Self::MariaDb(BTreeMap::from([(*domain, (*server, *sequence))]));
            }
            _ => {}
        }
    }

    /// Takes the transactions of `other` out. MariaDB's sets, which know but the last one of a domain, stay.
    pub fn remove(&mut self, other: &Self) {
        let (Self::MySql(sources), Self::MySql(others)) = (self, other) else { return };
        for (source, intervals) in others {
            if let Some(own) = sources.get_mut(source) {
                intervals.iter().for_each(|(start, end)| own.remove(start, end));
            }
        }
        sources.retain(|_, intervals| !intervals.0.is_empty());
    }

    /// Whether every transaction of `other` is in this set. For MariaDB: whether no domain of `other` is ahead.
    pub fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            _ if other.is_empty() => true,
            (Self::MySql(ours), Self::MySql(theirs)) => theirs.iter().all(|(source, intervals)| {
                ours.get(source)
                    .is_some_and(|own| intervals.iter().all(|(start, end)| own.contains(start, end)))
            }),
            (Self::MariaDb(ours), Self::MariaDb(theirs)) => theirs
                .iter()
                .all(|(domain, (_, sequence))| ours.get(domain).is_some_and(|(_, own)| own >= sequence)),
            _ => false,
        }
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MySql(sources) => {
                let mut before: Option<Uuid> = None;
                for ((uuid, tag), intervals) in sources {
                    match before {
                        Some(same) if same == *uuid => {}
                        Some(_) => write!(f, ",{uuid}")?,
                        None => write!(f, "{uuid}")?,
                    }
                    before = Some(*uuid);
                    if !tag.is_empty() {
                        write!(f, ":{tag}")?;
                    }
                    for (start, end) in intervals.iter() {
                        if end == start + 1 {
                            write!(f, ":{start}")?;
                        } else {
                            write!(f, ":{start}-{}", end - 1)?;
                        }
                    }
                }
                Ok(())
            }
            Self::MariaDb(domains) => {
                for (at, (domain, (server, sequence))) in domains.iter().enumerate() {
                    let comma = if at > 0 { "," } else { "" };
                    write!(f, "{comma}{domain}-{server}-{sequence}")?;
                }
                Ok(())
            }
        }
    }
}

impl FromStr for GtidSet {
    type Err = ParseGtidError;

    /// Reads what `@@gtid_executed` (MySQL) or `@@gtid_binlog_pos` (MariaDB) prints; the flavor is told by the form.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut set = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if part.contains(':') {
                let Self::MySql(sources) = &mut set else {
                    return Err(refuse(text, "it mixes the forms of MySQL and MariaDB"));
                };
                parse_mysql(text, part, sources)?;
            } else {
                set.add_mariadb(text, part)?;
            }
        }
        Ok(set)
    }
}

impl GtidSet {
    fn add_mariadb(&mut self, text: &str, part: &str) -> Result<(), ParseGtidError> {
        let wrong = || refuse(text, "expected domain-server-sequence");
        let mut numbers = part.split('-');
        let mut next = || numbers.next().ok_or_else(wrong);
        let domain = next()?.parse().map_err(|_| wrong())?;
        let server = next()?.parse().map_err(|_| wrong())?;
        let sequence = next()?.parse().map_err(|_| wrong())?;
        if numbers.next().is_some() {
            return Err(wrong());
        }
        if matches!(self, Self::MySql(sources) if !sources.is_empty()) {
            return Err(refuse(text, "it mixes the forms of MySQL and MariaDB"));
        }
        self.add(&Gtid::MariaDb { domain, server, sequence });
        Ok(())
    }
}

fn parse_mysql(
    text: &str,
    part: &str,
    sources: &mut BTreeMap<Source, Intervals>,
) -> Result<(), ParseGtidError> {
    let mut fields = part.split(':').map(str::trim);
    let uuid = fields.next().and_then(|uuid| Uuid::parse_str(uuid).ok());
    let uuid = uuid.ok_or_else(|| refuse(text, "expected uuid[:tag]:from[-to]"))?;
    let mut tag = String::new();
    let mut found = false;
    for field in fields {
        if field.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            tag = field.to_ascii_lowercase();
            continue;
        }
        let (start, end) = field.split_once('-').unwrap_or((field, field));
        let number = |digits: &str| {
            digits.trim().parse::<u64>().ok().filter(|number| (1..i64::MAX as u64).contains(number))
        };
        match (number(start), number(end)) {
            (Some(start), Some(end)) if start <= end => {
                sources.entry((uuid, tag.clone())).or_default().add(start, end + 1);
                found = true;
            }
            _ => return Err(refuse(text, "an interval is from-to with 1 <= from <= to")),
        }
    }
    if found { Ok(()) } else { Err(refuse(text, "a source has no interval")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn set(text: &str) -> GtidSet {
        text.parse().unwrap()
    }

    #[test]
    fn prints_what_it_reads() {
        for text in
            [format!("{A}:1-5:7"), format!("{A}:1-5,{B}:9"), format!("{A}:1:tag:3-4"), "0-1-5,2-1-9".into()]
        {
            assert_eq!(set(&text).to_string(), text);
        }
        assert_eq!(set(&format!("{A}:3-4:1-2,\n{A}:5")).to_string(), format!("{A}:1-5"));
        assert_eq!(set("").to_string(), "");
    }

    #[test]
    fn refuses_by_name() {
        for text in ["x", &format!("{A}:5-1"), &format!("{A}:0"), &format!("{A}:1,0-1-2"), "0-1", A] {
            assert!(text.parse::<GtidSet>().unwrap_err().to_string().contains(text), "{text}");
        }
    }

    #[test]
    fn containment() {
        let all = set(&format!("{A}:1-10,{B}:1-3"));
        assert!(all.contains(&set(&format!("{A}:2-4:9"))));
        assert!(!all.contains(&set(&format!("{B}:3-4"))));
        assert!(set("0-1-9").contains(&set("0-2-8")));
        assert!(!set("0-1-9").contains(&set("1-1-1")));
        assert!(all.contains(&GtidSet::default()));
    }

    #[test]
    fn what_is_taken_out_is_gone() {
        let mut all = set(&format!("{A}:1-10,{B}:1-3"));
        all.remove(&set(&format!("{A}:4:9-20,{B}:1-3")));
        assert_eq!(all.to_string(), format!("{A}:1-3:5-8"));
    }

    proptest! {
        #[test]
        fn adding_numbers_in_any_order_is_the_set_of_them(numbers in prop::collection::vec(1u64..60, 0..80)) {
            let mut built = GtidSet::default();
            let source = (Uuid::parse_str(A).unwrap(), String::new());
            for &number in &numbers {
                built.add(&Gtid::MySql { source: source.clone(), number });
            }
            for number in 1..60 {
                let one = set(&format!("{A}:{number}"));
                prop_assert_eq!(built.contains(&one), numbers.contains(&number));
            }
            prop_assert_eq!(set(&built.to_string()), built);
        }

        #[test]
        fn sets_are_those_of_mathematics(
            one in prop::collection::btree_set((0usize..3, 1u64..12), 0..30),
            other in prop::collection::btree_set((0usize..3, 1u64..12), 0..30),
        ) {
            let sources = [(A, ""), (B, ""), (A, "tag")];
            let built = |members: &std::collections::BTreeSet<(usize, u64)>| {
                let mut set = GtidSet::default();
                for &(source, number) in members {
                    let (uuid, tag) = sources[source];
                    set.add(&Gtid::MySql { source: (Uuid::parse_str(uuid).unwrap(), tag.into()), number });
                }
                set
            };
            let (first, second) = (built(&one), built(&other));
            prop_assert_eq!(first.contains(&second), one.is_superset(&other));
            prop_assert_eq!(first == second, one == other);
            let mut left = first.clone();
            left.remove(&second);
            prop_assert_eq!(left, built(&(&one - &other)));
            prop_assert_eq!(set(&first.to_string()), first);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-f:,_ -]{0,60}") {
            let _ = text.parse::<GtidSet>();
        }
    }
}
