//! Rows to Maxwell's messages: from the event's bytes straight into the output buffer. Pure.
//!
//! `message` writes a row's key and JSON, `fields` what stands before the data, `data` the data, `value` a column;
//! `partition` and `key` decide the partition; `number`, `temporal`, `old_temporal`, `text`, `jsonb`, `geometry` and
//! `native` are what values are made of. `style` holds how messages shall look, `names` spells names, `encrypt` encrypts,
//! `schema_id` numbers a table's definitions. `ddl` writes changes of the schema, `share` tells whose a row is.

mod data;
pub mod ddl;
mod encrypt;
mod fields;
pub mod geometry;
pub mod jsonb;
pub mod key;
pub mod message;
mod names;
pub mod native;
pub mod number;
pub mod old_temporal;
mod partition;
mod schema_id;
pub mod share;
pub mod style;
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
