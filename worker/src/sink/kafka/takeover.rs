//! Take-over: proof, `init_transactions` in short attempts, proof, position.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use maxwell_protocol::position::{PositionKey, PositionMirror, PositionRecord};
use maxwell_protocol::settings::{Delivery, Kafka};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer};

use super::super::{Sink, SinkError, TakenOver};
use super::catalog::Followed;
use super::limits::{Bounds, Limits};
use super::positions::{End, Found, Readers, ensure_topic, last_record};
use super::topics::Topics;
use super::writer::{Deliveries, KafkaWriter};
use super::{classify, config};
use crate::coordination::{Ownership, ShardContext};

/// The first attempt's time; each next one gets twice as much. The client's own retry waits 500 ms while the
/// coordinator ends the predecessor's transaction, which takes far less.
const FIRST_ATTEMPT: Duration = Duration::from_millis(40);
const LONGEST_ATTEMPT: Duration = Duration::from_secs(10);
/// After this long without success the caller is told.
const PATIENCE: Duration = Duration::from_secs(30);
const CHECK: Duration = Duration::from_secs(2);
/// Producers that are kept connected for shards of others: each has threads of its own.
const MOST_WARM: usize = 16;
/// One that is not looked after for this long is of a shard that this member would not be given any more.
const COLD: Duration = Duration::from_secs(20);

/// A connected producer, what it is made for, when it was last looked after.
type Warm = (Bounds, BaseProducer<Deliveries>, Instant);

/// A Kafka cluster as sink.
pub struct KafkaSink {
    settings: Kafka,
    position_topic: String,
    /// Kept connected, so that neither a question nor a take-over has to wait for that.
    readers: OnceLock<Arc<Readers>>,
    /// Producers that are connected, but not initialised, by transactional id.
    warm: Mutex<HashMap<String, Warm>>,
    limits: Arc<Limits>,
    /// For how many shards the position topic is known to be there and fit.
    topic: tokio::sync::Mutex<u32>,
    /// The followed tables of every shard that was warmed or taken over, by its partition.
    followed: Mutex<HashMap<i32, Arc<Mutex<Followed>>>>,
}

impl KafkaSink {
    /// For a cluster of workers named `cluster`.
    pub fn new(settings: Kafka, cluster: &str) -> Self {
        let position_topic =
            settings.position_topic.clone().unwrap_or_else(|| format!("{cluster}.positions"));
        Self {
            settings,
            position_topic,
            readers: OnceLock::new(),
            warm: Mutex::default(),
            limits: Arc::default(),
            topic: tokio::sync::Mutex::default(),
            followed: Mutex::default(),
        }
    }

    /// Makes and checks the position topic, once for as many shards. A standby does it before it is needed.
    pub async fn prepare(&self, shards: u32) -> Result<(), SinkError> {
        let mut known = self.topic.lock().await;
        if *known < shards {
            ensure_topic(&self.settings, &self.position_topic, shards).await?;
            *known = shards;
        }
        Ok(())
    }

    fn readers(&self) -> Result<Arc<Readers>, SinkError> {
        let readers = match self.readers.get() {
            Some(readers) => readers,
            None => {
                let made = Arc::new(Readers::new(&self.settings)?);
                self.readers.get_or_init(|| made)
            }
        };
        Ok(Arc::clone(readers))
    }

    /// Whether the brokers answer. Blocking, for a few seconds at most.
    pub fn check(&self) -> Result<(), SinkError> {
        self.readers()?.touch(&self.position_topic, CHECK)
    }

    fn take_warm(&self, id: &str, bounds: Bounds) -> Option<BaseProducer<Deliveries>> {
        let kept = lock(&self.warm).remove(id);
        kept.filter(|(of, ..)| *of == bounds).map(|(_, producer, _)| producer)
    }

    /// Whether another producer may be kept warm, once those are gone that nobody looks after any more.
    fn has_room(&self) -> bool {
        let mut warm = lock(&self.warm);
        warm.retain(|_, (_, _, at)| at.elapsed() < COLD);
        warm.len() < MOST_WARM
    }

    /// What a producer has to be made for. Topics with placeholders are learned of when they are met.
    async fn bounds(&self) -> Result<Bounds, SinkError> {
        for topic in
            [Some(&self.settings.topic), self.settings.dead_letter_topic.as_ref()].into_iter().flatten()
        {
            if !topic.contains("%{") {
                self.limits.of(&self.settings, topic).await?;
            }
        }
        Ok(self.limits.bounds())
    }

    async fn fence(
        &self,
        context: &ShardContext,
        ownership: &dyn Ownership,
        bounds: Bounds,
    ) -> Result<BaseProducer<Deliveries>, SinkError> {
        let id = context.cluster.transactional_id(&context.shard);
        let begun = Instant::now();
        let mut attempt = FIRST_ATTEMPT;
        loop {
            // Begun after the last failure: an owner that woke up late finds here that it is none any more.
            ownership.prove().await?;
            let config = config::transactional(&self.settings, bounds, &id);
            let warm = self.take_warm(&id, bounds);
            let (timeout, topic) = (attempt, self.position_topic.clone());
            let initialised = tokio::task::spawn_blocking(move || {
                let producer = match warm {
                    Some(producer) => producer,
                    None => connected(&config, &topic)?,
                };
                producer.init_transactions(timeout).map(|()| producer)
            })
            .await
            .map_err(|error| SinkError::Failed {
                doing: "initialise the producer",
                reason: error.to_string(),
            })?;
            match initialised {
                Ok(producer) => {
                    tracing::debug!(?attempt, elapsed = ?begun.elapsed(), "the producer is initialised");
                    ownership.prove().await?;
                    return Ok(producer);
                }
                Err(error) if may_heal(&error) && begun.elapsed() < PATIENCE => {
                    tracing::debug!(%error, ?attempt, elapsed = ?begun.elapsed(), "the producer is not initialised yet");
                    attempt = (attempt * 2).min(LONGEST_ATTEMPT);
                }
                Err(error) => return Err(classify("initialise the producer", &error)),
            }
        }
    }
}

impl KafkaSink {
    /// Reads the followed tables of the shard whose position has `key` on, and hands them to `then`.
    async fn followed<T: Send + 'static>(
        &self,
        (partition, key): (i32, PositionKey),
        end: End,
        then: impl FnOnce(&Followed) -> T + Send + 'static,
    ) -> Result<T, SinkError> {
        let (readers, topic) = (self.readers()?, self.position_topic.clone());
        let followed = Arc::clone(lock(&self.followed).entry(partition).or_default());
        let reading = Instant::now();
        let read = tokio::task::spawn_blocking(move || {
            let mut followed = lock(&followed);
            followed.read_on(&readers, &topic, (partition, &key), end).map(|()| then(&followed))
        });
        let found = read.await.map_err(|error| SinkError::Failed {
            doing: "read the followed tables",
            reason: error.to_string(),
        })?;
        tracing::debug!(elapsed = ?reading.elapsed(), ?end, "the followed tables are read");
        found
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A producer that is connected to the broker that it has learned of. Without that, its initialisation would not
/// begin at once but at the client's next look, half a second later.
fn connected(config: &ClientConfig, topic: &str) -> Result<BaseProducer<Deliveries>, KafkaError> {
    let producer: BaseProducer<Deliveries> = config.create_with_context(Deliveries::default())?;
    // The first answer comes through the bootstrap connection, which the client then closes; the second one only
    // when the learned broker's own connection is up.
    for _ in 0..2 {
        producer.client().fetch_metadata(Some(topic), CHECK)?;
    }
    Ok(producer)
}

fn may_heal(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => {
            error.is_retriable()
                || matches!(
                    error.code(),
                    RDKafkaErrorCode::OperationTimedOut
                        | RDKafkaErrorCode::MessageTimedOut
                        | RDKafkaErrorCode::RequestTimedOut
                        | RDKafkaErrorCode::ConcurrentTransactions
                )
        }
        _ => false,
    }
}

#[async_trait]
impl Sink for KafkaSink {
    async fn take_over(
        &self,
        context: &ShardContext,
        ownership: &dyn Ownership,
    ) -> Result<TakenOver, SinkError> {
        self.prepare(context.layout.shards).await?;
        let bounds = self.bounds().await?;
        let producer = self.fence(context, ownership, bounds).await?;
        #[cfg(feature = "failpoints")]
        fail::fail_point!("after-init");
        let (readers, topic) = (self.readers()?, self.position_topic.clone());
        let key = PositionKey { cluster: context.cluster, shard: context.shard.clone() };
        let partition = context.number as i32;
        let wanted = key.clone();
        let reading = Instant::now();
        let found = tokio::task::spawn_blocking(move || last_record(&readers, &topic, partition, &wanted))
            .await
            .map_err(|error| SinkError::Failed { doing: "read the position", reason: error.to_string() })??;
        tracing::debug!(elapsed = ?reading.elapsed(), "the position is read");
        #[cfg(feature = "failpoints")]
        fail::fail_point!("after-read");
        let mirror = ownership.mirrored().await?;
        let (last, last_at) = match found {
            Found::Record(record, _)
                if mirror.as_ref().is_some_and(|mirror| mirror.sequence > record.sequence) =>
            {
                return Err(rewound(&self.position_topic, &record));
            }
            Found::Record(record, at) => (Some(*record), at),
            Found::Foreign => return Err(foreign(&self.position_topic)),
            Found::Nothing => {
                refuse_lost_topic(mirror, &self.position_topic)?;
                (None, None)
            }
        };
        let rows = match self.settings.delivery {
            Delivery::ExactlyOnce => None,
            Delivery::AtLeastOnce => Some(
                config::idempotent(&self.settings, bounds)
                    .create_with_context(Deliveries::default())
                    .map_err(|error| classify("make the producer of rows", &error))?,
            ),
        };
        let topics = Topics::new(self.settings.clone(), Arc::clone(&self.limits), bounds);
        let writer = KafkaWriter::new(producer, rows, self.position_topic.clone(), partition, &key, topics)?;
        let catalog = match last.as_ref().and_then(|last| last.catalog) {
            Some(capture) => {
                self.followed((partition, key), End::Written, move |found| found.of(capture)).await?
            }
            None => Vec::new(),
        };
        Ok(TakenOver { writer: Box::new(writer), last, last_at, catalog })
    }

    async fn warm(&self, context: &ShardContext) -> Result<(), SinkError> {
        self.prepare(context.layout.shards).await?;
        let id = context.cluster.transactional_id(&context.shard);
        let bounds = self.bounds().await?;
        let kept = self.take_warm(&id, bounds);
        if kept.is_none() && !self.has_room() {
            return Ok(());
        }
        let config = config::transactional(&self.settings, bounds, &id);
        let topic = self.position_topic.clone();
        let connecting = tokio::task::spawn_blocking(move || match kept {
            Some(producer) => {
                producer.client().fetch_metadata(Some(&topic), CHECK)?;
                Ok(producer)
            }
            None => connected(&config, &topic),
        });
        let connected = connecting.await.map_err(|error| SinkError::Failed {
            doing: "connect the producer",
            reason: error.to_string(),
        })?;
        let producer = connected.map_err(|error| classify("connect the producer", &error))?;
        lock(&self.warm).insert(id, (bounds, producer, Instant::now()));
        let key = PositionKey { cluster: context.cluster, shard: context.shard.clone() };
        self.followed((context.number as i32, key), End::Committed, |_| ()).await
    }
}

fn foreign(topic: &str) -> SinkError {
    SinkError::Unfit {
        problem: format!("the position topic {topic} holds the positions of another cluster"),
        mend: "name another kafka.positionTopic, or delete that topic to start afresh".into(),
    }
}

/// The mirror is written after the record: one that is ahead shows that Kafka has lost records, and with them the knowledge
/// of what was sent.
fn rewound(topic: &str, record: &PositionRecord) -> SinkError {
    SinkError::Unfit {
        problem: format!(
            "the position topic {topic} has lost records: its last is number {} at {}:{}, and newer ones were committed",
            record.sequence, record.position.file, record.position.offset
        ),
        mend: "restore the topic, or set mysql.start under a new zookeeper.root".into(),
    }
}

/// "No record" counts only if the mirror has none either: otherwise the topic was lost, and `start` would lose
/// changes in silence.
fn refuse_lost_topic(mirror: Option<PositionMirror>, topic: &str) -> Result<(), SinkError> {
    let Some(mirror) = mirror else { return Ok(()) };
    Err(SinkError::Unfit {
        problem: format!(
            "the position topic {topic} is empty, but the shard was at {}:{} (GTID set '{}')",
            mirror.binlog_file, mirror.binlog_position, mirror.gtid_set
        ),
        mend: "restore the topic, or set mysql.start to that position under a new zookeeper.root".into(),
    })
}
