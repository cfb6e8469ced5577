//! The MySQL or MariaDB server: the only module that holds its client library's connections.
//!
//! `connect` opens sessions, `preflight` asks what the server is and whether it can be read, `start` turns the wish of
//! the settings into a position, `original` finds the one that Maxwell's daemon left, `moment` the one of a time, `standing`
//! judges a server by what was streamed already, `dump` opens the binlog, `scan` reads ahead on a side connection,
//! `retention` tells how long a position will last, `capture` reads a
//! table's description, `copy` its rows, `prepared` the rows of an XA transaction.

pub mod capture;
pub mod connect;
pub mod copy;
pub mod definitions;
pub mod dump;
mod moment;
mod original;
pub mod preflight;
pub mod prepared;
pub mod pulse;
pub mod retention;
pub mod rewind;
pub mod scan;
mod standing;
pub mod start;

use maxwell_protocol::gtid::ParseGtidError;
use thiserror::Error;

use crate::binlog::BinlogError;

/// Why the source cannot be read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// No connection.
    #[error(
        "cannot connect to MySQL at {address}: {source}; check mysql.host, mysql.port, mysql.tls and that the server runs"
    )]
    Connect {
        /// `host:port`.
        address: String,
        /// The client's error.
        #[source]
        source: Box<mysql_async::Error>,
    },
    /// The server refused the credentials.
    #[error("MySQL at {address} refuses user '{user}': {message}; check the user name and password")]
    Denied {
        /// `host:port`.
        address: String,
        /// The user name.
        user: String,
        /// What the server said.
        message: String,
    },
    /// A file with credentials cannot be read.
    #[error("cannot read {path}: {source}; mysql.credentialsDirectory needs the files username and password")]
    Credentials {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The server's settings do not allow it.
    #[error("{problem}; mend: {mend}")]
    Unfit {
        /// What is wrong.
        problem: String,
        /// The statement or setting that mends it.
        mend: String,
    },
    /// The binlog from our position on is gone.
    #[error(
        "the position {place} is no longer on the server ({detail}); start afresh with mysql.start, restore the binlog, or go \
         on at the head with mysql.onPositionLost: Latest"
    )]
    PositionLost {
        /// The position.
        place: String,
        /// What showed it.
        detail: String,
    },
    /// The stored GTID set is none.
    #[error("{0}, as the stored position has it; start afresh with mysql.start, or mend the record")]
    UnreadableSet(#[from] ParseGtidError),
    /// The file of the stored position is another one than it was.
    #[error(
        "the server was reset or made anew: {place} has {there} before it, but {ours} was streamed; start afresh with \
         mysql.start, or go back to the former server"
    )]
    OtherHistory {
        /// The position.
        place: String,
        /// What the server says comes before it.
        there: String,
        /// What was streamed.
        ours: String,
    },
    /// The server has not got everything that was streamed already.
    #[error(
        "the server lacks transactions that were streamed already: ours {ours}, the server's {theirs}; it is a replica: \
         waiting until it has caught up"
    )]
    Behind {
        /// Our GTID set.
        ours: String,
        /// What the server has executed.
        theirs: String,
    },
    /// The server will never have everything that was streamed already.
    #[error(
        "the server has another history than the one that was streamed: ours {ours}, the server's {theirs}; it was \
         reset, restored, or promoted without its last transactions; read another one with mysql.host, start afresh \
         with mysql.start, or go on at its head with mysql.onPositionLost: Latest"
    )]
    Diverged {
        /// Our GTID set.
        ours: String,
        /// What the server has executed.
        theirs: String,
    },
    /// Another dump with our identity took over.
    #[error("another reader with this shard's identity took over the binlog dump: {0}")]
    Superseded(String),
    /// A statement or the stream failed.
    #[error("{doing}: {source}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// The client's error.
        #[source]
        source: Box<mysql_async::Error>,
    },
    /// No event and no heartbeat came.
    #[error("MySQL has sent nothing for {0} seconds, not even a heartbeat: the connection is taken as dead")]
    Silent(u64),
    /// The server closed the stream.
    #[error("MySQL ended the binlog stream")]
    Ended,
    /// The schema of a table at our position is not known.
    #[error(
        "the columns of {table} at {place} cannot be proved: {why}; mend: SET GLOBAL binlog_row_metadata=FULL on \
         MySQL 8.0.1 or later, or start behind the change with mysql.start"
    )]
    SchemaUncertain {
        /// `database.table`.
        table: String,
        /// The position.
        place: String,
        /// What stands against it.
        why: String,
    },
    /// What came is not a binlog as it should be.
    #[error(transparent)]
    Binlog(#[from] BinlogError),
}

impl SourceError {
    /// Whether what follows the stored position cannot be had from this server.
    pub fn is_position_lost(&self) -> bool {
        matches!(self, Self::PositionLost { .. } | Self::Diverged { .. })
    }

    /// Wraps the client's error with what was being done; a superseded dump and a lost position are told apart.
    pub fn failed(doing: &'static str, place: &str, source: mysql_async::Error) -> Self {
        if let mysql_async::Error::Server(error) = &source {
            let same_identity = error.message.contains("same server_uuid/server_id")
                || error.message.contains("same server_id") && error.code == 1236;
            match error.code {
                4052 => return Self::Superseded(error.message.clone()),
                1236 if same_identity => return Self::Superseded(error.message.clone()),
                1236 => return Self::PositionLost { place: place.into(), detail: error.message.clone() },
                1227 | 1142 | 1044 | 1045 => {
                    return Self::Unfit {
                        problem: format!("{doing}: {}", error.message),
                        mend: "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO the user".into(),
                    };
                }
                _ => {}
            }
        }
        Self::Failed { doing, source: Box::new(source) }
    }
}
