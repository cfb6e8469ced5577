//! Followed tables on the position topic.

use std::collections::BTreeMap;

use maxwell_protocol::catalog::{CatalogKey, CatalogName, CatalogRecord};
use maxwell_protocol::position::PositionKey;
use rdkafka::Timestamp;
use rdkafka::message::{BorrowedMessage, Message};

use super::super::{CatalogEntry, SinkError};
use super::positions::{self, Readers, Until, record};
use super::steps::Found;

/// So many offsets are read in one go.
const SHORT: i64 = 4096;

/// Where a shard's records stand, and who reads them.
#[derive(Clone, Copy)]
pub(super) struct Log<'a> {
    pub(super) readers: &'a Readers,
    /// The position topic.
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    /// The shard, by its position's key.
    pub(super) owner: &'a PositionKey,
}

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
    pub(super) fn read_on(&mut self, log: &Log<'_>, until: Until) -> Result<(), SinkError> {
        self.read(log, until, &mut |_| ())
    }

    /// The owner's last position before `to`, if it is met on the way there from where this one stopped reading, and the way
    /// is short: the same records need not be read twice then. Blocking.
    pub(super) fn last_position(&mut self, log: &Log<'_>, to: i64) -> Result<Option<Found>, SinkError> {
        if to - self.next > SHORT {
            return Ok(None);
        }
        let mut last: Option<(Vec<u8>, Timestamp)> = None;
        self.read(log, Until::Offset(to), &mut |message| {
            let key = message.key().and_then(|bytes| serde_json::from_slice::<PositionKey>(bytes).ok());
            if let Some(value) = message.payload().filter(|_| key.as_ref() == Some(log.owner)) {
                last = Some((value.to_vec(), message.timestamp()));
            }
        })?;
        last.map(|(value, produced)| record((log.topic, log.partition), &value, produced)).transpose()
    }

    /// Takes in what came since, and hands what else was met to `other`.
    fn read(
        &mut self,
        log: &Log<'_>,
        until: Until,
        other: &mut dyn FnMut(&BorrowedMessage<'_>),
    ) -> Result<(), SinkError> {
        let Self { next, records } = self;
        let Log { readers, topic, partition, owner } = *log;
        *next = positions::read_on(readers, topic, partition, (*next, until), &mut |message| {
            let key = message.key().and_then(|bytes| serde_json::from_slice::<CatalogKey>(bytes).ok());
            let Some(CatalogKey { catalog }) = key else { return other(message) };
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
        let parsed = |value: &Vec<u8>| serde_json::from_slice::<CatalogRecord>(value).ok();
        let current = |((database, table), value): (&(String, String), &Vec<u8>)| {
            let record = parsed(value).filter(|record| record.capture == capture)?;
            Some(CatalogEntry { database: database.clone(), table: table.clone(), record: Some(record) })
        };
        self.records.iter().filter_map(current).collect()
    }
}
