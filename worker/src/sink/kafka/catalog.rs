//! Followed tables on the position topic.

use std::collections::BTreeMap;

use maxwell_protocol::catalog::{CatalogKey, CatalogName, CatalogRecord};
use maxwell_protocol::position::PositionKey;
use rdkafka::Timestamp;
use rdkafka::message::Message;

use super::super::{CatalogEntry, SinkError};
use super::positions::{self, Readers, Until, record};
use super::steps::Found;

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
    /// Takes in what came since, and gives the owner's last position if one did. Blocking.
    pub(super) fn read_on(
        &mut self,
        readers: &Readers,
        topic: &str,
        (partition, owner): (i32, &PositionKey),
        until: Until,
    ) -> Result<Option<Found>, SinkError> {
        let Self { next, records } = self;
        let mut last: Option<(Vec<u8>, Timestamp)> = None;
        *next = positions::read_on(readers, topic, partition, (*next, until), &mut |message| {
            let Some(key) = message.key() else { return };
            if let Ok(CatalogKey { catalog }) = serde_json::from_slice::<CatalogKey>(key) {
                if catalog.cluster != owner.cluster || catalog.shard != owner.shard {
                    return;
                }
                let name = (catalog.database, catalog.table);
                match message.payload() {
                    Some(record) => records.insert(name, record.to_vec()),
                    None => records.remove(&name),
                };
            } else if serde_json::from_slice::<PositionKey>(key).is_ok_and(|key| key == *owner) {
                last = message.payload().map(|value| (value.to_vec(), message.timestamp()));
            }
        })?;
        last.map(|(value, produced)| record((topic, partition), &value, produced)).transpose()
    }

    /// Every definition that `capture` began and later statements made of it.
    pub(super) fn of(&self, capture: u64) -> Vec<CatalogEntry> {
        let parsed = |value: &Vec<u8>| serde_json::from_slice::<CatalogRecord>(value).ok();
        let current = |((database, table), value): (&(String, String), &Vec<u8>)| {
            let record = parsed(value).filter(|record| record.capture == capture)?;
            Some(CatalogEntry { database: database.clone(), table: table.clone(), record: Some(record) })
        };
        self.records.iter().filter_map(current).collect()
    }
}
