//! The worker.
pub mod coordination;
