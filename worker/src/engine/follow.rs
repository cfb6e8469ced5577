//! The catalog at the place that the stream has come to: captured at the start, then kept by following statements.

use std::collections::HashSet;
use std::time::Duration;

use maxwell_protocol::catalog::CatalogRecord;
use maxwell_protocol::id::Epoch;
use maxwell_protocol::position::Position;

use super::beginning::Heritage;
use super::error::EngineError;
use crate::filter::TableFilter;
use crate::schema::ddl::{Applied, Catalog, Change, Event, Flavour, Meaning, TableDef, TableName, parse};
use crate::sink::{CatalogEntry, TakenOver};
use crate::source::connect::connect;
use crate::source::scan::SideDump;
use crate::source::{SourceError, definitions};

/// How long the statements between our place and the source's head may take to be read before the first row.
const SCAN: Duration = Duration::from_secs(5);

/// See the module.
pub struct Follower {
    catalog: Catalog,
    flavour: Flavour,
    filter: TableFilter,
    /// Whether definitions are wanted: for schema changes that are printed, or for rows that do not describe themselves.
    follows: bool,
    /// Tables that a statement between our place and the capture changed: what they are here is not known.
    uncertain: HashSet<TableName>,
    /// Tells the records of this capture from those of others.
    capture: u64,
}

/// What was followed before this run.
#[derive(Debug, Default)]
pub struct Stored {
    /// The capture that it began with.
    pub capture: Option<u64>,
    /// Databases and tables at the position.
    pub entries: Vec<CatalogEntry>,
    /// Whether they are another shard's, and become this one's.
    pub is_anothers: bool,
}

/// What a statement did, and what only the server can tell.
#[derive(Debug, Default)]
pub struct Passed {
    /// In the statement's order.
    pub outcomes: Vec<Outcome>,
}

/// One outcome.
#[derive(Debug)]
pub enum Outcome {
    /// This happened.
    Event(Event),
    /// Capture `name`, and tell of it: as new, or as changed from `before`.
    Capture {
        /// The name before.
        before: TableName,
        /// The name now.
        name: TableName,
        /// What to tell; `None` for nothing.
        told: Option<Told>,
    },
}

/// What is told of a captured table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It came.
    Created,
    /// It changed.
    Changed,
}

impl Stored {
    /// What a take-over found of the shard's own.
    pub(super) fn own(taken: &mut TakenOver, heritage: Heritage) -> Self {
        // What is known of tables holds at the place of the record that says so.
        let capture =
            taken.last.as_ref().filter(|_| heritage != Heritage::Past).and_then(|last| last.catalog);
        Self { capture, entries: std::mem::take(&mut taken.catalog), is_anothers: false }
    }
}

impl Follower {
    /// Captures what `filter` lets through as it is at `position`, if definitions are wanted.
    pub async fn start(
        side: &SideDump,
        filter: &TableFilter,
        prints_changes: bool,
        position: &Position,
        (stored, epoch): (Stored, Epoch),
    ) -> Result<Self, SourceError> {
        let mut conn = connect(&side.settings).await?;
        let defaults = definitions::defaults(&mut conn).await?;
        let follows = prints_changes || !definitions::is_self_describing(&mut conn).await?;
        let mut follower = Self {
            catalog: Catalog::new(&defaults.charset),
            flavour: Flavour { mariadb: side.server.mariadb, folds_names: defaults.folds_names },
            filter: filter.clone(),
            follows,
            uncertain: HashSet::new(),
            capture: epoch.0,
        };
        if !follows || follower.restore(stored) {
            return Ok(follower);
        }
        let names = definitions::names(&mut conn, &|database, table| filter.passes(database, table)).await?;
        let used: HashSet<&str> = names.iter().map(|name| name.database.as_str()).collect();
        for (name, charset) in definitions::databases(&mut conn).await? {
            if used.contains(name.as_str()) || filter.passes(&name, "") {
                follower.catalog.put_database(&name, &charset);
            }
        }
        for table in definitions::tables(&mut conn, side.server.mariadb, &names).await? {
            follower.catalog.put(table);
        }
        tracing::info!(tables = names.len(), "captured the tables that pass the filter");
        follower.distrust(side, position).await?;
        Ok(follower)
    }

    /// Goes on with what was followed before; false if there is nothing to go on with.
    fn restore(&mut self, stored: Stored) -> bool {
        let Some(capture) = stored.capture else { return false };
        for CatalogEntry { database, table, record } in stored.entries {
            let Some(definition) = record.map(|record| record.definition) else { continue };
            if table.is_empty() {
                self.catalog.put_database(&database, definition.as_str().unwrap_or_default());
            } else if let Ok(table) = serde_json::from_value(definition) {
                self.catalog.put(table);
            }
        }
        if !stored.is_anothers {
            self.catalog.take_changed();
            self.capture = capture;
        }
        tracing::info!(
            tables = self.catalog.tables().count(),
            "the tables are known as they are at the position"
        );
        true
    }

    /// The capture that following began with; `None` if nothing is followed.
    pub fn capture(&self) -> Option<u64> {
        self.follows.then_some(self.capture)
    }

    /// What changed since this was asked before.
    pub fn changed(&mut self) -> Vec<CatalogEntry> {
        let names = self.catalog.take_changed();
        names.into_iter().map(|(database, table)| self.entry(database, table)).collect()
    }

    fn entry(&self, database: String, table: String) -> CatalogEntry {
        let definition = if table.is_empty() {
            self.catalog.charset(&database).map(serde_json::Value::from)
        } else {
            let name = TableName { database: database.clone(), table: table.clone() };
            self.catalog.get(&name).and_then(|def| serde_json::to_value(def).ok())
        };
        let record = definition.map(|definition| CatalogRecord { capture: self.capture, definition });
        CatalogEntry { database, table, record }
    }

    /// What was captured holds for our place only where no statement came in between.
    async fn distrust(&mut self, side: &SideDump, position: &Position) -> Result<(), SourceError> {
        let mut meanings = Vec::new();
        let flavour = self.flavour;
        let mut visit = |database: &str, text: &str| {
            let meaning = parse(text, database, flavour);
            if meaning != Meaning::Nothing {
                meanings.push(meaning);
            }
            false
        };
        let scanned = tokio::time::timeout(SCAN, side.statements(position, &mut visit)).await;
        if let Ok(scanned) = scanned {
            scanned?;
            meanings.iter().rev().for_each(|meaning| self.undo(meaning));
            return Ok(());
        }
        tracing::warn!("the source is far ahead: tables are captured one by one when they are met");
        let names: Vec<TableName> = self.catalog.tables().map(TableDef::name).collect();
        names.iter().for_each(|name| self.forget(name));
        Ok(())
    }

    /// Takes back what is known of everything that a statement changed.
    fn undo(&mut self, meaning: &Meaning) {
        let known: Vec<TableName> =
            self.catalog.tables().map(TableDef::name).filter(|name| meaning.touches(name)).collect();
        known.iter().for_each(|name| self.forget(name));
        let Meaning::Changes(changes) = meaning else { return };
        for change in changes {
            match change {
                Change::CreateDatabase { name, .. } => {
                    self.catalog.forget_database(name);
                }
                Change::DropDatabase { name } => self.catalog.put_database(name, ""),
                Change::CreateTable { name, .. } => {
                    self.uncertain.remove(name);
                }
                Change::DropTable { name } | Change::AlterTable { name, .. } | Change::Obscure(name) => {
                    self.uncertain.insert(name.clone());
                }
                Change::RenameTable { from, to } => {
                    self.uncertain.remove(to);
                    self.uncertain.insert(from.clone());
                }
                Change::AlterDatabase { .. } => {}
            }
        }
    }

    fn forget(&mut self, name: &TableName) {
        self.catalog.forget(name);
        self.uncertain.insert(name.clone());
    }

    /// The filter changed: tables that pass now are captured when they are met.
    pub fn refilter(&mut self, filter: TableFilter) {
        self.filter = filter;
    }

    /// How statements read.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The table as it is at the stream's place, if that is known.
    pub fn table(&self, name: &TableName) -> Option<&TableDef> {
        self.catalog.get(name)
    }

    /// Takes in what was proved of a table.
    pub fn learn(&mut self, table: TableDef) {
        self.uncertain.remove(&table.name());
        self.catalog.put(table);
    }

    /// A TABLE_MAP contradicted it.
    pub fn unlearn(&mut self, name: &TableName) {
        self.catalog.forget(name);
    }

    /// Whether a change may be printed: a renamed table's names must both pass.
    pub fn prints(&self, event: &Event) -> bool {
        match event {
            Event::DatabaseCreate { database, .. }
            | Event::DatabaseAlter { database, .. }
            | Event::DatabaseDrop { database } => self.filter.passes(database, ""),
            Event::TableCreate { def } => self.passes(&def.name()),
            Event::TableAlter { old, def } => self.passes(&old.name()) && self.passes(&def.name()),
            Event::TableDrop { name } => self.passes(name),
        }
    }

    fn passes(&self, name: &TableName) -> bool {
        self.filter.passes(&name.database, &name.table)
    }

    /// Takes a statement in.
    pub fn pass(&mut self, meaning: &Meaning) -> Passed {
        let mut passed = Passed::default();
        if !self.follows {
            return passed;
        }
        match meaning {
            Meaning::Nothing => {}
            Meaning::Changes(changes) => changes.iter().for_each(|change| self.apply(change, &mut passed)),
            Meaning::Unknown(_) => {
                let named: Vec<TableName> =
                    self.catalog.tables().map(TableDef::name).filter(|name| meaning.touches(name)).collect();
                for name in named {
                    self.forget(&name);
                    self.ask(name.clone(), name, None, &mut passed);
                }
            }
        }
        passed
    }

    fn apply(&mut self, change: &Change, passed: &mut Passed) {
        let filter = &self.filter;
        let applied = self.catalog.apply(change, &|name| filter.passes(&name.database, &name.table));
        match (applied, change) {
            // Whether it was there is not known: the server ran the statement, so most likely it was.
            (Applied::Nothing, Change::DropTable { name }) if self.uncertain.remove(name) => {
                passed.outcomes.push(Outcome::Event(Event::TableDrop { name: name.clone() }));
            }
            (Applied::Nothing, Change::Obscure(name)) => {
                self.ask(name.clone(), name.clone(), None, passed);
            }
            (Applied::Nothing, _) => {}
            (Applied::Event(event), _) => {
                if let Event::TableCreate { def } | Event::TableAlter { def, .. } = &event {
                    self.uncertain.remove(&def.name());
                }
                passed.outcomes.push(Outcome::Event(event));
            }
            (Applied::Unclear { before, name, created }, _) => {
                self.uncertain.remove(&before);
                let told = if created { Told::Created } else { Told::Changed };
                self.ask(before, name, Some(told), passed);
            }
        }
    }

    fn ask(&self, before: TableName, name: TableName, told: Option<Told>, passed: &mut Passed) {
        if self.passes(&name) {
            passed.outcomes.push(Outcome::Capture { before, name, told });
        }
    }
}

/// The error of a table whose definition cannot be known.
pub fn uncertain(name: &TableName, position: &Position, why: String) -> EngineError {
    SourceError::SchemaUncertain {
        table: format!("{}.{}", name.database, name.table),
        place: format!("{}:{}", position.file, position.offset),
        why,
    }
    .into()
}
