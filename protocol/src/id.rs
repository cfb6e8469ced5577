//! Names that must not be confused with one another.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

text_id!(
    /// A worker's stable name: the pod's name in Kubernetes, `--member_id` elsewhere.
    MemberId
);
text_id!(
    /// A shard's name: its number, or the database it bears the name of.
    ShardId
);

/// The only shard of an `ActiveStandby` cluster.
pub const SINGLE_SHARD: &str = "0";

/// A cluster's random identity, made once. Part of the transactional id, of the replica UUID and of every position
/// record's key, so that a resource made again is never taken for its predecessor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClusterId(pub Uuid);

impl ClusterId {
    /// A new random identity.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The Kafka transactional id of a shard's writer. Stable: it never names a pod, so that a successor fences its
    /// predecessor.
    pub fn transactional_id(&self, shard: &ShardId) -> String {
        format!("maxwell.{}.{shard}", self.0.simple())
    }

    /// The replica UUID that a shard's binlog dump shows to MySQL, which ends an older dump with the same UUID.
    pub fn replica_uuid(&self, shard: &ShardId) -> Uuid {
        Uuid::new_v5(&self.0, shard.0.as_bytes())
    }

    /// The server id of a shard's dump: `base + number` when a base is given, else derived from the replica UUID
    /// and kept in 2^30 .. 2^31, away from what people assign by hand.
    pub fn server_id(&self, shard: &ShardId, base: u32, number: u32) -> u32 {
        if base > 0 {
            return base.wrapping_add(number);
        }
        let bytes = self.replica_uuid(shard).into_bytes();
        (u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) & 0x3fff_ffff) | 0x4000_0000
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One life of a worker's session: new at every process start and after every expired session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub Uuid);

impl Incarnation {
    /// A new random incarnation.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// A fencing number. A shard's is its last committed record's plus one; the leader's is separate and fences
/// assignments only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_of_a_shard_are_stable_and_differ_between_clusters() {
        let cluster = ClusterId(Uuid::from_u128(7));
        let shard = ShardId::from("0");
        assert_eq!(cluster.replica_uuid(&shard), cluster.replica_uuid(&shard));
        assert_ne!(cluster.replica_uuid(&shard), ClusterId(Uuid::from_u128(8)).replica_uuid(&shard));
        assert_ne!(cluster.server_id(&shard, 0, 0), cluster.server_id(&ShardId::from("1"), 0, 1));
        assert_eq!(cluster.server_id(&shard, 7000, 3), 7003);
        assert!(cluster.transactional_id(&shard).ends_with(".0"));
    }
}
