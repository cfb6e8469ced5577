//! Where a shard is in the binlog: the record on the position topic, which commits with the data, and its mirror in
//! ZooKeeper, which is never the source of truth while the topic has a record.

use serde::{Deserialize, Serialize};

use crate::bootstrap::{BootstrapState, CopyProgress};
use crate::gtid::GtidSet;
use crate::id::{ClusterId, Epoch, ShardId};

/// A place in the binlog from which reading can resume.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// The server that `file` and `offset` belong to: MySQL's `@@server_uuid`; for MariaDB, which has none,
    /// `mariadb-<server id>`.
    pub server: String,
    /// Every transaction before this place; empty when the server has no GTIDs.
    #[serde(default)]
    pub gtid_set: String,
    /// Binlog file.
    pub file: String,
    /// Offset of the current transaction's first event; between transactions, of the next one.
    pub offset: u64,
    /// The place inside that transaction; `None` at its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<Inside>,
    /// XA transactions that were prepared before this place and not ended, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepared: Vec<Prepared>,
}

impl Position {
    /// Whether whoever goes on from here instead of from `other` leaves nothing out: by what was executed, else by file
    /// and offset of one server. False where that is not known.
    pub fn comes_before(&self, other: &Self) -> bool {
        let sets = (self.gtid_set.parse::<GtidSet>(), other.gtid_set.parse::<GtidSet>());
        if let (Ok(ours), Ok(theirs)) = sets
            && !ours.is_empty()
            && !theirs.is_empty()
        {
            return theirs.contains(&ours);
        }
        // Numbers of binlog files may grow by a digit.
        let place = |at: &Self| (at.file.len(), at.file.clone(), at.offset);
        self.server == other.server && !self.file.is_empty() && place(self) <= place(other)
    }
}

/// A prepared XA transaction: its rows stand where it was prepared, and are shown when it commits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prepared {
    /// Its name as statements write it: `x'<gtrid>',x'<bqual>',<format>`.
    pub name: String,
    /// The server that `file` and `offset` belong to.
    pub server: String,
    /// Binlog file.
    pub file: String,
    /// Offset of its first event.
    pub offset: u64,
    /// Its GTID; empty when the server has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub gtid: String,
    /// MariaDB: every transaction before it, which another server needs to find it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub gtid_set: String,
}

/// A place inside a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inside {
    /// Index of the rows event, from 0; every rows event counts, filtered ones too.
    pub event: u64,
    /// Index of the next row in that event.
    pub row: u64,
    /// Digest of every row passed: reading again must meet the same bytes.
    pub digest: u64,
    /// The transaction's xid; `None` when it ends with a COMMIT statement.
    pub xid: Option<u64>,
    /// The next row's `xoffset`: rows emitted so far.
    pub xoffset: u64,
    /// The filter that the transaction was begun under, which it is finished under whatever the settings have become;
    /// none in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
}

/// The key of a shard's record on the position topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionKey {
    /// The cluster that the record belongs to.
    pub cluster: ClusterId,
    /// The shard.
    pub shard: ShardId,
}

/// The value of a shard's record on the position topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PositionRecord {
    /// Everything before this place is in Kafka.
    pub position: Position,
    /// The writer's epoch: its predecessor's last record's plus one.
    pub epoch: Epoch,
    /// Grows by one with every record of the shard.
    pub sequence: u64,
    /// The layout that gave the shard its rows.
    pub generation: u64,
    /// The version of the live settings in force.
    pub settings_version: u64,
    /// Commit time of the last transaction passed, milliseconds since the epoch, on the source's clock.
    pub source_time: i64,
    /// The capture that the followed tables beside this record began with; `None` if no table is followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<u64>,
    /// Copies of tables, as far as they are in Kafka.
    #[serde(default, skip_serializing_if = "BootstrapState::is_empty")]
    pub bootstrap: BootstrapState,
    /// Strategy Time: the latest window that a transaction before this place is in; `None` before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u64>,
    /// The request whose rewind was carried out last, so that nobody does it once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewind: Option<String>,
    /// What has to happen before anything of the shard may follow this record; `None`: it may at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Seal>,
}

/// Why a shard ends at a record, for the time being or for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Seal {
    /// The layout changes: what follows is of the shards of another one.
    Layout {
        /// Its generation.
        generation: u64,
    },
    /// Strategy Time: another shard's turn comes first.
    Window {
        /// The window that the transaction behind this place is in.
        next: u64,
    },
}

/// `cluster/position/<shard>`: what the CLI, the operator and the console read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PositionMirror {
    /// Binlog file.
    pub binlog_file: String,
    /// Offset in it.
    pub binlog_position: u64,
    /// Executed GTIDs; empty when the server has none.
    pub gtid_set: String,
    /// The server that file and offset belong to.
    pub server_id: String,
    /// Source commit time of the last transaction passed, milliseconds since the epoch.
    pub timestamp: i64,
    /// The owner's epoch; a mirror of an older epoch is never written over a newer one.
    pub epoch: Epoch,
    /// The record's sequence number.
    pub sequence: u64,
    /// The layout that the shard is part of: the numbers above are counted anew where another one gave it another
    /// partition.
    #[serde(default = "first")]
    pub generation: u64,
    /// Copies of tables; of many the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<CopyProgress>,
}

/// The generation that mirrors of before there were others belong to.
fn first() -> u64 {
    1
}

impl From<&PositionRecord> for PositionMirror {
    fn from(record: &PositionRecord) -> Self {
        Self {
            binlog_file: record.position.file.clone(),
            binlog_position: record.position.offset,
            gtid_set: record.position.gtid_set.clone(),
            server_id: record.position.server.clone(),
            timestamp: record.source_time,
            epoch: record.epoch,
            sequence: record.sequence,
            generation: record.generation,
            copies: record.bootstrap.progress(),
        }
    }
}

impl PositionMirror {
    /// Whether it may not be replaced by `other`, which an owner from before has written.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        (self.generation, self.epoch) > (other.generation, other.epoch)
    }

    /// The place that it tells of, as far as it does.
    pub fn place(&self) -> Position {
        Position {
            server: self.server_id.clone(),
            gtid_set: self.gtid_set.clone(),
            file: self.binlog_file.clone(),
            offset: self.binlog_position,
            ..Position::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(server: &str, gtid_set: &str, file: &str, offset: u64) -> Position {
        Position {
            server: server.into(),
            gtid_set: gtid_set.into(),
            file: file.into(),
            offset,
            ..Position::default()
        }
    }

    #[test]
    fn only_what_is_known_to_come_before_counts() {
        let set = |last: u64| format!("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-{last}");
        assert!(at("a", &set(5), "", 4).comes_before(&at("b", &set(9), "x.000001", 4)));
        assert!(!at("a", &set(9), "", 4).comes_before(&at("a", &set(5), "", 4)));
        assert!(at("a", "", "x.999999", 9).comes_before(&at("a", "", "x.1000000", 4)));
        assert!(!at("a", "", "x.000002", 9).comes_before(&at("a", "", "x.000002", 4)));
        assert!(!at("a", "", "x.000001", 4).comes_before(&at("b", "", "x.000002", 4)));
        assert!(!at("a", "", "", 4).comes_before(&at("a", "", "x.000002", 4)));
    }
}
