//! What crosses a process border: identifiers, positions, the ZooKeeper tree with its payloads, the worker's
//! settings, Maxwell's option names and the filter language. No I/O, except [`reader`] behind a feature.
//!
//! ```text
//! <root>                                 default /maxwell/<namespace>/<name>; /maxwell outside Kubernetes
//! ├── cluster
//! │   ├── id                 persistent  first worker        ClusterId, also in every position record
//! │   ├── leader             ephemeral   the leader          LeaderRecord
//! │   ├── members/<id>       ephemeral   each worker         MemberRecord, every heartbeat interval
//! │   ├── roster/<id>        persistent  first join          RosterRecord
//! │   ├── config             persistent  operator or CLI     LiveSettings
//! │   ├── position           persistent  the leader          PositionMirror, the oldest shard's
//! │   ├── position/<shard>   persistent  the shard's owner   PositionMirror, fenced by epoch
//! │   ├── requests/<id>      persistent  operator or CLI     Request
//! │   ├── history            persistent  the leader          History
//! │   └── layout             persistent  the leader, owners  Layout
//! ├── shards/<shard>         persistent  the leader          Assignment
//! └── locks
//!     ├── leader-election/*  sequential, ephemeral           LockRecord
//!     └── shards/<shard>/*   sequential, ephemeral           LockRecord
//! ```
//! [`tree::Tree`] is the only place that spells a path.

#[cfg(feature = "reader")]
mod asking;
pub mod assignment;
pub mod bootstrap;
pub mod catalog;
pub mod filter;
pub mod gtid;
pub mod history;
pub mod id;
pub mod layout;
pub mod live;
pub mod member;
pub mod options;
pub mod position;
#[cfg(feature = "reader")]
pub mod reader;
pub mod request;
pub mod settings;
pub mod snapshot;
pub mod tree;
