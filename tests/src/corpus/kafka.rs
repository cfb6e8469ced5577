//! The records of a group from its topics, as a `read_committed` consumer sees them.

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::compare::Record;
use crate::lab::BROKER;
use crate::topic;

/// A consumer of all partitions of all topics from their beginning; the topics go with it.
pub(super) struct Topics {
    consumer: StreamConsumer,
    names: Vec<String>,
}

impl Topics {
    /// Makes the topics.
    pub(super) async fn new(names: Vec<String>, partitions: i32) -> anyhow::Result<Self> {
        for name in &names {
            topic::make(name, partitions, "delete").await?;
        }
        let consumer: StreamConsumer = ClientConfig::new()
            .set("bootstrap.servers", BROKER)
            .set("group.id", "maxwell-tests")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "5")
            .create()?;
        let mut assignment = TopicPartitionList::new();
        for name in &names {
            for partition in 0..partitions {
                assignment.add_partition_offset(name, partition, Offset::Beginning)?;
            }
        }
        consumer.assign(&assignment)?;
        Ok(Self { consumer, names })
    }

    /// The next record. May be dropped while it waits.
    pub(super) async fn next(&self) -> anyhow::Result<Record> {
        let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let message = self.consumer.recv().await?;
        Ok(Record {
            value: text(message.payload()).unwrap_or_else(|| "a record without a value".into()),
            key: text(message.key()),
            partition: Some(message.partition()),
            topic: Some(message.topic().to_owned()),
        })
    }

    /// Deletes the topics and those of the positions; a worker that never took over has made none.
    pub(super) async fn delete(self, positions: &[String]) -> anyhow::Result<()> {
        for name in positions {
            let _absent = topic::delete(&[name]).await;
        }
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        topic::delete(&names).await
    }
}
