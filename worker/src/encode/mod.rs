//! Rows to Maxwell's messages: from the event's bytes straight into the output buffer. Pure.
//!
//! `message` writes a row's JSON, `value` a column's, `key` the record key and the text that decides the partition,
//! `number`, `temporal`, `text` and `jsonb` what those are made of. `ddl` writes changes of the schema.

pub mod ddl;
pub mod jsonb;
pub mod key;
pub mod message;
pub mod number;
pub mod temporal;
pub mod text;
pub mod value;

use thiserror::Error;

/// Why a row cannot be printed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The column's type or charset has no text form here.
    #[error(
        "column '{column}' of {table} has {what}, which cannot be printed yet: exclude the table with filter, or \
         convert the column"
    )]
    Unsupported {
        /// `database.table`.
        table: String,
        /// The column.
        column: String,
        /// Its type or charset.
        what: String,
    },
    /// The bytes are not what the column's type says.
    #[error("column '{column}' of {table} holds bytes that its type cannot have")]
    Damaged {
        /// `database.table`.
        table: String,
        /// The column.
        column: String,
    },
}
