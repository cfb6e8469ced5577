//! Followed tables on the position topic: beside a shard's position, on its partition, committed in the transaction that
//! passes the statement. Compaction keeps the last definition of each.

use serde::{Deserialize, Serialize};

use crate::id::{ClusterId, ShardId};

/// The key of a followed table's record. Its one field keeps it from being read as a position's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogKey {
    /// Which table.
    pub catalog: CatalogName,
}

/// Whose table it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogName {
    /// The cluster.
    pub cluster: ClusterId,
    /// The shard whose position the definition belongs to.
    pub shard: ShardId,
    /// The database.
    pub database: String,
    /// The table; empty for the database itself.
    pub table: String,
}

/// The value of a followed table's record; a table that is gone has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogRecord {
    /// The capture that following began with: records of another one than the position names are left over.
    pub capture: u64,
    /// The definition.
    pub definition: serde_json::Value,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::PositionKey;

    #[test]
    fn a_table_is_not_taken_for_a_position() {
        let (cluster, shard) = (ClusterId::random(), ShardId::from("0"));
        let (database, table) = (String::from("shop"), String::from("orders"));
        let key = CatalogKey { catalog: CatalogName { cluster, shard, database, table } };
        let text = serde_json::to_string(&key).unwrap();
        assert!(serde_json::from_str::<PositionKey>(&text).is_err());
        assert_eq!(serde_json::from_str::<CatalogKey>(&text).unwrap(), key);
    }
}
