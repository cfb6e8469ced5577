//! What a `read_committed` consumer finds in the topic after a run.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Context;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use serde::Deserialize;

use crate::lab::BROKER;

/// What is in the topic.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    /// Rows.
    pub(super) rows: u64,
    /// Rows with an `id` that no other row has.
    pub(super) distinct: u64,
    /// Rows that close a transaction.
    pub(super) transactions: u64,
}

/// A message, as far as it is looked at.
#[derive(Deserialize)]
struct Change {
    #[serde(default)]
    commit: bool,
}

/// Reads the topic from its beginning to its end.
pub(super) fn count(topic: &str, partitions: i32) -> anyhow::Result<Counted> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", BROKER)
        .set("group.id", "maxwell-tests")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let mut ids = HashSet::new();
    let mut counted = Counted::default();
    let mut ended = HashSet::new();
    while ended.len() < partitions as usize {
        match consumer.poll(Duration::from_secs(10)).context("the topic gives nothing for ten seconds")? {
            Ok(message) => add(&mut counted, &mut ids, &message)?,
            Err(KafkaError::PartitionEOF(partition)) => {
                ended.insert(partition);
            }
            Err(error) => return Err(error.into()),
        }
    }
    counted.distinct = ids.len() as u64;
    Ok(counted)
}

fn add(
    counted: &mut Counted,
    ids: &mut HashSet<Vec<u8>>,
    message: &BorrowedMessage<'_>,
) -> anyhow::Result<()> {
    let change: Change = serde_json::from_slice(message.payload().context("a message without a value")?)?;
    let headers = message.headers().context("a message without headers")?;
    let id = headers.iter().find(|header| header.key == "id").and_then(|header| header.value);
    ids.insert(id.context("a message without an id")?.to_vec());
    counted.rows += 1;
    counted.transactions += u64::from(change.commit);
    Ok(())
}
