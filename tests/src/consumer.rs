//! Consumers of whole topics: [`Reader`] tells each record up to an end that is proved, [`start`] runs one on a thread of
//! its own and keeps what it saw.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{Message as _, Offset, TopicPartitionList};

use crate::history::Message;
use crate::lab::brokers;
use crate::writer::shard_of;

/// What the consumer saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// Changes, in the order of each partition.
    pub messages: Vec<Message>,
    /// When each heartbeat row came, and its id.
    pub beats: Vec<(Instant, i64)>,
    /// Of each shard: when something came, a millisecond apart at least, and the highest number of a heartbeat row up to
    /// then.
    pub arrivals: Vec<Vec<(Instant, i64)>>,
    /// Partition and offset of every record, with the epoch that it bears.
    pub places: HashMap<(i32, i64), u64>,
}

impl Seen {
    fn arrived(&mut self, shard: usize, now: Instant, highest: i64) {
        let arrivals = &mut self.arrivals[shard];
        match arrivals.last_mut() {
            Some((before, known)) if now.duration_since(*before) < APART => *known = highest,
            _ => arrivals.push((now, highest)),
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

/// A consumer of all partitions of a topic, from their beginning.
pub(crate) struct Reader {
    topic: String,
    consumer: BaseConsumer,
    /// The next offset of each partition.
    next: Vec<i64>,
}

fn client(isolation: Isolation) -> anyhow::Result<BaseConsumer> {
    let level = if isolation == Isolation::Committed { "read_committed" } else { "read_uncommitted" };
    Ok(ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .set("group.id", "maxwell-tests")
        .set("isolation.level", level)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        // A log that lost its end would be read again, and the check would find that.
        .set("auto.offset.reset", "earliest")
        .set("reconnect.backoff.max.ms", "500")
        // Brokers answer when anything comes; asking more often than that only keeps them busy.
        .set("fetch.wait.max.ms", "200")
        .create()?)
}

/// How long an open Kafka transaction is waited for; the broker aborts one that was left behind after 30 s.
const OPEN: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(10);

impl Reader {
    /// Of a topic whose first record may be on its way only.
    pub(crate) fn new(topic: &str, isolation: Isolation) -> anyhow::Result<Self> {
        let consumer = client(isolation)?;
        let partitions = partitions(&consumer, topic)?;
        let reader = Self { topic: topic.to_owned(), consumer, next: vec![0; partitions] };
        reader.assign()?;
        Ok(reader)
    }

    fn assign(&self) -> anyhow::Result<()> {
        let mut assignment = TopicPartitionList::new();
        for (partition, next) in self.next.iter().enumerate() {
            let offset = if *next == 0 { Offset::Beginning } else { Offset::Offset(*next) };
            assignment.add_partition_offset(&self.topic, partition as i32, offset)?;
        }
        Ok(self.consumer.assign(&assignment)?)
    }

    /// Tells each record, until `stop` is set and everything that was written before that is told.
    pub(crate) fn each(
        mut self,
        stop: &AtomicBool,
        mut tell: impl FnMut(&BorrowedMessage<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut ended: Option<HashSet<i32>> = None;
        loop {
            if ended.is_none() && stop.load(Ordering::Acquire) {
                self.settled()?;
                // Read on by a new assignment: the ends that it reports lie behind this moment.
                self.assign()?;
                ended = Some(HashSet::new());
            }
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    self.next[message.partition() as usize] = message.offset() + 1;
                    tell(&message)?;
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    let Some(ended) = &mut ended else { continue };
                    ended.insert(partition);
                    if ended.len() == self.next.len() {
                        return Ok(());
                    }
                }
                // Brokers come and go, the client goes on by itself.
                Some(Err(KafkaError::MessageConsumption(code))) if code != RDKafkaErrorCode::Fatal => {}
                Some(Err(error)) => return Err(error.into()),
                None => {}
            }
        }
    }

    /// Waits until no Kafka transaction is open, so that nothing is written that is not yet to be read.
    fn settled(&self) -> anyhow::Result<()> {
        let (stable, high) = (client(Isolation::Committed)?, client(Isolation::Uncommitted)?);
        let deadline = Instant::now() + OPEN;
        let end = |client: &BaseConsumer, partition| -> KafkaResult<i64> {
            Ok(client.fetch_watermarks(&self.topic, partition, ANSWER)?.1)
        };
        for partition in 0..self.next.len() as i32 {
            loop {
                // In this order: what lies between the two questions is seen by the second.
                let ends = end(&stable, partition).and_then(|stable| Ok((stable, end(&high, partition)?)));
                if matches!(ends, Ok((stable, high)) if stable == high) {
                    break;
                }
                anyhow::ensure!(
                    Instant::now() < deadline,
                    "the end of {} is not stable: {ends:?}",
                    self.topic
                );
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> anyhow::Result<usize> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let metadata = consumer.fetch_metadata(Some(topic), ANSWER)?;
        let count = metadata.topics().first().context("no metadata")?.partitions().len();
        if count > 0 {
            return Ok(count);
        }
        anyhow::ensure!(Instant::now() < deadline, "the topic {topic} is not there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running consumer.
pub struct Running {
    state: Arc<State>,
    thread: JoinHandle<anyhow::Result<Seen>>,
}

#[derive(Default)]
struct State {
    stop: AtomicBool,
    /// Of each shard.
    last_beats: Vec<AtomicI64>,
    count: AtomicU64,
}

/// Starts consuming `topic` from its beginning. Its first record may be on its way only.
pub fn start(topic: &str, isolation: Isolation) -> anyhow::Result<Running> {
    start_divided(topic, isolation, 1)
}

/// The same where keys are hashed to so many shards.
pub fn start_divided(topic: &str, isolation: Isolation, shards: u32) -> anyhow::Result<Running> {
    let reader = Reader::new(topic, isolation)?;
    let last_beats = (0..shards).map(|_| AtomicI64::default()).collect();
    let state = Arc::new(State { last_beats, ..State::default() });
    let shared = Arc::clone(&state);
    let thread = std::thread::spawn(move || consume(reader, &shared));
    Ok(Running { state, thread })
}

/// Reads `topic` from its beginning, as `read_committed` consumers do, until `visit` says that a message was the last.
/// Blocking; fails if nothing comes for a minute.
pub(crate) fn until(
    topic: &str,
    mut visit: impl FnMut(&BorrowedMessage<'_>) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let reader = Reader::new(topic, Isolation::Committed)?;
    let mut deadline = Instant::now() + OPEN;
    while Instant::now() < deadline {
        match reader.consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) if visit(&message)? => return Ok(()),
            Some(Ok(_)) => deadline = Instant::now() + OPEN,
            Some(Err(KafkaError::PartitionEOF(_))) | None => {}
            Some(Err(error)) => return Err(error.into()),
        }
    }
    anyhow::bail!("nothing comes for a minute")
}

impl Running {
    /// The highest number of a heartbeat that has come; of the shard that is the furthest behind.
    pub fn last_beat(&self) -> u64 {
        let beats = self.state.last_beats.iter().map(|beat| beat.load(Ordering::Acquire).cast_unsigned());
        beats.min().unwrap_or(0)
    }

    /// How many records have come.
    pub fn count(&self) -> u64 {
        self.state.count.load(Ordering::Relaxed)
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

    /// Waits until so many records have come, or nothing has for a while: what is missing then, the check finds.
    pub async fn until_count(&self, wanted: u64) {
        let (mut known, mut since) = (self.count(), Instant::now());
        while self.count() < wanted && since.elapsed() < SILENCE {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if self.count() > known {
                (known, since) = (self.count(), Instant::now());
            }
        }
    }

    /// Waits until nothing has come for so long.
    pub async fn until_quiet(&self, silence: Duration) {
        let (mut known, mut since) = (self.count(), Instant::now());
        while since.elapsed() < silence {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if self.count() > known {
                (known, since) = (self.count(), Instant::now());
            }
        }
    }

    /// Ends when the topic is read to its end, and gives what was seen.
    pub fn finish(self) -> anyhow::Result<Seen> {
        self.state.stop.store(true, Ordering::Release);
        self.thread.join().map_err(|_| anyhow::anyhow!("the consumer panicked"))?
    }
}

/// How long nothing may come from workers that run.
const SILENCE: Duration = Duration::from_secs(20);

/// Between two arrivals that are told apart.
const APART: Duration = Duration::from_millis(1);

fn consume(reader: Reader, state: &State) -> anyhow::Result<Seen> {
    let shards = state.last_beats.len();
    let mut seen = Seen { arrivals: vec![Vec::new(); shards], ..Seen::default() };
    reader.each(&state.stop, |message| {
        let at = Instant::now();
        let text = message.payload().context("a message without a value")?;
        let mut change: Message = serde_json::from_slice(text)
            .with_context(|| format!("not a change: {}", String::from_utf8_lossy(text)))?;
        let epoch = header(message, "epoch").context("a message without an epoch")?;
        seen.places.insert((message.partition(), message.offset()), epoch.parse()?);
        change.gtid = header(message, "gtid").map(str::to_owned);
        let shard = shard_of(change.data.id, shards as u64) as usize;
        if change.table == "beat" {
            seen.beats.push((at, change.data.id));
            state.last_beats[shard].fetch_max(change.data.v, Ordering::AcqRel);
        } else {
            seen.messages.push(change);
        }
        state.count.fetch_add(1, Ordering::Relaxed);
        seen.arrived(shard, at, state.last_beats[shard].load(Ordering::Acquire));
        Ok(())
    })?;
    Ok(seen)
}

fn header<'a>(message: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a str> {
    let value = message.headers()?.iter().find(|header| header.key == name)?.value?;
    std::str::from_utf8(value).ok()
}
