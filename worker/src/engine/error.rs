//! Why a run of a shard ended, and what is done about it: the one table of reactions.

use thiserror::Error;

use crate::coordination::ProofError;
use crate::encode::EncodeError;
use crate::encode::style::StyleError;
use crate::filter::FilterError;
use crate::shard::ShardError;
use crate::sink::SinkError;
use crate::source::SourceError;

/// Why a run ended.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The sink.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A row that cannot be printed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// How messages shall look.
    #[error(transparent)]
    Style(#[from] StyleError),
    /// The layout's rows cannot be divided.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// The key for encryption cannot be read.
    #[error("output.encryption: cannot read {path}: {reason}; put the key into that file")]
    EncryptionKey {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The position is lost, and more tables would have to be copied again than can be remembered.
    #[error(
        "the position is lost, and {tables} tables would have to be copied again, of which 256 can be at a time: narrow \
         filter, or set mysql.onPositionLost to Latest and ask for the copies that matter"
    )]
    TooMuchToCopy {
        /// How many tables pass the filter.
        tables: usize,
    },
    /// The binlog has no border between transactions where the shard was told to end.
    #[error(
        "no transaction of the source ends at {place}, where the shard was to wait: it waits for another word"
    )]
    PlaceMissed {
        /// The place.
        place: String,
    },
    /// A copy of a table would have to go on behind a place where the shard ends.
    #[error("a table is being copied, which the end of the shard would cut off: it waits for another word")]
    CopyUnderWay,
    /// Another layout is in force than the one that this member knows.
    #[error(
        "layout {theirs} is in force, and this member still goes by {ours}: it waits until it knows of that"
    )]
    StaleLayout {
        /// The one that this member knows.
        ours: u64,
        /// The one that the shard's last record is of.
        theirs: u64,
    },
    /// A layout that came of another one has no beginning.
    #[error(
        "cluster/layout does not say where layout {generation} begins, and the shard's last record is of another one: a \
         cluster that goes on from positions has to divide rows as they were divided"
    )]
    NoBeginning {
        /// The layout.
        generation: u64,
    },
    /// A thread of the pipeline died.
    #[error("a thread of the pipeline ended unexpectedly: {0}")]
    Thread(String),
}

/// What is done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It can heal by itself: start over after a pause.
    Retry,
    /// This member cannot reach MySQL or Kafka: start over after a pause, unless another member can.
    Unreachable,
    /// It cannot heal by itself: say so and wait for a change.
    Halt,
    /// A successor owns the shard.
    Relinquish,
}

impl EngineError {
    /// Whether another member may do better: not where ZooKeeper is away, which tells nobody who owns what.
    pub(super) fn may_be_of_member(&self) -> bool {
        !matches!(self, Self::Sink(SinkError::NotProved(_)))
    }

    /// The reaction to this error.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Source(error) => match error {
                SourceError::Connect { .. } | SourceError::Silent(_) => Disposition::Unreachable,
                SourceError::Failed { .. } | SourceError::Ended | SourceError::Credentials { .. } => {
                    Disposition::Retry
                }
                SourceError::Superseded(_) => Disposition::Relinquish,
                SourceError::Denied { .. } | SourceError::Unfit { .. } | SourceError::Behind { .. } => {
                    Disposition::Retry
                }
                SourceError::PositionLost { .. }
                | SourceError::UnreadableSet(_)
                | SourceError::OtherHistory { .. }
                | SourceError::Diverged { .. }
                | SourceError::SchemaUncertain { .. }
                | SourceError::Binlog(_) => Disposition::Halt,
            },
            Self::Sink(error) => match error {
                SinkError::Fenced | SinkError::NotProved(ProofError::Lost) => Disposition::Relinquish,
                SinkError::NotProved(ProofError::Unreachable(_)) => Disposition::Retry,
                SinkError::Failed { .. } => Disposition::Unreachable,
                SinkError::Unfit { .. } | SinkError::Bounds(_) | SinkError::Time(_) => Disposition::Retry,
                SinkError::Io { .. } | SinkError::TooLarge { .. } => Disposition::Halt,
            },
            Self::Encode(_)
            | Self::Filter(_)
            | Self::Style(_)
            | Self::Shard(_)
            | Self::EncryptionKey { .. }
            | Self::TooMuchToCopy { .. }
            | Self::PlaceMissed { .. }
            | Self::CopyUnderWay
            | Self::NoBeginning { .. } => Disposition::Halt,
            Self::StaleLayout { .. } | Self::Thread(_) => Disposition::Retry,
        }
    }
}
