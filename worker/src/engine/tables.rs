//! Which tables pass, and how their rows read: one entry per table id, made anew when its TABLE_MAP changes.

use std::collections::HashMap;
use std::sync::Arc;

use maxwell_protocol::position::Position;
use mysql_common::binlog::events::{Event, TableMapEvent};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::error::EngineError;
use super::follow::{Follower, Outcome, Told, uncertain};
use crate::binlog::BinlogError;
use crate::binlog::event::table_id;
use crate::binlog::table::{Table, from_catalog, from_full, is_self_describing};
use crate::encode::message::TableEncoder;
use crate::encode::style::Style;
use crate::filter::{FilterError, TableFilter, Verdict};
use crate::schema::catalog::CatalogTable;
use crate::schema::ddl::{self, Event as SchemaEvent, TableDef, parse};
use crate::shard::{Divider, Held};
use crate::sink::CatalogEntry;
use crate::source::connect::connect;
use crate::source::scan::SideDump;
use crate::source::{SourceError, capture, definitions};

/// More table ids than this are not kept.
const MOST: usize = 16_384;

struct Entry {
    map: Vec<u8>,
    name: ddl::TableName,
    /// `None` when the filter drops the table.
    encoder: Option<Arc<TableEncoder>>,
}

/// The tables that the dump has shown so far.
pub struct Tables {
    entries: HashMap<u64, Entry>,
    filter: TableFilter,
    filters: watch::Receiver<TableFilter>,
    style: Style,
    side: SideDump,
    follower: Follower,
    runtime: Handle,
    /// Which rows are this shard's.
    divider: Divider,
}

/// What the server says a table is now.
struct Captured {
    def: Option<TableDef>,
    /// The same with what decoding needs beyond.
    catalog: Option<CatalogTable>,
    /// The first statement after our place that may have changed it since.
    later: Option<String>,
}

impl Tables {
    /// Knows nothing yet. `filters` is the filter as it is now and becomes, `runtime` where side connections are driven.
    pub fn new(
        mut filters: watch::Receiver<TableFilter>,
        style: Style,
        side: SideDump,
        follower: Follower,
        runtime: Handle,
        divider: Divider,
    ) -> Self {
        let filter = filters.borrow_and_update().clone();
        Self { entries: HashMap::new(), filter, filters, style, side, follower, runtime, divider }
    }

    /// Takes a TABLE_MAP in. `position` is the start of the transaction that it is in.
    pub fn map(&mut self, event: &Event, position: &dyn Fn() -> Position) -> Result<(), EngineError> {
        let id = table_id(event.data()).map_err(SourceError::from)?;
        if self.entries.get(&id).is_some_and(|entry| entry.map == event.data()) {
            return Ok(());
        }
        let map: TableMapEvent<'_> =
            event.read_event().map_err(|_| SourceError::from(BinlogError::Damaged("TABLE_MAP")))?;
        let name = ddl::TableName {
            database: map.database_name().into_owned(),
            table: map.table_name().into_owned(),
        };
        // Rows of other shards are skipped without a look.
        let passes = self.filter.may_pass(&name.database, &name.table);
        let encoder = if passes && self.divider.table(&name.database, &name.table) != Held::Not {
            let table = self.describe(&map, &name, position)?;
            self.encoder(table).map(Arc::new)
        } else {
            None
        };
        self.entries.insert(id, Entry { map: event.data().to_vec(), name, encoder });
        Ok(())
    }

    fn encoder(&self, table: Table) -> Option<TableEncoder> {
        let share = match self.divider.table(&table.database, &table.name) {
            Held::Whole => None,
            Held::ByKey if table.primary_key.is_empty() => {
                if !self.divider.holds_by_name(&table.database, &table.name) {
                    return None;
                }
                None
            }
            Held::ByKey => Some(self.divider.keys()),
            Held::Not => return None,
        };
        let columns = table.columns.iter().map(|column| column.name.as_str());
        let rows = match self.filter.verdict(&table.database, &table.name, columns) {
            Verdict::Drop => return None,
            Verdict::Pass => None,
            Verdict::Ask(rows) => Some(rows),
        };
        Some(TableEncoder::new(table, &self.style).with_filter(rows).with_share(share))
    }

    /// Begins inside a transaction that was begun under `filter`.
    pub fn inside(mut self, filter: Option<&str>) -> Result<Self, FilterError> {
        if let Some(begun) = filter.filter(|begun| *begun != self.filter()) {
            tracing::info!(filter = begun, "the transaction that is under way is finished under its filter");
            self.filter = self.filter.replaced_by(begun)?;
            self.filters.mark_changed();
        }
        Ok(self)
    }

    /// The filter's text.
    pub fn filter(&self) -> String {
        self.filter.text().unwrap_or_default()
    }

    /// Between two transactions: from here on the filter holds that was set last.
    pub fn refresh(&mut self) {
        if self.filters.has_changed().unwrap_or(false) {
            self.filter = self.filters.borrow_and_update().clone();
            self.follower.refilter(self.filter.clone());
            self.entries.clear();
        }
    }

    /// The table of a rows event; `None` if the filter drops it.
    pub fn of(&self, event: &Event) -> Result<Option<Arc<TableEncoder>>, EngineError> {
        let id = table_id(event.data()).map_err(SourceError::from)?;
        match self.entries.get(&id) {
            Some(entry) => Ok(entry.encoder.clone()),
            None => Err(SourceError::from(BinlogError::UnknownTable(id)).into()),
        }
    }

    /// Whether rows of a table pass the filter.
    pub fn passes(&self, database: &str, table: &str) -> bool {
        self.filter.passes(database, table)
    }

    /// Between two transactions: a server with many tables gives one that it opens again a new id, and never says that
    /// the old one is over.
    pub fn trim(&mut self) {
        if self.entries.len() > MOST {
            self.entries.clear();
        }
    }

    /// Followed tables that changed since this was asked before.
    pub fn changed(&mut self) -> Vec<CatalogEntry> {
        self.follower.changed()
    }

    /// Takes in a statement that ran in `database`, up to `position`; gives the changes that may be printed.
    pub fn statement(
        &mut self,
        database: &str,
        text: &str,
        position: &Position,
    ) -> Result<Vec<SchemaEvent>, EngineError> {
        let meaning = parse(text, database, self.follower.flavour());
        self.entries.retain(|_, entry| !meaning.touches(&entry.name));
        let mut events = Vec::new();
        for outcome in self.follower.pass(&meaning).outcomes {
            match outcome {
                Outcome::Event(event) => events.push(event),
                Outcome::Capture { before, name, told } => {
                    events.extend(self.capture_changed(&before, &name, told, position)?);
                }
            }
        }
        events.retain(|event| self.follower.prints(event));
        Ok(events)
    }

    /// A table whose shape does not follow from the statement.
    fn capture_changed(
        &mut self,
        before: &ddl::TableName,
        name: &ddl::TableName,
        told: Option<Told>,
        position: &Position,
    ) -> Result<Option<SchemaEvent>, EngineError> {
        let Captured { def, later, .. } = self.capture(name, position)?;
        let Some(def) = def else { return Ok(None) };
        match later {
            None => self.follower.learn(def.clone()),
            Some(statement) => tracing::warn!(
                database = name.database,
                table = name.table,
                statement,
                "the table has been changed again since: its change is told with the shape that it has now"
            ),
        }
        let ddl::TableName { database, table } = before.clone();
        Ok(told.map(|told| match told {
            Told::Created => SchemaEvent::TableCreate { def },
            Told::Changed => {
                SchemaEvent::TableAlter { old: TableDef { database, table, ..def.clone() }, def }
            }
        }))
    }

    fn capture(&self, name: &ddl::TableName, position: &Position) -> Result<Captured, EngineError> {
        let mariadb = self.side.server.mariadb;
        Ok(self.runtime.block_on(async {
            let mut conn = connect(&self.side.settings).await?;
            let found = definitions::tables(&mut conn, mariadb, std::slice::from_ref(name)).await?;
            let catalog = capture::table(&mut conn, mariadb, &name.database, &name.table).await?;
            // What the table is now holds for our place only if nothing changed it in between.
            let later = self.side.statement_on(position, name, self.follower.flavour()).await?;
            Ok::<_, SourceError>(Captured { def: found.into_iter().next(), catalog, later })
        })?)
    }

    fn describe(
        &mut self,
        map: &TableMapEvent<'_>,
        name: &ddl::TableName,
        position: &dyn Fn() -> Position,
    ) -> Result<Table, EngineError> {
        let mariadb = self.side.server.mariadb;
        if is_self_describing(map, mariadb || self.side.server.version >= (8, 0, 29)) {
            let catalog = if mariadb { self.beyond_full(name)? } else { None };
            return Ok(from_full(map, mariadb, catalog.as_ref()).map_err(SourceError::from)?);
        }
        if let Some(followed) = self.follower.table(name) {
            if let Some(table) = from_catalog(map, &followed.described(mariadb)).map_err(SourceError::from)? {
                return Ok(table);
            }
            self.follower.unlearn(name);
        }
        let position = position();
        let Captured { def, catalog, later } = self.capture(name, &position)?;
        if let Some(statement) = later {
            return Err(uncertain(name, &position, format!("a later statement changed it: {statement}")));
        }
        let catalog =
            catalog.ok_or_else(|| uncertain(name, &position, "it does not exist any more".into()))?;
        let table = from_catalog(map, &catalog).map_err(SourceError::from)?;
        let table = table
            .ok_or_else(|| uncertain(name, &position, "information_schema contradicts the binlog".into()))?;
        def.into_iter().for_each(|def| self.follower.learn(def));
        Ok(table)
    }

    /// What MariaDB's full metadata do not say; `None` for a table that does not exist any more.
    fn beyond_full(&self, name: &ddl::TableName) -> Result<Option<CatalogTable>, EngineError> {
        Ok(self.runtime.block_on(async {
            let mut conn = connect(&self.side.settings).await?;
            capture::table(&mut conn, true, &name.database, &name.table).await
        })?)
    }
}
