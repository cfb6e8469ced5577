//! Which tables pass, and how their rows read: one entry per table id, made anew when its TABLE_MAP changes.

use std::collections::HashMap;
use std::sync::Arc;

use maxwell_protocol::position::Position;
use mysql_common::binlog::events::{Event, TableMapEvent};
use tokio::runtime::Handle;

use super::error::EngineError;
use super::follow::{Follower, Outcome, Told, uncertain};
use crate::binlog::BinlogError;
use crate::binlog::event::table_id;
use crate::binlog::table::{Table, from_catalog, from_full, is_self_describing};
use crate::encode::message::{Style, TableEncoder};
use crate::filter::TableFilter;
use crate::schema::ddl::{Event as SchemaEvent, TableDef, TableName, parse};
use crate::sink::CatalogEntry;
use crate::source::connect::connect;
use crate::source::scan::SideDump;
use crate::source::{SourceError, capture};

/// More table ids than this are not kept.
const MOST: usize = 16_384;

struct Entry {
    map: Vec<u8>,
    name: TableName,
    /// `None` when the filter drops the table.
    encoder: Option<Arc<TableEncoder>>,
}

/// The tables that the dump has shown so far.
pub struct Tables {
    entries: HashMap<u64, Entry>,
    filter: TableFilter,
    style: Style,
    side: SideDump,
    follower: Follower,
    runtime: Handle,
}

/// What the server says a table is now.
struct Captured {
    def: Option<TableDef>,
    /// The first statement after our place that may have changed it since.
    later: Option<String>,
}

impl Tables {
    /// Has met no table yet. `runtime` is where side connections are driven.
    pub fn new(
        filter: TableFilter,
        style: Style,
        side: SideDump,
        follower: Follower,
        runtime: Handle,
    ) -> Self {
        Self { entries: HashMap::new(), filter, style, side, follower, runtime }
    }

    /// Takes a TABLE_MAP in. `position` is the start of the transaction that it is in.
    pub fn map(&mut self, event: &Event, position: &dyn Fn() -> Position) -> Result<(), EngineError> {
        let id = table_id(event.data()).map_err(SourceError::from)?;
        if self.entries.get(&id).is_some_and(|entry| entry.map == event.data()) {
            return Ok(());
        }
        let map: TableMapEvent<'_> =
            event.read_event().map_err(|_| SourceError::from(BinlogError::Damaged("TABLE_MAP")))?;
        let name =
            TableName { database: map.database_name().into_owned(), table: map.table_name().into_owned() };
        let encoder = if self.filter.passes(&name.database, &name.table) {
            let table = self.describe(&map, &name, position)?;
            Some(Arc::new(TableEncoder::new(table, &self.style)))
        } else {
            None
        };
        self.entries.insert(id, Entry { map: event.data().to_vec(), name, encoder });
        Ok(())
    }

    /// The table of a rows event; `None` if the filter drops it.
    pub fn of(&self, event: &Event) -> Result<Option<Arc<TableEncoder>>, EngineError> {
        let id = table_id(event.data()).map_err(SourceError::from)?;
        match self.entries.get(&id) {
            Some(entry) => Ok(entry.encoder.clone()),
            None => Err(SourceError::from(BinlogError::UnknownTable(id)).into()),
        }
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
        before: &TableName,
        name: &TableName,
        told: Option<Told>,
        position: &Position,
    ) -> Result<Option<SchemaEvent>, EngineError> {
        let Captured { def, later } = self.capture(name, position)?;
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
        let TableName { database, table } = before.clone();
        Ok(told.map(|told| match told {
            Told::Created => SchemaEvent::TableCreate { def },
            Told::Changed => {
                SchemaEvent::TableAlter { old: TableDef { database, table, ..def.clone() }, def }
            }
        }))
    }

    fn capture(&self, name: &TableName, position: &Position) -> Result<Captured, EngineError> {
        Ok(self.runtime.block_on(async {
            let mut conn = connect(&self.side.settings).await?;
            let found =
                capture::tables(&mut conn, self.side.server.mariadb, std::slice::from_ref(name)).await?;
            // What the table is now holds for our place only if nothing changed it in between.
            let later = self.side.statement_on(position, name, self.follower.flavour()).await?;
            Ok::<_, SourceError>(Captured { def: found.into_iter().next(), later })
        })?)
    }

    fn describe(
        &mut self,
        map: &TableMapEvent<'_>,
        name: &TableName,
        position: &dyn Fn() -> Position,
    ) -> Result<Table, EngineError> {
        let mariadb = self.side.server.mariadb;
        if is_self_describing(map) {
            let json = if mariadb { self.json_columns(name)? } else { Vec::new() };
            return Ok(from_full(map, &json).map_err(SourceError::from)?);
        }
        if let Some(followed) = self.follower.table(name) {
            if let Some(table) = from_catalog(map, &followed.described(mariadb)).map_err(SourceError::from)? {
                return Ok(table);
            }
            tracing::warn!(
                database = name.database,
                table = name.table,
                "the binlog contradicts what was followed"
            );
            self.follower.unlearn(name);
        }
        let position = position();
        let Captured { def, later } = self.capture(name, &position)?;
        if let Some(statement) = later {
            return Err(uncertain(name, &position, format!("a later statement changed it: {statement}")));
        }
        let def = def.ok_or_else(|| uncertain(name, &position, "it does not exist any more".into()))?;
        let table = from_catalog(map, &def.described(mariadb)).map_err(SourceError::from)?;
        if table.is_some() {
            self.follower.learn(def);
        }
        table.ok_or_else(|| uncertain(name, &position, "information_schema contradicts the binlog".into()))
    }

    /// MariaDB's TABLE_MAP does not tell JSON from other text.
    fn json_columns(&self, name: &TableName) -> Result<Vec<String>, EngineError> {
        if let Some(followed) = self.follower.table(name) {
            let json = followed.columns.iter().filter(|column| column.kind == "json");
            return Ok(json.map(|column| column.name.clone()).collect());
        }
        Ok(self.runtime.block_on(async {
            let mut conn = connect(&self.side.settings).await?;
            capture::json_columns(&mut conn, &name.database, &name.table).await
        })?)
    }
}
