//! Checks of the whole: real servers, real worker processes, a `read_committed` consumer, and what it saw held
//! against what was written. Uses public interfaces only.

mod ask;
pub mod bench;
pub mod bootstrap;
pub mod chaos;
mod cli;
pub mod clock;
pub mod consumer;
pub mod corpus;
pub mod ddl;
pub mod filtered;
pub mod history;
pub mod input;
pub mod kubernetes;
pub mod lab;
pub mod large;
mod output;
mod positions;
pub mod rest;
pub mod rewind;
pub mod schema;
pub mod session;
pub mod settings;
pub mod sharded;
pub mod switchover;
pub mod topic;
pub mod types;
pub mod worker;
pub mod writer;
