//! Runs a shard: takes the sink over, opens the binlog, moves rows from one to the other until told to stop.
//!
//! ```text
//! source::dump ─batches▶ pump (thread): binlog::Assembler + encode ─chunks▶ committer (thread): sink::Writer
//!   (async, reads)           tables: filter, catalog                          window: when to close
//! ```
//! Both queues are bounded: a slow sink stops the reading of the binlog socket, and nothing grows.

pub(crate) mod beginning;
pub mod bootstrap;
pub mod changes;
pub mod committer;
pub mod delay;
pub mod error;
pub mod follow;
mod pipeline;
mod prepare;
pub mod pump;
mod replay;
mod retained;
mod rewind;
mod rows;
pub mod run;
pub(crate) mod runs;
mod sources;
pub mod status;
pub mod tables;
pub mod tuning;
mod turns;
pub mod until;
pub(crate) mod watcher;
pub mod window;
