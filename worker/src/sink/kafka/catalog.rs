//! Followed tables on the position topic.

use std::collections::BTreeMap;

use maxwell_protocol::catalog::{CatalogKey, CatalogName, CatalogRecord};
use maxwell_protocol::position::PositionKey;
use rdkafka::message::Message;

use super::super::{CatalogEntry, SinkError};
use super::positions::{Readers, all};

/// The key of an entry's record.
pub(super) fn key(owner: &PositionKey, entry: &CatalogEntry) -> CatalogKey {
    let CatalogEntry { database, table, .. } = entry.clone();
    let PositionKey { cluster, shard } = owner.clone();
    CatalogKey { catalog: CatalogName { cluster, shard, database, table } }
}

/// Every definition that `capture` began and later statements made of it. Blocking; reads the whole partition.
pub(super) fn read(
    readers: &Readers,
    topic: &str,
    partition: i32,
    owner: &PositionKey,
    capture: u64,
) -> Result<Vec<CatalogEntry>, SinkError> {
    let mut found: BTreeMap<(String, String), CatalogRecord> = BTreeMap::new();
    all(readers, topic, partition, &mut |message| {
        let key = message.key().and_then(|bytes| serde_json::from_slice::<CatalogKey>(bytes).ok());
        let Some(CatalogKey { catalog }) = key else { return };
        if catalog.cluster != owner.cluster || catalog.shard != owner.shard {
            return;
        }
        let name = (catalog.database, catalog.table);
        match message.payload().and_then(|value| serde_json::from_slice(value).ok()) {
            Some(record) => found.insert(name, record),
            None => found.remove(&name),
        };
    })?;
    let current = found.into_iter().filter(|(_, record)| record.capture == capture);
    Ok(current
        .map(|((database, table), record)| CatalogEntry { database, table, record: Some(record) })
        .collect())
}
