//! Followed tables on the position topic.

use std::collections::BTreeMap;

use maxwell_protocol::catalog::{CatalogKey, CatalogName, CatalogRecord};
use maxwell_protocol::position::PositionKey;
use rdkafka::message::Message;

use super::super::{CatalogEntry, SinkError};
use super::positions::{self, Readers};
use super::steps::End;

/// The key of an entry's record.
pub(super) fn key(owner: &PositionKey, entry: &CatalogEntry) -> CatalogKey {
    let CatalogEntry { database, table, .. } = entry.clone();
    let PositionKey { cluster, shard } = owner.clone();
    CatalogKey { catalog: CatalogName { cluster, shard, database, table } }
}

/// The followed tables of a shard as far as its partition has been read. A standby reads on now and then, so that a
/// take-over does not begin with the partition's beginning.
#[derive(Debug, Default)]
pub(super) struct Followed {
    next: i64,
    /// Database and table to the record's value, which is taken apart only when it is needed.
    records: BTreeMap<(String, String), Vec<u8>>,
}

impl Followed {
    /// Takes in what came since. Blocking.
    pub(super) fn read_on(
        &mut self,
        readers: &Readers,
        topic: &str,
        (partition, owner): (i32, &PositionKey),
        end: End,
    ) -> Result<(), SinkError> {
        let Self { next, records } = self;
        *next = positions::read_on(readers, topic, partition, (*next, end), &mut |message| {
            let key = message.key().and_then(|bytes| serde_json::from_slice::<CatalogKey>(bytes).ok());
            let Some(CatalogKey { catalog }) = key else { return };
            if catalog.cluster != owner.cluster || catalog.shard != owner.shard {
                return;
            }
            let name = (catalog.database, catalog.table);
            match message.payload() {
                Some(record) => records.insert(name, record.to_vec()),
                None => records.remove(&name),
            };
        })?;
        Ok(())
    }

    /// Every definition that `capture` began and later statements made of it.
    pub(super) fn of(&self, capture: u64) -> Vec<CatalogEntry> {
        let record = |value: &Vec<u8>| serde_json::from_slice::<CatalogRecord>(value).ok();
        let current = |((database, table), value): (&(String, String), &Vec<u8>)| {
            let record = record(value).filter(|record| record.capture == capture)?;
            Some(CatalogEntry { database: database.clone(), table: table.clone(), record: Some(record) })
        };
        self.records.iter().filter_map(current).collect()
    }
}
