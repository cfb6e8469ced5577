//! Followed tables beside a position file. Saved before the position: after a crash in between they are ahead of it by
//! the statements that are read again then, and a table that one of them no longer fits is captured anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use maxwell_protocol::catalog::CatalogRecord;
use maxwell_protocol::position::PositionRecord;

use super::{CatalogEntry, SinkError};

/// The definitions in a file, by database and table.
#[derive(Debug, Default)]
pub struct LocalCatalog {
    path: PathBuf,
    tables: BTreeMap<(String, String), CatalogRecord>,
    changed: bool,
}

impl LocalCatalog {
    /// Reads the file beside `state_file`. One that cannot be read counts as empty: everything is captured anew then.
    /// Gives what belongs to the position `last`, too.
    pub fn load(state_file: &Path, last: Option<&PositionRecord>) -> (Self, Vec<CatalogEntry>) {
        let catalog = Self::read(state_file);
        let capture = last.and_then(|last| last.catalog);
        let entries = capture.map(|capture| catalog.entries(capture)).unwrap_or_default();
        (catalog, entries)
    }

    fn read(state_file: &Path) -> Self {
        let path = state_file.with_extension("catalog");
        let stored = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let stored: Vec<(String, String, CatalogRecord)> = stored.unwrap_or_default();
        let tables = stored.into_iter().map(|(database, table, record)| ((database, table), record));
        Self { path, tables: tables.collect(), changed: false }
    }

    /// What belongs to `capture`.
    fn entries(&self, capture: u64) -> Vec<CatalogEntry> {
        let current = self.tables.iter().filter(|(_, record)| record.capture == capture);
        current
            .map(|((database, table), record)| CatalogEntry {
                database: database.clone(),
                table: table.clone(),
                record: Some(record.clone()),
            })
            .collect()
    }

    /// Takes changes in.
    pub fn update(&mut self, entries: &[CatalogEntry]) {
        for CatalogEntry { database, table, record } in entries {
            let name = (database.clone(), table.clone());
            match record {
                // A new capture says everything anew.
                Some(record) => {
                    self.tables.retain(|_, other| other.capture == record.capture);
                    self.tables.insert(name, record.clone());
                }
                None => {
                    self.tables.remove(&name);
                }
            }
            self.changed = true;
        }
    }

    /// Saves what has changed.
    pub fn save(&mut self) -> Result<(), SinkError> {
        if !std::mem::take(&mut self.changed) {
            return Ok(());
        }
        let io = |source| SinkError::Io { doing: "save the followed tables", source };
        let rows: Vec<_> =
            self.tables.iter().map(|((database, table), record)| (database, table, record)).collect();
        let aside = self.path.with_extension("catalog-new");
        std::fs::write(&aside, serde_json::to_vec(&rows).map_err(|error| io(error.into()))?).map_err(io)?;
        std::fs::rename(&aside, &self.path).map_err(io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(table: &str, capture: Option<u64>) -> CatalogEntry {
        let record = capture.map(|capture| CatalogRecord { capture, definition: table.into() });
        CatalogEntry { database: "shop".into(), table: table.into(), record }
    }

    #[test]
    fn what_is_saved_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let state_file = folder.path().join("position");
        let mut catalog = LocalCatalog::read(&state_file);
        catalog.update(&[entry("a", Some(1)), entry("b", Some(1))]);
        catalog.update(&[entry("a", None), entry("c", Some(1))]);
        catalog.save().unwrap();
        let read = LocalCatalog::read(&state_file);
        assert_eq!(read.entries(1), [entry("b", Some(1)), entry("c", Some(1))]);
        assert_eq!(read.entries(2), []);
        catalog.update(&[entry("d", Some(2))]);
        assert_eq!(catalog.entries(1), [], "left over from an older capture");
    }
}
