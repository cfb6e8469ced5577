//! Copies of whole tables beside the stream. Pure: no client, no clock, no task.
//!
//! `describe` tells a table's columns from `information_schema`, `plan` makes the statement of a chunk, `row` and
//! `json` turn values into the bytes that the binlog would hold, so that they print alike, `window` decides which
//! rows of a chunk the stream has overtaken, `piece` prepares records, `request` reads Maxwell's table `bootstrap`.
//!
//! ```text
//! open a window ─▶ read a chunk ─▶ note the binlog's end ─▶ the stream reaches it: the window closes,
//!      │                                                      what the stream touched meanwhile is left out,
//!      └── from here the keys that the stream touches are noted                    the rest leaves ─▶ cursor
//! ```

pub mod describe;
pub mod json;
pub mod piece;
pub mod plan;
pub mod request;
pub mod row;
pub mod window;

use thiserror::Error;

use crate::binlog::BinlogError;
use crate::encode::EncodeError;

/// Why a table cannot be copied.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BootstrapError {
    /// Nothing tells rows apart, and the table cannot be read as it is at one place of the stream.
    #[error(
        "{table} has no key, neither a primary nor a unique one that is NOT NULL, so all of it has to be read as it is at \
         one place of the binlog: {why}; mend: ALTER TABLE {table} ADD PRIMARY KEY"
    )]
    NoKey {
        /// `database.table`.
        table: String,
        /// What stands against that.
        why: &'static str,
    },
    /// A type that is not known.
    #[error("column '{column}' of {table} has the type {what}, which cannot be copied")]
    Type {
        /// `database.table`.
        table: String,
        /// The column.
        column: String,
        /// Its type.
        what: String,
    },
    /// A value that the column's type cannot have: the table was changed meanwhile.
    #[error("column '{column}' holds a value that its type cannot have")]
    Value {
        /// The column.
        column: String,
    },
    /// A table map that was made here is refused.
    #[error(transparent)]
    Binlog(#[from] BinlogError),
    /// A row cannot be printed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}
