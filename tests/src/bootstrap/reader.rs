//! A `read_committed` consumer of a copy, on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use serde::Deserialize;

use super::check::{Event, Kind};
use crate::lab::BROKER;

/// How long the topic must stay silent, once told to stop, to count as read to its end.
const QUIET: Duration = Duration::from_secs(3);

#[derive(Deserialize)]
struct Message<'a> {
    table: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    data: Row,
    old: Option<Old>,
}

#[derive(Deserialize)]
struct Old {
    id: Option<i64>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    id: i64,
    v: Option<i64>,
    pad: Option<serde::de::IgnoredAny>,
}

/// Counts while it runs.
#[derive(Default)]
pub struct Counts {
    /// Copied rows.
    pub copied: AtomicU64,
    /// The stream's rows.
    pub streamed: AtomicU64,
    /// Whether the copy is complete.
    pub complete: AtomicBool,
    stop: AtomicBool,
}

/// A running consumer.
pub struct Running {
    /// What it saw so far.
    pub counts: Arc<Counts>,
    thread: JoinHandle<anyhow::Result<Vec<Event>>>,
}

/// Reads every partition of `topic` from its beginning; messages of other tables than `table` are left out.
pub fn start(topic: &str, partitions: i32, table: &str) -> anyhow::Result<Running> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", BROKER)
        .set("group.id", "maxwell-tests")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let counts = Arc::new(Counts::default());
    let (counting, table) = (Arc::clone(&counts), table.to_owned());
    let thread = std::thread::spawn(move || consume(&consumer, &counting, &table));
    Ok(Running { counts, thread })
}

impl Running {
    /// Ends when the topic is read to its end, and gives what was seen.
    pub fn finish(self) -> anyhow::Result<Vec<Event>> {
        self.counts.stop.store(true, Ordering::Release);
        self.thread.join().map_err(|_| anyhow::anyhow!("the consumer panicked"))?
    }
}

fn consume(consumer: &BaseConsumer, counts: &Counts, table: &str) -> anyhow::Result<Vec<Event>> {
    let mut seen = Vec::new();
    let mut last = Instant::now();
    // What is deleted with a minimal image has no value: it is as old as what came before.
    let mut latest = 0;
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(message) => {
                let message = message?;
                last = Instant::now();
                let text = message.payload().context("a message without a value")?;
                let message: Message<'_> = serde_json::from_slice(text)
                    .with_context(|| format!("not a change: {}", String::from_utf8_lossy(text)))?;
                if message.table == table {
                    let kind = kind(&message, counts)?;
                    let value = message.data.v.unwrap_or(latest);
                    latest = value.max(latest);
                    // The row was moved: its old key is gone.
                    if let Some(id) = message.old.as_ref().and_then(|old| old.id) {
                        seen.push(Event { kind: Kind::Deleted, id, value });
                    }
                    seen.push(Event { kind, id: message.data.id, value });
                }
            }
            None if counts.stop.load(Ordering::Acquire) && last.elapsed() > QUIET => return Ok(seen),
            None => {}
        }
    }
}

fn kind(message: &Message<'_>, counts: &Counts) -> anyhow::Result<Kind> {
    let (kind, counter) = match message.kind {
        "update" if message.data.pad.is_none() => (Kind::Changed, Some(&counts.streamed)),
        "insert" | "update" => (Kind::Written, Some(&counts.streamed)),
        "delete" => (Kind::Deleted, Some(&counts.streamed)),
        "bootstrap-insert" => (Kind::Copied, Some(&counts.copied)),
        "bootstrap-start" => (Kind::Start, None),
        "bootstrap-complete" => {
            counts.complete.store(true, Ordering::Release);
            (Kind::Complete, None)
        }
        other => anyhow::bail!("a message of type {other}"),
    };
    if let Some(counter) = counter {
        counter.fetch_add(1, Ordering::AcqRel);
    }
    Ok(kind)
}
