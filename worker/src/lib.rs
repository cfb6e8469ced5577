//! The worker: MySQL's binlog to Maxwell's JSON on Kafka.
pub mod app;
pub mod binlog;
pub mod bootstrap;
pub mod clock;
pub mod coordination;
pub mod credentials;
pub mod encode;
pub mod engine;
#[cfg(feature = "failpoints")]
mod failpoint;
pub mod filter;
pub mod http;
pub mod metrics;
pub mod mistake;
pub mod options;
pub mod schema;
pub mod shard;
#[cfg(feature = "simulation")]
pub mod simulation;
pub mod sink;
pub mod source;
pub mod telemetry;
pub mod vitals;
