//! Which tables pass, and how their rows read: one entry per table id, made anew when its TABLE_MAP changes.

use std::collections::HashMap;
use std::sync::Arc;

use maxwell_protocol::position::Position;
use mysql_common::binlog::events::{Event, TableMapEvent};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::error::EngineError;
use crate::binlog::BinlogError;
use crate::binlog::event::table_id;
use crate::binlog::table::{Table, from_catalog, from_full, is_self_describing};
use crate::bootstrap::window::TableName;
use crate::encode::message::TableEncoder;
use crate::encode::style::Style;
use crate::filter::{TableFilter, Verdict};
use crate::schema::catalog::CatalogTable;
use crate::source::connect::connect;
use crate::source::scan::SideDump;
use crate::source::{SourceError, capture};

/// More table ids than this are not kept.
const MOST: usize = 16_384;

struct Entry {
    map: Vec<u8>,
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
    runtime: Handle,
    /// Passes whatever the filter says.
    always: Option<TableName>,
}

impl Tables {
    /// Knows nothing yet. `filters` is the filter as it is now and becomes, `runtime` where side connections are driven.
    pub fn new(
        mut filters: watch::Receiver<TableFilter>,
        style: Style,
        side: SideDump,
        runtime: Handle,
    ) -> Self {
        let filter = filters.borrow_and_update().clone();
        Self { entries: HashMap::new(), filter, filters, style, side, runtime, always: None }
    }

    /// Lets a table pass whatever the filter says.
    pub fn always(self, table: TableName) -> Self {
        Self { always: Some(table), ..self }
    }

    fn is_always_passing(&self, database: &str, table: &str) -> bool {
        self.always.as_ref().is_some_and(|(d, t)| d == database && t == table)
    }

    /// Takes a TABLE_MAP in. `position` is the start of the transaction that it is in.
    pub fn map(&mut self, event: &Event, position: &dyn Fn() -> Position) -> Result<(), EngineError> {
        let id = table_id(event.data()).map_err(SourceError::from)?;
        if self.entries.get(&id).is_some_and(|entry| entry.map == event.data()) {
            return Ok(());
        }
        let map: TableMapEvent<'_> =
            event.read_event().map_err(|_| SourceError::from(BinlogError::Damaged("TABLE_MAP")))?;
        let (database, name) = (map.database_name(), map.table_name());
        let encoder = if self.is_always_passing(&database, &name) || self.filter.may_pass(&database, &name) {
            let table = self.describe(&map, &database, &name, position)?;
            self.encoder(table).map(Arc::new)
        } else {
            None
        };
        self.entries.insert(id, Entry { map: event.data().to_vec(), encoder });
        Ok(())
    }

    fn encoder(&self, table: Table) -> Option<TableEncoder> {
        if self.is_always_passing(&table.database, &table.name) {
            return Some(TableEncoder::new(table, &self.style));
        }
        let columns = table.columns.iter().map(|column| column.name.as_str());
        let rows = match self.filter.verdict(&table.database, &table.name, columns) {
            Verdict::Drop => return None,
            Verdict::Pass => None,
            Verdict::Ask(rows) => Some(rows),
        };
        Some(TableEncoder::new(table, &self.style).with_filter(rows))
    }

    /// Between two transactions: from here on the filter holds that was set last.
    pub fn refresh(&mut self) {
        if self.filters.has_changed().unwrap_or(false) {
            self.filter = self.filters.borrow_and_update().clone();
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

    /// A statement passed that may have changed any table.
    pub fn forget(&mut self) {
        self.entries.clear();
    }

    fn describe(
        &self,
        map: &TableMapEvent<'_>,
        database: &str,
        name: &str,
        position: &dyn Fn() -> Position,
    ) -> Result<Table, EngineError> {
        let mariadb = self.side.server.mariadb;
        if is_self_describing(map, mariadb || self.side.server.version >= (8, 0, 29)) {
            let catalog = if mariadb { self.beyond_full(database, name)? } else { None };
            return Ok(from_full(map, mariadb, catalog.as_ref()).map_err(SourceError::from)?);
        }
        let position = position();
        let uncertain = |why: &str| SourceError::SchemaUncertain {
            table: format!("{database}.{name}"),
            place: format!("{}:{}", position.file, position.offset),
            why: why.to_owned(),
        };
        let captured = self.runtime.block_on(async {
            let mut conn = connect(&self.side.settings).await?;
            let table = capture::table(&mut conn, mariadb, database, name).await?;
            // What the table is now holds for our place only if nothing changed it in between.
            Ok::<_, SourceError>((table, self.side.statement_on(&position, name).await?))
        })?;
        match captured {
            (_, Some(statement)) => {
                Err(uncertain(&format!("a later statement changed it: {statement}")).into())
            }
            (None, None) => Err(uncertain("it does not exist any more").into()),
            (Some(catalog), None) => match from_catalog(map, &catalog).map_err(SourceError::from)? {
                Some(table) => Ok(table),
                None => Err(uncertain("information_schema contradicts the binlog").into()),
            },
        }
    }

    /// What MariaDB's full metadata do not say; `None` for a table that does not exist any more.
    fn beyond_full(&self, database: &str, name: &str) -> Result<Option<CatalogTable>, EngineError> {
        Ok(self.runtime.block_on(async {
            let mut conn = connect(&self.side.settings).await?;
            capture::table(&mut conn, true, database, name).await
        })?)
    }
}
