//! Which rows of a chunk the stream has overtaken.
//!
//! From the moment a window is opened every key that the stream emits is noted. When the stream has passed the place
//! where the binlog ended after the chunk was read, each row of the chunk whose key was noted is left out: the stream
//! has shown that row as it was later, or shows it from here on. What was noted too early does no harm for the same
//! reason, so a window may be opened long before the chunk is read; never after.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// Digest of a key's bytes: two keys never share one in practice.
pub type Key = u128;

/// A database and a table.
pub type TableName = (String, String);

/// Keys that are noted at a time for one table; beyond that its windows are given up.
const MOST: usize = 1 << 20;

/// An open window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowId(u64);

/// What was touched while a window was open.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Emitted with every column.
    full: HashSet<Key>,
    /// Emitted with some columns only (`binlog_row_image` is not FULL): the stream alone does not tell the whole row.
    partial: HashSet<Key>,
}

impl Touched {
    /// Whether the stream has shown the row of this key.
    pub fn contains(&self, key: Key) -> bool {
        self.full.contains(&key)
    }

    /// Whether one of these keys is known in part only: the chunk has to be read again.
    pub fn is_partial(&self, mut keys: impl Iterator<Item = Key>) -> bool {
        !self.partial.is_empty() && keys.any(|key| self.partial.contains(&key) && !self.full.contains(&key))
    }
}

#[derive(Debug, Default)]
struct Log {
    /// Number of the first entry.
    first: u64,
    entries: VecDeque<(Key, bool)>,
    /// Open windows and the number of the entry that each begins with.
    open: BTreeMap<WindowId, u64>,
    /// Windows that were opened before this entry are given up.
    lost_before: u64,
    /// Names of the columns that tell rows apart.
    key: Vec<String>,
}

impl Log {
    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Gives up every window that is open, also one that was opened at the end of an empty log.
    fn lose(&mut self) {
        self.first = self.end() + 1;
        self.entries.clear();
        self.lost_before = self.first;
    }

    /// Drops what no window needs.
    fn trim(&mut self) {
        let needed = self.open.values().min().copied().unwrap_or_else(|| self.end());
        while self.first < needed && self.entries.pop_front().is_some() {
            self.first += 1;
        }
    }
}

/// The windows of all tables.
#[derive(Debug, Default)]
pub struct Windows {
    next: u64,
    logs: HashMap<TableName, Log>,
}

impl Windows {
    /// Opens a window on a table whose rows `key` tells apart, at the place in the stream where the caller is.
    pub fn open(&mut self, table: &TableName, key: &[String]) -> WindowId {
        let id = WindowId(self.next);
        self.next += 1;
        let log = self.logs.entry(table.clone()).or_default();
        if log.key != key {
            // Another key than before: what was noted says nothing of it.
            log.lose();
            key.clone_into(&mut log.key);
        }
        let end = log.end();
        log.open.insert(id, end);
        id
    }

    /// Whether any window is open.
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty()
    }

    /// The columns whose values are noted, if a table has an open window.
    pub fn key(&self, database: &str, table: &str) -> Option<&[String]> {
        let found = self.logs.iter().find(|((d, t), _)| d == database && t == table);
        found.map(|(_, log)| log.key.as_slice())
    }

    fn log(&mut self, database: &str, table: &str) -> Option<&mut Log> {
        let found = self.logs.iter_mut().find(|((d, t), _)| d == database && t == table);
        found.map(|(_, log)| log)
    }

    /// The stream emitted a row whose key is not known: the table's windows are given up.
    pub fn give_up(&mut self, database: &str, table: &str) {
        if let Some(log) = self.log(database, table) {
            log.lose();
        }
    }

    /// The stream emitted a row of this key, with all its columns if `full`.
    pub fn touch(&mut self, database: &str, table: &str, key: Key, full: bool) {
        let Some(log) = self.log(database, table) else { return };
        if log.entries.len() >= MOST {
            log.lose();
        }
        log.entries.push_back((key, full));
    }

    /// Closes a window. `None` if so much was touched that it was given up.
    pub fn close(&mut self, table: &TableName, id: WindowId) -> Option<Touched> {
        let log = self.logs.get_mut(table)?;
        let begun = log.open.remove(&id)?;
        let kept = (begun >= log.lost_before).then(|| {
            let mut touched = Touched::default();
            for (key, full) in log.entries.iter().skip(usize::try_from(begun - log.first).unwrap_or(0)) {
                if *full {
                    touched.full.insert(*key)
                } else {
                    touched.partial.insert(*key)
                };
            }
            touched
        });
        log.trim();
        if log.open.is_empty() {
            self.logs.remove(table);
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TableName {
        ("d".into(), "t".into())
    }

    fn key() -> [String; 1] {
        ["id".to_owned()]
    }

    #[test]
    fn only_what_was_touched_while_it_was_open_counts() {
        let mut windows = Windows::default();
        windows.touch("d", "t", 1, true);
        let first = windows.open(&table(), &key());
        windows.touch("d", "t", 2, true);
        windows.touch("d", "other", 9, true);
        let second = windows.open(&table(), &key());
        windows.touch("d", "t", 3, true);
        let touched = windows.close(&table(), first).unwrap();
        let hits: Vec<bool> = [1, 2, 3, 9].iter().map(|key| touched.contains(*key)).collect();
        assert_eq!(hits, [false, true, true, false]);
        let touched = windows.close(&table(), second).unwrap();
        assert!(!touched.contains(2) && touched.contains(3));
        assert!(windows.is_empty());
        assert_eq!(windows.key("d", "t"), None);
    }

    #[test]
    fn a_row_that_the_stream_shows_in_part_is_read_again() {
        let mut windows = Windows::default();
        let window = windows.open(&table(), &key());
        windows.touch("d", "t", 1, false);
        windows.touch("d", "t", 2, false);
        windows.touch("d", "t", 2, true);
        let touched = windows.close(&table(), window).unwrap();
        assert!(!touched.contains(1));
        assert!(touched.contains(2));
        assert!(touched.is_partial([1, 2].into_iter()));
        assert!(!touched.is_partial([2, 3].into_iter()));
    }

    #[test]
    fn a_flood_gives_the_window_up_and_not_the_memory() {
        let mut windows = Windows::default();
        let window = windows.open(&table(), &key());
        for key in 0..=MOST as Key {
            windows.touch("d", "t", key, true);
        }
        let later = windows.open(&table(), &key());
        assert_eq!(windows.close(&table(), window), None);
        assert!(windows.close(&table(), later).is_some());
    }

    #[test]
    fn what_cannot_be_told_apart_gives_the_windows_up() {
        let mut windows = Windows::default();
        let window = windows.open(&table(), &key());
        windows.give_up("d", "t");
        let other = windows.open(&table(), &["b".to_owned()]);
        assert_eq!(windows.close(&table(), window), None);
        assert!(windows.close(&table(), other).is_some());
    }
}
