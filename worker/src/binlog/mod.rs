//! Binlog events to transactions of rows. Pure: bytes in, decisions out; no clock, no I/O.
//!
//! ```text
//! event bytes ─▶ inflate::plain ─▶ event::Kind ─▶ transaction::Assembler ─▶ Step (rows of a finished transaction, place after them)
//!                                    │
//!                               table::Table (from TABLE_MAP) ─▶ rows::RowCursor (column slices of a row)
//! ```

pub mod event;
pub mod inflate;
pub mod partial;
pub mod place;
pub mod rebuild;
pub mod rows;
pub mod statement;
pub mod table;
pub mod transaction;
pub mod wire;
pub mod xa;

use thiserror::Error;

/// Why the binlog cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BinlogError {
    /// An event is shorter than its own fields say.
    #[error("the {0} event is cut short or damaged")]
    Damaged(&'static str),
    /// An event whose rows cannot be read yet.
    #[error("{what} cannot be read: {mend}")]
    Unsupported {
        /// The event, statement or column.
        what: String,
        /// What to do.
        mend: &'static str,
    },
    /// Rows of a table whose TABLE_MAP was not seen.
    #[error("rows of table id {0} without a table map before them")]
    UnknownTable(u64),
    /// The place of resumption holds other rows than were sent before it.
    #[error(
        "the binlog of {server} differs from what was sent before {place}: the server is not a copy of the one before; \
         start afresh with mysql.start, or go back to the former server"
    )]
    Diverged {
        /// The server read from.
        server: String,
        /// The place.
        place: String,
    },
    /// The stored place holds a transaction that was passed already.
    #[error(
        "the binlog of {server} has {gtid} at {place}, which was streamed before it: the server was reset or made anew; \
         start afresh with mysql.start"
    )]
    Misplaced {
        /// The server read from.
        server: String,
        /// What is there.
        gtid: String,
        /// The place.
        place: String,
    },
    /// The rows of an XA transaction that commits are not where it was prepared.
    #[error("the rows of the XA transaction {name} are not at {place}, where it was prepared ({found})")]
    PreparedMissing {
        /// The transaction's name.
        name: String,
        /// Where it was prepared.
        place: String,
        /// What is there.
        found: String,
    },
    /// Rows that were sent already turn out to be undone.
    #[error(
        "ROLLBACK TO {savepoint} at {place} undoes rows of a transaction so large that they were sent already; \
         start behind it with mysql.start"
    )]
    UndoneTooLate {
        /// The savepoint.
        savepoint: String,
        /// The transaction's place.
        place: String,
    },
    /// The source lost events.
    #[error("the source reports an incident (lost events) at {0}: start afresh behind it")]
    Incident(String),
    /// A compressed transaction did not hold its own end.
    #[error("the compressed transaction at {0} is not complete")]
    IncompletePayload(String),
}
