//! A consumer of a whole topic, on a thread of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{Message as _, Offset, TopicPartitionList};

use crate::history::Message;
use crate::lab::brokers;

/// What the consumer saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// Changes, in the order of each partition.
    pub messages: Vec<Message>,
    /// When each heartbeat row came, and its id.
    pub beats: Vec<(Instant, i64)>,
    /// When something came, a millisecond apart at least, and the highest number of a heartbeat row up to then.
    pub arrivals: Vec<(Instant, i64)>,
    /// Partition and offset of every record, with the epoch that it bears.
    pub places: HashMap<(i32, i64), u64>,
}

impl Seen {
    fn arrived(&mut self, now: Instant, highest: i64) {
        match self.arrivals.last_mut() {
            Some((before, known)) if now.duration_since(*before) < APART => *known = highest,
            _ => self.arrivals.push((now, highest)),
        }
    }
}

/// What a consumer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Committed Kafka transactions only.
    Committed,
    /// Everything that was produced.
    Uncommitted,
}

/// A running consumer.
pub struct Running {
    stop: Arc<AtomicBool>,
    last_beat: Arc<AtomicI64>,
    count: Arc<AtomicU64>,
    thread: JoinHandle<anyhow::Result<Seen>>,
}

fn client(isolation: &str) -> anyhow::Result<BaseConsumer> {
    Ok(ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .set("group.id", "maxwell-tests")
        .set("isolation.level", isolation)
        .set("enable.auto.commit", "false")
        // A log that lost its end would be read again, and the check would find that.
        .set("auto.offset.reset", "earliest")
        .set("reconnect.backoff.max.ms", "500")
        .set("fetch.wait.max.ms", "5")
        .create()?)
}

fn assign(consumer: &BaseConsumer, topic: &str, partitions: i32) -> anyhow::Result<()> {
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    Ok(consumer.assign(&assignment)?)
}

/// Starts consuming `topic` from its beginning. Its first record may be on its way only.
pub fn start(topic: &str, isolation: Isolation) -> anyhow::Result<Running> {
    let level = if isolation == Isolation::Committed { "read_committed" } else { "read_uncommitted" };
    let consumer = client(level)?;
    let partitions = partitions(&consumer, topic)?;
    assign(&consumer, topic, partitions)?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    let last_beat = Arc::new(AtomicI64::new(0));
    let beating = Arc::clone(&last_beat);
    let count = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&count);
    let thread = std::thread::spawn(move || consume(&consumer, &stopping, &beating, &counting));
    Ok(Running { stop, last_beat, count, thread })
}

/// Reads `topic` from its beginning, as `read_committed` consumers do, until `visit` says that a message was the last.
/// Blocking; fails if nothing comes for a minute.
pub(crate) fn until(
    topic: &str,
    partitions: i32,
    mut visit: impl FnMut(&BorrowedMessage<'_>) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let consumer = client("read_committed")?;
    assign(&consumer, topic, partitions)?;
    loop {
        let message = consumer.poll(Duration::from_secs(60)).context("nothing comes for a minute")?;
        if visit(&message?)? {
            return Ok(());
        }
    }
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> anyhow::Result<i32> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10))?;
        let count = metadata.topics().first().context("no metadata")?.partitions().len();
        if count > 0 {
            return Ok(count as i32);
        }
        anyhow::ensure!(Instant::now() < deadline, "the topic {topic} is not there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Running {
    /// The highest number of a heartbeat that has come.
    pub fn last_beat(&self) -> u64 {
        self.last_beat.load(Ordering::Acquire).cast_unsigned()
    }

    /// How many records have come.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether it has ended by an error of its own, which [`Running::finish`] tells.
    pub fn has_failed(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until heartbeat number `last` has come, for a minute at most: what is missing then, the check finds.
    pub async fn until_beat(&self, last: u64) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.last_beat() < last && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends when the topic is read to its end, and gives what was seen.
    pub fn finish(self) -> anyhow::Result<Seen> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().map_err(|_| anyhow::anyhow!("the consumer panicked"))?
    }
}

/// Between two arrivals that are told apart.
const APART: Duration = Duration::from_millis(1);
/// How long a topic must stay silent, once told to stop, to count as read to its end.
const QUIET: Duration = Duration::from_secs(3);

fn consume(
    consumer: &BaseConsumer,
    stop: &AtomicBool,
    last_beat: &AtomicI64,
    count: &AtomicU64,
) -> anyhow::Result<Seen> {
    let mut seen = Seen::default();
    let mut last = Instant::now();
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            // Brokers come and go, the client goes on by itself.
            Some(Err(KafkaError::MessageConsumption(code))) if code != RDKafkaErrorCode::Fatal => {}
            Some(message) => {
                let message = message?;
                last = Instant::now();
                let text = message.payload().context("a message without a value")?;
                let mut change: Message = serde_json::from_slice(text)
                    .with_context(|| format!("not a change: {}", String::from_utf8_lossy(text)))?;
                let epoch = header(&message, "epoch").context("a message without an epoch")?;
                seen.places.insert((message.partition(), message.offset()), epoch.parse()?);
                change.gtid = header(&message, "gtid").map(str::to_owned);
                if change.table == "beat" {
                    seen.beats.push((last, change.data.id));
                    last_beat.fetch_max(change.data.id, Ordering::AcqRel);
                } else {
                    seen.messages.push(change);
                }
                count.fetch_add(1, Ordering::Relaxed);
                seen.arrived(last, last_beat.load(Ordering::Acquire));
            }
            None if stop.load(Ordering::Acquire) && last.elapsed() > QUIET => return Ok(seen),
            None => {}
        }
    }
}

fn header<'a>(message: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a str> {
    let value = message.headers()?.iter().find(|header| header.key == name)?.value?;
    std::str::from_utf8(value).ok()
}
