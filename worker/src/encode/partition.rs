//! The text that decides a row's partition, and its hash. What is the same for all rows is hashed once.

use maxwell_protocol::settings::{PartitionBy, PartitionHash};
use rand::distr::{Alphanumeric, SampleString};

use super::message::{Row, RowContext, TableEncoder};
use super::style::Style;
use super::{EncodeError, key};
use crate::binlog::table::Table;

/// What decides the partition of a table's rows.
#[derive(Debug)]
pub(super) struct Partition {
    by: By,
    hash: PartitionHash,
}

#[derive(Debug)]
enum By {
    /// The same for every row.
    Fixed(i32),
    Transaction,
    Thread,
    Random,
    /// The values of these columns; where they hold nothing, something else.
    Values {
        columns: Vec<usize>,
        otherwise: Box<By>,
    },
}

impl Partition {
    pub(super) fn new(table: &Table, style: &Style) -> Self {
        Self { by: By::new(style.partition_by, table, style), hash: style.partition_hash }
    }

    pub(super) fn hash(
        &self,
        encoder: &TableEncoder,
        row: &Row<'_>,
        context: &RowContext<'_>,
    ) -> Result<i32, EncodeError> {
        self.by.hash(self.hash, encoder, row, context)
    }
}

impl By {
    fn new(by: PartitionBy, table: &Table, style: &Style) -> Self {
        let fixed = |text: &str| Self::Fixed(key::hash(style.partition_hash, text));
        match by {
            PartitionBy::Database => fixed(&table.database),
            PartitionBy::Table => fixed(&table.name),
            PartitionBy::TransactionId => Self::Transaction,
            PartitionBy::ThreadId => Self::Thread,
            PartitionBy::Random => Self::Random,
            PartitionBy::PrimaryKey if table.primary_key.is_empty() => {
                fixed(&format!("{}{}", table.database, table.name))
            }
            PartitionBy::PrimaryKey => {
                Self::Values { columns: table.primary_key.clone(), otherwise: Box::new(fixed("None")) }
            }
            PartitionBy::Columns => {
                let index = |name: &String| table.columns.iter().position(|column| column.name == *name);
                let fallback = match style.partition_by_fallback {
                    // Settings with this are refused.
                    PartitionBy::Columns => PartitionBy::Database,
                    other => other,
                };
                Self::Values {
                    columns: style.partition_columns.iter().filter_map(index).collect(),
                    otherwise: Box::new(Self::new(fallback, table, style)),
                }
            }
        }
    }

    fn hash(
        &self,
        kind: PartitionHash,
        encoder: &TableEncoder,
        row: &Row<'_>,
        context: &RowContext<'_>,
    ) -> Result<i32, EncodeError> {
        let number = |number: Option<u64>| match number {
            Some(number) => key::hash(kind, itoa::Buffer::new().format(number)),
            None => key::hash(kind, "null"),
        };
        Ok(match self {
            Self::Fixed(hash) => *hash,
            Self::Transaction => number(context.xid),
            Self::Thread => number(context.thread_id.map(u64::from)),
            Self::Random => key::hash(kind, &Alphanumeric.sample_string(&mut rand::rng(), 10)),
            Self::Values { columns, otherwise } => {
                let mut joined = String::new();
                for &at in columns {
                    encoder.plain_text(&mut joined, row, at)?;
                }
                if joined.is_empty() {
                    return otherwise.hash(kind, encoder, row, context);
                }
                key::hash(kind, &joined)
            }
        })
    }
}
