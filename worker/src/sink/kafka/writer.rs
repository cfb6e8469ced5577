//! One shard's producer: rows and the position in one transaction, or, at least once, rows by an idempotent producer
//! and the position, over acknowledged rows only, by the fenced one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use maxwell_protocol::position::{PositionKey, PositionRecord};
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::util::Timeout;

use super::super::{CatalogEntry, Chunk, Record, SinkError, Writer};
use super::flush::flush;
use super::limits::batch_size;
use super::topics::{Target, Topics};
use super::{catalog, classify};
use crate::encode::key::partition;

/// Between two tries to put a row into a full queue.
const PAUSE: Duration = Duration::from_micros(200);
/// How long a wait for acknowledgements takes no notice of refusals.
const LOOK: Duration = Duration::from_millis(20);

/// Remembers the first record that was not delivered.
#[derive(Default)]
pub(super) struct Deliveries {
    failed: AtomicBool,
    first: Mutex<Option<KafkaError>>,
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "Kafka client");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.clone());
            self.failed.store(true, Ordering::Release);
        }
    }
}

impl Deliveries {
    fn check(&self) -> Result<(), SinkError> {
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        match self.first.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(error) => Err(classify("deliver rows", error)),
            None => Ok(()),
        }
    }
}

/// See the module.
pub(super) struct KafkaWriter {
    fenced: BaseProducer<Deliveries>,
    rows: Option<BaseProducer<Deliveries>>,
    position_topic: String,
    position_partition: i32,
    position_key: Vec<u8>,
    owner: PositionKey,
    /// Followed tables that the next commit takes along.
    catalog: Vec<CatalogEntry>,
    topics: Topics,
    in_transaction: bool,
    patience: Duration,
}

impl KafkaWriter {
    pub(super) fn new(
        fenced: BaseProducer<Deliveries>,
        rows: Option<BaseProducer<Deliveries>>,
        position_topic: String,
        position_partition: i32,
        key: &PositionKey,
        topics: Topics,
    ) -> Result<Self, SinkError> {
        let position_key = serde_json::to_vec(key).map_err(|error| SinkError::Failed {
            doing: "write the position's key",
            reason: error.to_string(),
        })?;
        let patience = Duration::from_secs(u64::from(topics.settings().transaction_timeout_seconds));
        Ok(Self {
            fenced,
            rows,
            position_topic,
            position_partition,
            position_key,
            owner: key.clone(),
            catalog: Vec::new(),
            topics,
            in_transaction: false,
            patience,
        })
    }

    fn begin(&mut self) -> Result<(), SinkError> {
        if !self.in_transaction {
            self.fenced.begin_transaction().map_err(|error| classify("begin a transaction", &error))?;
            self.in_transaction = true;
        }
        Ok(())
    }

    /// A row that the topic does not take goes to the dead-letter topic, if there is one.
    fn send_fitting(
        &mut self,
        chunk: &Chunk,
        index: usize,
        target: Target,
        epoch: &str,
    ) -> Result<(), SinkError> {
        let record = &chunk.records[index];
        let (topic, value) = (chunk.topic(record), chunk.value(record));
        let size = batch_size(chunk, record, value, epoch);
        if size <= target.limit {
            return self.send(chunk, record, (topic, value), target, epoch);
        }
        let Some((dead, skeleton)) = chunk.spare(index) else {
            return Err(too_large(chunk, record, (topic, size, target.limit)));
        };
        let known = self.topics.target(self.fenced.client(), dead)?;
        let needed = batch_size(chunk, record, skeleton, epoch);
        if needed > known.limit {
            return Err(too_large(chunk, record, (dead, needed, known.limit)));
        }
        tracing::warn!(
            row = %String::from_utf8_lossy(chunk.id(record)),
            %topic,
            bytes = size,
            limit = target.limit,
            dead_letter_topic = %dead,
            "a row is larger than its topic takes"
        );
        self.send(chunk, record, (dead, skeleton), known, epoch)
    }

    fn send(
        &self,
        chunk: &Chunk,
        record: &Record,
        (topic, value): (&str, &[u8]),
        target: Target,
        epoch: &str,
    ) -> Result<(), SinkError> {
        let producer = self.rows.as_ref().unwrap_or(&self.fenced);
        let mut headers = OwnedHeaders::new_with_capacity(3)
            .insert(Header { key: "id", value: Some(chunk.id(record)) })
            .insert(Header { key: "epoch", value: Some(epoch) });
        if let Some(gtid) = chunk.gtid(record) {
            headers = headers.insert(Header { key: "gtid", value: Some(gtid) });
        }
        let message = BaseRecord::to(topic)
            .partition(partition(record.partition_hash, target.partitions))
            .key(chunk.key(record))
            .payload(value)
            .headers(headers);
        match producer.send(message) {
            Ok(()) => Ok(()),
            Err((error, back)) => self.send_again(producer, error, back),
        }
    }

    /// Waits for room in the client's queue.
    fn send_again(
        &self,
        producer: &BaseProducer<Deliveries>,
        mut refused: KafkaError,
        mut message: BaseRecord<'_, [u8], [u8]>,
    ) -> Result<(), SinkError> {
        let deadline = Instant::now() + self.patience;
        while refused == KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)
            && Instant::now() < deadline
        {
            std::thread::sleep(PAUSE);
            producer.poll(Duration::ZERO);
            producer.context().check()?;
            match producer.send(message) {
                Ok(()) => return Ok(()),
                Err((error, back)) => (refused, message) = (error, back),
            }
        }
        Err(classify("produce a row", &refused))
    }

    /// Sends what still waits for a larger batch and waits until everything is acknowledged.
    fn drain(&self, producer: &BaseProducer<Deliveries>) -> Result<(), SinkError> {
        let deadline = Instant::now() + self.patience;
        loop {
            let acknowledged = flush(producer, LOOK);
            producer.poll(Duration::ZERO);
            producer.context().check()?;
            // A failed delivery that was not looked at yet counts too.
            if acknowledged && producer.in_flight_count() == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                let reason = format!("rows are not acknowledged within {} s", self.patience.as_secs());
                return Err(SinkError::Failed { doing: "deliver rows", reason });
            }
        }
    }
}

/// Names the row, so that the user finds it.
fn too_large(chunk: &Chunk, record: &Record, (topic, size, limit): (&str, usize, usize)) -> SinkError {
    SinkError::TooLarge {
        problem: format!(
            "row {} takes {size} bytes in topic {topic}, which takes {limit}",
            String::from_utf8_lossy(chunk.id(record))
        ),
        mend: format!(
            "raise max.message.bytes of {topic}, or name a topic for such rows with dead_letter_topic"
        ),
    }
}

impl Writer for KafkaWriter {
    fn write(&mut self, chunk: &Chunk, epoch: u64) -> Result<(), SinkError> {
        self.send_all(chunk, epoch).map_err(|error| self.cause(error))
    }

    fn commit(&mut self, record: &PositionRecord) -> Result<(), SinkError> {
        self.commit_with(record).map_err(|error| self.cause(error))
    }
}

impl KafkaWriter {
    /// A fenced producer purges its queue, and each row reports that before the cause.
    fn cause(&self, error: SinkError) -> SinkError {
        if matches!(error, SinkError::Bounds(_)) {
            self.topics.forget();
        }
        match self.fenced.client().fatal_error() {
            Some((code, _)) => match classify("write", &KafkaError::Global(code)) {
                SinkError::Fenced => SinkError::Fenced,
                _ => error,
            },
            None => error,
        }
    }

    fn send_all(&mut self, chunk: &Chunk, epoch: u64) -> Result<(), SinkError> {
        self.catalog.extend_from_slice(&chunk.catalog);
        if chunk.records.is_empty() {
            return Ok(());
        }
        if self.rows.is_none() {
            self.begin()?;
        }
        let epoch = epoch.to_string();
        // The index of a dead-letter topic stands for nothing that is sent, mostly.
        let mut targets: Vec<Option<Target>> = vec![None; chunk.topics.len()];
        for (index, record) in chunk.records.iter().enumerate() {
            let known = &mut targets[record.topic as usize];
            let target = match *known {
                Some(target) => target,
                None => *known.insert(self.topics.target(self.fenced.client(), chunk.topic(record))?),
            };
            self.send_fitting(chunk, index, target, &epoch)?;
        }
        let producer = self.rows.as_ref().unwrap_or(&self.fenced);
        producer.poll(Duration::ZERO);
        producer.context().check()
    }

    fn send_catalog(&mut self) -> Result<(), SinkError> {
        let failed = |error: serde_json::Error| SinkError::Failed {
            doing: "write a followed table",
            reason: error.to_string(),
        };
        for entry in std::mem::take(&mut self.catalog) {
            let key = serde_json::to_vec(&catalog::key(&self.owner, &entry)).map_err(failed)?;
            let value = entry.record.map(|record| serde_json::to_vec(&record)).transpose().map_err(failed)?;
            let mut message =
                BaseRecord::to(&self.position_topic).partition(self.position_partition).key(key.as_slice());
            // Without a value, compaction drops what was known.
            message.payload = value.as_deref();
            if let Err((error, message)) = self.fenced.send(message) {
                self.send_again(&self.fenced, error, message)?;
            }
        }
        Ok(())
    }

    fn commit_with(&mut self, record: &PositionRecord) -> Result<(), SinkError> {
        if let Some(rows) = &self.rows {
            self.drain(rows)?;
        }
        self.begin()?;
        self.send_catalog()?;
        let value = serde_json::to_vec(record)
            .map_err(|error| SinkError::Failed { doing: "write the position", reason: error.to_string() })?;
        let message = BaseRecord::to(&self.position_topic)
            .partition(self.position_partition)
            .key(&self.position_key)
            .payload(&value);
        self.fenced.send(message).map_err(|(error, _)| classify("produce the position", &error))?;
        self.drain(&self.fenced)?;
        #[cfg(feature = "failpoints")]
        fail::fail_point!("after-produce");
        #[cfg(feature = "failpoints")]
        fail::fail_point!("commit-begun");
        // Without a limit of its own: the outcome of a commit that timed out here would be unknown.
        self.fenced.commit_transaction(Timeout::Never).map_err(|error| classify("commit", &error))?;
        self.in_transaction = false;
        #[cfg(feature = "failpoints")]
        fail::fail_point!("commit-answered");
        Ok(())
    }
}
