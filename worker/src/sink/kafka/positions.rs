//! Reads the position topic.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use maxwell_protocol::position::PositionKey;
use maxwell_protocol::settings::Kafka;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, Timestamp, TopicPartitionList};

use super::super::SinkError;
use super::steps::{End, Found};
use super::{classify, config};

pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// One question to one broker, and the pause after one in vain.
const ATTEMPT: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(50);

/// The clients that read the topic, kept connected from one take-over to the next.
pub(super) struct Readers {
    /// Tells the high watermark.
    uncommitted: BaseConsumer,
    /// Tells the last stable offset, and reads. One scan at a time.
    committed: Mutex<BaseConsumer>,
}

impl Readers {
    /// Connects when first used.
    pub(super) fn new(settings: &Kafka) -> Result<Self, SinkError> {
        let create = |committed| -> Result<BaseConsumer, SinkError> {
            config::reader(settings, committed)?
                .create()
                .map_err(|error| classify("connect to Kafka", &error))
        };
        Ok(Self { uncommitted: create(false)?, committed: Mutex::new(create(true)?) })
    }

    /// The lowest offset of a partition, and an end of it. Blocking.
    pub(super) fn ends(&self, topic: &str, partition: i32, end: End) -> Result<(i64, i64), SinkError> {
        match end {
            End::High => watermarks(&self.uncommitted, topic, partition, TIMEOUT),
            // A read_committed client answers with it.
            End::Stable => watermarks(&self.committed(), topic, partition, TIMEOUT),
        }
    }

    /// The last committed record of `key` between two offsets. Blocking.
    pub(super) fn scan(
        &self,
        topic: &str,
        partition: i32,
        (from, to): (i64, i64),
        key: &PositionKey,
    ) -> Result<Found, SinkError> {
        let committed = self.committed();
        let found = scan(&committed, topic, partition, from, to, key);
        // Whatever came of it: nothing more is fetched.
        committed.unassign().map_err(|error| classify("read the position", &error))?;
        found
    }

    fn committed(&self) -> MutexGuard<'_, BaseConsumer> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks both ends of the topic's first partition, which keeps the connections open; `anew`: after who leads it.
    /// Blocking, for `patience` at most.
    pub(super) fn touch(&self, topic: &str, patience: Duration, anew: bool) -> Result<(), SinkError> {
        let deadline = Instant::now() + patience;
        let touch = |consumer: &BaseConsumer| -> Result<(), SinkError> {
            let left = || deadline.saturating_duration_since(Instant::now());
            if anew {
                consumer
                    .fetch_metadata(Some(topic), left())
                    .map_err(|error| classify("ask for the brokers", &error))?;
            }
            consumer
                .fetch_watermarks(topic, 0, left())
                .map(drop)
                .map_err(|error| classify("read the high watermark", &error))
        };
        touch(&self.uncommitted)?;
        // A scan that is under way keeps it open too.
        match self.committed.try_lock() {
            Ok(committed) => touch(&committed),
            Err(_) => Ok(()),
        }
    }
}

/// The lowest offset and the end, which for a `read_committed` client is the last stable offset. The client asks the
/// leader that it knows, for as long as it is let: after each attempt in vain it is made to learn who leads now.
fn watermarks(
    consumer: &BaseConsumer,
    topic: &str,
    partition: i32,
    patience: Duration,
) -> Result<(i64, i64), SinkError> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match consumer.fetch_watermarks(topic, partition, left.min(ATTEMPT)) {
            Ok(found) => return Ok(found),
            Err(error) if left <= ATTEMPT => return Err(classify("read the high watermark", &error)),
            Err(_) => {
                // What does not answer here shows in the next attempt.
                let _learned = consumer.fetch_metadata(Some(topic), left.min(ATTEMPT));
                std::thread::sleep(PAUSE);
            }
        }
    }
}

/// How far to read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// The end that the log has now: for an owner, whose predecessors write no more, the high watermark.
    End(End),
    /// An end that it had.
    Offset(i64),
}

/// Hands the committed records of the partition from an offset on over, up to an end. Gives the offset to go on from.
/// Blocking.
pub(super) fn read_on(
    readers: &Readers,
    topic: &str,
    partition: i32,
    (from, until): (i64, Until),
    visit: &mut dyn FnMut(&BorrowedMessage<'_>),
) -> Result<i64, SinkError> {
    let committed = readers.committed();
    let ends = |asked: &BaseConsumer| watermarks(asked, topic, partition, TIMEOUT);
    let (low, high) = match until {
        Until::End(End::High) => ends(&readers.uncommitted)?,
        Until::End(End::Stable) => ends(&committed)?,
        Until::Offset(high) if 0 < from && from <= high => (from, high),
        Until::Offset(high) => match ends(&readers.uncommitted)? {
            // Another one has read further meanwhile.
            (_, end) if high < from && from <= end => return Ok(from),
            (low, _) => (low, high),
        },
    };
    // A topic that is shorter than what was read is another one.
    let next = if from > high { low } else { from.max(low) };
    // Before the end there may be the marker of the last record's transaction.
    if next + 1 >= high {
        return Ok(next);
    }
    let read = each(&committed, topic, partition, (next, high), &mut |message| {
        visit(message);
        Ok(())
    });
    committed.unassign().map_err(|error| classify("read the position", &error))?;
    read
}

fn scan(
    consumer: &BaseConsumer,
    topic: &str,
    partition: i32,
    from: i64,
    high: i64,
    key: &PositionKey,
) -> Result<Found, SinkError> {
    let mut found = Found::Nothing;
    each(consumer, topic, partition, (from, high), &mut |message| {
        let same = message.key().and_then(|bytes| serde_json::from_slice::<PositionKey>(bytes).ok());
        match (same, message.payload()) {
            (Some(other), Some(value)) if other == *key => {
                found = record((topic, partition), value, message.timestamp())?;
            }
            (Some(other), _)
                if other.shard == key.shard && matches!(found, Found::Nothing | Found::Foreign(_)) =>
            {
                found = Found::Foreign(other.cluster);
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(found)
}

type Visit<'a> = &'a mut dyn FnMut(&BorrowedMessage<'_>) -> Result<(), SinkError>;

/// Hands the committed records from an offset up to another on. Gives the offset to go on from.
fn each(
    consumer: &BaseConsumer,
    topic: &str,
    partition: i32,
    (from, high): (i64, i64),
    visit: Visit<'_>,
) -> Result<i64, SinkError> {
    let failed = |error: KafkaError| classify("read the position", &error);
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, partition, Offset::Offset(from)).map_err(failed)?;
    consumer.assign(&assignment).map_err(failed)?;
    let mut next = from;
    let mut confirmed = false;
    let deadline = Instant::now() + 6 * TIMEOUT;
    loop {
        match consumer.poll(Duration::from_millis(500)) {
            Some(Ok(message)) => {
                visit(&message)?;
                next = message.offset() + 1;
                // Behind it, before the end, there is room for the marker of its transaction only: whoever wrote
                // here before was fenced before the end was asked for.
                if next + 1 >= high {
                    return Ok(next);
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) if confirmed => return Ok(high.max(next)),
            // The end of what one answer held. A leader that has only just become one may not know the end yet: it
            // counts once the leader knows as much as the former one did, and has nothing more.
            Some(Err(KafkaError::PartitionEOF(_))) => {
                confirmed = watermarks(consumer, topic, partition, TIMEOUT)?.1 >= high;
                let mut again = TopicPartitionList::new();
                again.add_partition_offset(topic, partition, Offset::Offset(next)).map_err(failed)?;
                consumer.assign(&again).map_err(failed)?;
            }
            // Brokers come and go, the client goes on by itself.
            Some(Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown,
            ))) if Instant::now() < deadline => {}
            Some(Err(error)) => return Err(failed(error)),
            None if Instant::now() > deadline => {
                let reason = format!("{topic}-{partition} could not be read up to offset {high}");
                return Err(SinkError::Failed { doing: "read the position", reason });
            }
            None => {}
        }
    }
}

/// What a position's record holds.
pub(super) fn record(
    (topic, partition): (&str, i32),
    value: &[u8],
    produced: Timestamp,
) -> Result<Found, SinkError> {
    let record = serde_json::from_slice(value).map_err(|error| SinkError::Unfit {
        problem: format!("the last record of {topic}-{partition} is not a position: {error}"),
        mend: "run the version that wrote it, or name another kafka.positionTopic to start afresh".into(),
    })?;
    Ok(Found::Record(record, produced.to_millis()))
}
