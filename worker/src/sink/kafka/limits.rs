//! How large a row the topics take: asked of the brokers, so that one too large is known before it is sent, and no batch
//! is refused for the sake of one row in it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use maxwell_protocol::settings::Kafka;
use rdkafka::admin::{AdminOptions, ResourceSpecifier};

use super::super::{Chunk, Record, SinkError};
use super::admin::Admin;
use super::classify;

const TIMEOUT: Duration = Duration::from_secs(5);
/// What brokers take unless told otherwise.
const BROKERS_DEFAULT: usize = 1_048_588;
/// What the client puts into a batch at most, unless a topic takes less: small enough that most of a transaction is
/// acknowledged when it ends. See decision 0009.
const BATCH: usize = 262_144;

/// What a producer is made for: the least and the most that a topic takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// No batch of several rows is larger.
    pub(super) batch: usize,
    /// No row is larger.
    pub(super) row: usize,
}

impl Bounds {
    fn over(self, limit: usize) -> Self {
        Self { batch: self.batch.min(limit), row: self.row.max(limit) }
    }

    /// Whether a producer made for these serves a topic that takes `limit`.
    pub(super) fn cover(self, limit: usize) -> bool {
        self == self.over(limit)
    }
}

/// What is known of the topics; kept from one producer to the next.
#[derive(Debug, Default)]
pub(super) struct Limits {
    topics: Mutex<HashMap<String, usize>>,
}

impl Limits {
    fn topics(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a producer has to be made for.
    pub(super) fn bounds(&self) -> Bounds {
        let start = Bounds { batch: BATCH, row: BROKERS_DEFAULT };
        self.topics().values().fold(start, |bounds, &limit| bounds.over(limit))
    }

    /// A broker refused what was within the limits: they have changed.
    pub(super) fn forget(&self) {
        self.topics().clear();
    }

    /// The largest batch that `topic` takes, asked once. `None` while there is no such topic.
    pub(super) async fn of(&self, settings: &Kafka, topic: &str) -> Result<Option<usize>, SinkError> {
        if let Some(limit) = self.topics().get(topic) {
            return Ok(Some(*limit));
        }
        let admin = Admin::new(settings)?;
        let described = admin
            .describe_configs(
                [&ResourceSpecifier::Topic(topic)],
                &AdminOptions::new().request_timeout(Some(TIMEOUT)),
            )
            .await
            .map_err(|error| classify("ask for the topic's max.message.bytes", &error))?;
        let limit = match described.into_iter().next() {
            Some(Ok(resource)) => {
                let entry = resource.get("max.message.bytes").and_then(|entry| entry.value.as_deref());
                entry.and_then(|value| value.parse().ok()).unwrap_or(BROKERS_DEFAULT)
            }
            Some(Err(rdkafka::types::RDKafkaErrorCode::UnknownTopicOrPartition)) | None => return Ok(None),
            Some(Err(error)) => {
                tracing::warn!(
                    topic,
                    %error,
                    "the topic does not tell its max.message.bytes, the brokers' default is taken: grant DescribeConfigs"
                );
                BROKERS_DEFAULT
            }
        };
        let chosen = settings.properties.get("message.max.bytes").and_then(|value| value.parse().ok());
        let limit = chosen.map_or(limit, |chosen: usize| limit.min(chosen));
        self.topics().insert(topic.to_owned(), limit);
        Ok(Some(limit))
    }
}

/// The size of a batch that holds nothing but this row, as the brokers measure it before compression.
pub(super) fn batch_size(chunk: &Chunk, record: &Record, value: &[u8], epoch: &str) -> usize {
    let header = |name: &str, value: usize| varint(name.len()) + name.len() + varint(value) + value;
    let headers = [("id", Some(chunk.id(record).len())), ("epoch", Some(epoch.len()))]
        .into_iter()
        .chain([("gtid", chunk.gtid(record).map(<[u8]>::len))])
        .filter_map(|(name, length)| length.map(|length| header(name, length)));
    let (count, headers) = headers.fold((0, 0), |(count, sum), size| (count + 1, sum + size));
    let key = chunk.key(record).len();
    // Attributes, time and offset are a byte each: both count from the batch's.
    let body = 3 + varint(key) + key + varint(value.len()) + value.len() + varint(count) + headers;
    BATCH_HEADER + varint(body) + body
}

const BATCH_HEADER: usize = 61;

/// Bytes of a length: seven bits a byte, one bit for the sign.
fn varint(number: usize) -> usize {
    let bits = usize::BITS - (number << 1).leading_zeros();
    bits.max(1).div_ceil(7) as usize
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn lengths_take_seven_bits_a_byte() {
        for (number, bytes) in
            [(0, 1), (63, 1), (64, 2), (8191, 2), (8192, 3), (1_048_575, 3), (1_048_576, 4)]
        {
            assert_eq!(varint(number), bytes, "{number}");
        }
    }

    #[test]
    fn a_batch_is_measured_as_brokers_do() {
        let record = Record {
            topic: 0,
            partition_hash: 0,
            start: 0,
            key_end: 2,
            value_end: 102,
            gtid_end: 102,
            id_end: 105,
        };
        let chunk = Chunk { bytes: vec![b'x'; 105], records: vec![record], ..Chunk::default() };
        // 3, key 1+2, value 2+100, count 1, id 1+2+1+3, epoch 1+5+1+1: 124, whose length takes 2.
        assert_eq!(batch_size(&chunk, &record, chunk.value(&record), "7"), 61 + 2 + 124);
    }

    #[test]
    fn bounds_follow_what_was_learned() {
        let limits = Limits::default();
        assert_eq!(limits.bounds(), Bounds { batch: BATCH, row: 1_048_588 });
        limits.topics().insert("small".into(), 2000);
        limits.topics().insert("large".into(), 5_000_000);
        let bounds = limits.bounds();
        assert_eq!(bounds, Bounds { batch: 2000, row: 5_000_000 });
        assert!(bounds.cover(3000) && !bounds.cover(1999) && !bounds.cover(5_000_001));
        limits.forget();
        assert_eq!(limits.bounds().batch, BATCH);
    }
}
