//! The worker's own coordination, take-over and reactions in virtual time, over random schedules of crashes, pauses,
//! partitions, lost answers, expired sessions and messages that overtake each other.
//!
//! `world` is chance and links, `process` what is killed and frozen, `ensemble`, `tree` and `client` are ZooKeeper,
//! `wire` is the network between members, `log` and `sink` are Kafka, `source` is MySQL, `host` runs shards, `cluster`
//! puts them together, `faults` is what goes wrong, `schedule` one schedule of it. The invariants are checked where they
//! would break: `log` sees what a consumer sees, `ensemble` and `sink` see who acts without the right to.

mod client;
mod cluster;
mod ensemble;
mod faults;
mod host;
mod log;
mod process;
pub mod report;
mod schedule;
mod sink;
mod source;
mod tree;
mod wire;
mod world;
