//! Kafka as a sink: what a take-over asks of the brokers, with their client library.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::future::try_join_all;
use maxwell_protocol::id::{ClusterId, ShardId};
use maxwell_protocol::position::{PositionKey, PositionRecord};
use maxwell_protocol::settings::{Delivery, Kafka, Strategy};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer};
use tokio::sync::Notify;

use super::super::{CatalogEntry, Sink, SinkError, TakenOver};
use super::catalog::{Followed, Log};
use super::deliveries::Deliveries;
use super::forget::forget;
use super::initialisation::Begun;
use super::limits::{Bounds, Limits};
use super::patience::Patience;
use super::position_topic::ensure_topic;
use super::positions::{Readers, Until};
use super::refusal::explained;
use super::steps::{Brokers, End, Found, Refused, Succession, latest_record, succeed};
use super::time::RecordTime;
use super::topics::Topics;
use super::writer::{KafkaWriter, Waiting};
use super::{classify, config};
use crate::coordination::{Ownership, ShardContext};

const CHECK: Duration = Duration::from_secs(2);
/// Producers that are kept connected for shards of others: each has threads of its own.
const MOST_WARM: usize = 16;
/// One that is not looked after for this long is of a shard that this member would not be given any more.
const COLD: Duration = Duration::from_secs(20);

/// A connected producer, what it is made for, when it was last looked after.
type Warm = (Bounds, BaseProducer<Deliveries>, Instant);

/// The followed tables of one shard.
type Shared = Arc<Mutex<Followed>>;

/// A Kafka cluster as sink.
pub struct KafkaSink {
    settings: Kafka,
    position_topic: String,
    /// Kept connected, so that neither a question nor a take-over has to wait for that.
    readers: OnceLock<Arc<Readers>>,
    /// Producers that are connected, but not initialised, by transactional id.
    warm: Mutex<HashMap<String, Warm>>,
    limits: Arc<Limits>,
    /// Told when a shard waits for the brokers.
    waiting: Arc<Notify>,
    /// How long each shard does, by its partition.
    patience: Mutex<HashMap<i32, Arc<Patience>>>,
    time: Arc<RecordTime>,
    /// For how many shards the position topic is known to be there and fit.
    topic: tokio::sync::Mutex<u32>,
    /// The followed tables of every shard that was warmed or taken over, by its partition and name: other layouts may
    /// give a partition to another shard.
    followed: Mutex<HashMap<(i32, ShardId), Shared>>,
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
            waiting: Arc::default(),
            patience: Mutex::default(),
            time: Arc::default(),
            topic: tokio::sync::Mutex::default(),
            followed: Mutex::default(),
        }
    }

    /// Makes and checks the position topic, once for as many shards. A standby does it before it is needed.
    pub async fn prepare(&self, shards: u32) -> Result<(), SinkError> {
        let mut known = self.topic.lock().await;
        if *known >= shards {
            return Ok(());
        }
        match ensure_topic(&self.settings, &self.position_topic, shards).await {
            Ok(()) => *known = shards,
            Err(error @ SinkError::Failed { .. }) => return Err(explained(&self.settings, error).await),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Deletes the position topic, unless another cluster than `cluster` has positions on it.
    pub async fn forget(&self, cluster: ClusterId) -> Result<(), SinkError> {
        forget(&self.settings, &self.position_topic, cluster).await
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

    /// Whether the brokers answer; `again`: behind a question in vain, so that who leads is asked first. Blocking, for
    /// `patience` at most.
    pub fn check(&self, patience: Duration, again: bool) -> Result<(), SinkError> {
        self.readers()?.touch(&self.position_topic, patience, again)
    }

    /// Completes when the brokers keep a shard of this process waiting: it is worth asking whether they answer.
    pub async fn keeps_waiting(&self) {
        self.waiting.notified().await;
    }

    fn waiting(&self, partition: i32) -> Waiting {
        let most = Duration::from_secs(u64::from(self.settings.transaction_timeout_seconds));
        let mut known = lock(&self.patience);
        let patience = known.entry(partition).or_insert_with(|| Arc::new(Patience::new(most)));
        Waiting { patience: Arc::clone(patience), told: Arc::clone(&self.waiting) }
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
}

/// One shard, as it is taken over.
struct Shard<'a> {
    sink: &'a KafkaSink,
    readers: Arc<Readers>,
    transactional_id: String,
    bounds: Bounds,
    partition: i32,
    key: PositionKey,
    begun: Begun,
    /// Up to which offset its partition was read.
    read_to: AtomicI64,
}

impl Shard<'_> {
    /// The client library's calls block.
    async fn ask<T: Send + 'static>(
        &self,
        doing: &'static str,
        question: impl FnOnce(&Readers, &str, i32, &PositionKey) -> Result<T, SinkError> + Send + 'static,
    ) -> Result<T, SinkError> {
        let (readers, topic) = (Arc::clone(&self.readers), self.sink.position_topic.clone());
        let (partition, key) = (self.partition, self.key.clone());
        tokio::task::spawn_blocking(move || question(&readers, &topic, partition, &key))
            .await
            .map_err(|error| SinkError::Failed { doing, reason: error.to_string() })?
    }
}

impl KafkaSink {
    fn shard(
        &self,
        context: &ShardContext,
        (shard, number): (&ShardId, u32),
        bounds: Bounds,
    ) -> Result<Shard<'_>, SinkError> {
        Ok(Shard {
            sink: self,
            readers: self.readers()?,
            transactional_id: context.cluster.transactional_id(shard),
            bounds,
            partition: number as i32,
            key: PositionKey { cluster: context.cluster, shard: shard.clone() },
            begun: Begun::default(),
            read_to: AtomicI64::default(),
        })
    }

    /// The last committed record of a shard of others, with its number.
    async fn latest(
        &self,
        context: &ShardContext,
        (shard, number): (&ShardId, u32),
    ) -> Result<Option<(u32, PositionRecord)>, SinkError> {
        let other = self.shard(context, (shard, number), self.limits.bounds())?;
        Ok(latest_record(&other).await?.map(|record| (number, record)))
    }

    /// Lets `read` go on with the followed tables of the shard whose position has `key`.
    async fn followed<T: Send + 'static>(
        &self,
        (partition, key): (i32, PositionKey),
        read: impl FnOnce(&mut Followed, &Log<'_>) -> Result<T, SinkError> + Send + 'static,
    ) -> Result<T, SinkError> {
        let (readers, topic) = (self.readers()?, self.position_topic.clone());
        let followed = Arc::clone(lock(&self.followed).entry((partition, key.shard.clone())).or_default());
        let reading = Instant::now();
        let read = tokio::task::spawn_blocking(move || {
            let log = Log { readers: &readers, topic: &topic, partition, owner: &key };
            read(&mut lock(&followed), &log)
        });
        let found = read.await.map_err(|error| SinkError::Failed {
            doing: "read the followed tables",
            reason: error.to_string(),
        })?;
        tracing::debug!(elapsed = ?reading.elapsed(), "the followed tables are read");
        found
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Brokers for Shard<'_> {
    type Producer = BaseProducer<Deliveries>;

    async fn initialise(&self, time: Duration) -> Result<Self::Producer, Refused> {
        let config = config::transactional(&self.sink.settings, self.bounds, &self.transactional_id)
            .map_err(|error| Refused { heals: false, busy: false, error })?;
        let warm = self.sink.take_warm(&self.transactional_id, self.bounds);
        let topic = self.sink.position_topic.clone();
        let make = move || warm.map_or_else(|| connected(&config, &topic), Ok);
        self.begun.go_on(make, time).await
    }

    fn abandon(&self) {
        self.begun.abandon();
    }

    async fn ends(&self, end: End) -> Result<(i64, i64), SinkError> {
        self.ask("read the position", move |readers, topic, partition, _| readers.ends(topic, partition, end))
            .await
    }

    async fn scan(&self, from: i64, to: i64) -> Result<Found, SinkError> {
        self.read_to.store(to, Ordering::Relaxed);
        // The followed tables stand between the positions: whoever was warm has read all but the last few seconds.
        let place = (self.partition, self.key.clone());
        let last = self.sink.followed(place, move |followed, log| followed.last_position(log, to));
        if let Some(last) = last.await? {
            return Ok(last);
        }
        self.ask("read the position", move |readers, topic, partition, key| {
            readers.scan(topic, partition, (from, to), key)
        })
        .await
    }

    fn place(&self) -> String {
        format!("{}-{}", self.sink.position_topic, self.partition)
    }
}

/// A producer that is connected to the broker that it has learned of. Without that, its initialisation would begin with
/// connecting.
fn connected(config: &ClientConfig, topic: &str) -> Result<BaseProducer<Deliveries>, KafkaError> {
    let producer: BaseProducer<Deliveries> = config.create_with_context(Deliveries::default())?;
    // The first answer comes through the bootstrap connection, which the client then closes; the second one only
    // when the learned broker's own connection is up.
    for _ in 0..2 {
        producer.client().fetch_metadata(Some(topic), CHECK)?;
    }
    Ok(producer)
}

#[async_trait]
impl Sink for KafkaSink {
    async fn take_over(
        &self,
        context: &ShardContext,
        ownership: &dyn Ownership,
    ) -> Result<TakenOver, SinkError> {
        // One after the other, which costs something only once: what is wrong with the brokers is explained by the first.
        self.prepare(context.layout.shards).await?;
        let bounds = self.bounds().await?;
        let shard = self.shard(context, (&context.shard, context.number), bounds)?;
        let Succession { producer, last, last_at } = succeed(&shard, ownership).await?;
        let rows = match self.settings.delivery {
            Delivery::ExactlyOnce => None,
            Delivery::AtLeastOnce => Some(
                config::idempotent(&self.settings, shard.bounds)?
                    .create_with_context(Deliveries::default())
                    .map_err(|error| classify("make the producer of rows", &error))?,
            ),
        };
        if let Some(at) = last_at {
            self.time.was_taken(at);
        }
        let topics = Topics::new(self.settings.clone(), Arc::clone(&self.limits), shard.bounds);
        let writer = KafkaWriter::new(
            producer,
            rows,
            self.position_topic.clone(),
            shard.partition,
            &shard.key,
            (topics, self.waiting(shard.partition), Arc::clone(&self.time)),
        )?;
        let catalog = match last.as_ref().and_then(|last| last.catalog) {
            Some(capture) => {
                let (place, read) = ((shard.partition, shard.key), shard.read_to.into_inner());
                self.followed(place, move |followed, log| {
                    followed.read_on(log, Until::Offset(read)).map(|()| followed.of(capture))
                })
                .await?
            }
            None => Vec::new(),
        };
        Ok(TakenOver { writer: Box::new(writer), last, last_at, catalog })
    }

    async fn last_records(
        &self,
        context: &ShardContext,
        of: &[(ShardId, u32)],
    ) -> Result<Vec<(u32, PositionRecord)>, SinkError> {
        let latest = of.iter().map(|(shard, number)| self.latest(context, (shard, *number)));
        Ok(try_join_all(latest).await?.into_iter().flatten().collect())
    }

    async fn followed_by(
        &self,
        context: &ShardContext,
        (shard, number): (ShardId, u32),
        capture: u64,
    ) -> Result<Vec<CatalogEntry>, SinkError> {
        let key = PositionKey { cluster: context.cluster, shard };
        self.followed((number as i32, key), move |followed, log| {
            followed.read_on(log, Until::End(End::High)).map(|()| followed.of(capture))
        })
        .await
    }

    async fn warm(&self, context: &ShardContext) -> Result<(), SinkError> {
        self.prepare(context.layout.shards).await?;
        let id = context.cluster.transactional_id(&context.shard);
        let bounds = self.bounds().await?;
        let kept = self.take_warm(&id, bounds);
        if kept.is_none() && !self.has_room() {
            return Ok(());
        }
        let config = config::transactional(&self.settings, bounds, &id)?;
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
        for (shard, number) in read_from(context) {
            let key = PositionKey { cluster: context.cluster, shard };
            self.followed((number as i32, key), |followed, log| {
                followed.read_on(log, Until::End(End::Stable))
            })
            .await?;
        }
        Ok(())
    }
}

/// The shards whose records a take-over of this one may read.
fn read_from(context: &ShardContext) -> Vec<(ShardId, u32)> {
    let takes_turns = context.layout.strategy == Strategy::Time && context.number < context.layout.hashed();
    match takes_turns {
        true => context.layout.shards().take(context.layout.hashed() as usize).collect(),
        false => vec![(context.shard.clone(), context.number)],
    }
}
