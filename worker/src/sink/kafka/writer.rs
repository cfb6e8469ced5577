//! One shard's producer: rows and the position in one transaction, or, at least once, rows by an idempotent producer
//! and the position, over acknowledged rows only, by the fenced one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use maxwell_protocol::position::{PositionKey, PositionRecord};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tokio::sync::Notify;

use super::super::{CatalogEntry, Chunk, Record, SinkError, Writer};
use super::deliveries::Deliveries;
use super::ending::Ending;
use super::flush::flush;
use super::limits::batch_size;
use super::patience::{Look, Patience, Wait};
use super::time::RecordTime;
use super::topics::{Target, Topics};
use super::{catalog, classify};
use crate::encode::key::partition;

/// Between two tries to put a row into a full queue.
const PAUSE: Duration = Duration::from_micros(200);
/// How long a wait for acknowledgements takes no notice of refusals.
const LOOK: Duration = Duration::from_millis(20);
/// How long the reports are waited for that say why a transaction has failed.
const REPORTS: Duration = Duration::from_millis(100);

/// How long a shard waits for brokers, and who is told when that becomes long.
pub(super) struct Waiting {
    pub(super) patience: Arc<Patience>,
    pub(super) told: Arc<Notify>,
}

impl Waiting {
    fn begin(&self) -> Wait {
        self.patience.wait(Instant::now())
    }

    /// `left`: what is unanswered. An error once nothing was answered for too long: the producer is to be replaced.
    fn look(&self, wait: &mut Wait, left: i32, doing: &'static str) -> Result<(), SinkError> {
        match wait.look(left, Instant::now()) {
            Look::Wait => Ok(()),
            Look::Doubt => {
                self.told.notify_one();
                Ok(())
            }
            Look::Over(silent) => {
                self.patience.ran_out();
                let reason = format!("the brokers have not answered for {:.1} s", silent.as_secs_f64());
                Err(SinkError::Failed { doing, reason })
            }
        }
    }
}

/// What all records of a chunk bear.
#[derive(Clone, Copy)]
struct Stamp<'a> {
    epoch: &'a str,
    time: i64,
}

/// See the module.
pub(super) struct KafkaWriter {
    // Before its other holder, which then ends it on a thread of its own.
    fenced: Arc<BaseProducer<Deliveries>>,
    ending: Ending,
    rows: Option<BaseProducer<Deliveries>>,
    position_topic: String,
    position_partition: i32,
    position_key: Vec<u8>,
    owner: PositionKey,
    /// Followed tables that the next commit takes along.
    catalog: Vec<CatalogEntry>,
    topics: Topics,
    in_transaction: bool,
    waiting: Waiting,
    time: Arc<RecordTime>,
}

impl KafkaWriter {
    pub(super) fn new(
        fenced: BaseProducer<Deliveries>,
        rows: Option<BaseProducer<Deliveries>>,
        position_topic: String,
        position_partition: i32,
        key: &PositionKey,
        (topics, waiting, time): (Topics, Waiting, Arc<RecordTime>),
    ) -> Result<Self, SinkError> {
        let position_key = serde_json::to_vec(key).map_err(|error| SinkError::Failed {
            doing: "write the position's key",
            reason: error.to_string(),
        })?;
        let fenced = Arc::new(fenced);
        Ok(Self {
            ending: Ending::of(Arc::clone(&fenced))?,
            fenced,
            rows,
            position_topic,
            position_partition,
            position_key,
            owner: key.clone(),
            catalog: Vec::new(),
            topics,
            in_transaction: false,
            waiting,
            time,
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
        stamp: Stamp<'_>,
    ) -> Result<(), SinkError> {
        let record = &chunk.records[index];
        let (topic, value) = (chunk.topic(record), chunk.value(record));
        let size = batch_size(chunk, record, value, stamp.epoch);
        if size <= target.limit {
            return self.send(chunk, record, (topic, value), target, stamp);
        }
        let Some((dead, skeleton)) = chunk.spare(index) else {
            return Err(too_large(chunk, record, (topic, size, target.limit)));
        };
        let known = self.topics.target(self.fenced.client(), dead)?;
        let needed = batch_size(chunk, record, skeleton, stamp.epoch);
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
        self.send(chunk, record, (dead, skeleton), known, stamp)
    }

    fn send(
        &self,
        chunk: &Chunk,
        record: &Record,
        (topic, value): (&str, &[u8]),
        target: Target,
        stamp: Stamp<'_>,
    ) -> Result<(), SinkError> {
        let producer = self.rows.as_ref().unwrap_or(&self.fenced);
        let mut headers = OwnedHeaders::new_with_capacity(3)
            .insert(Header { key: "id", value: Some(chunk.id(record)) })
            .insert(Header { key: "epoch", value: Some(stamp.epoch) });
        if let Some(gtid) = chunk.gtid(record) {
            headers = headers.insert(Header { key: "gtid", value: Some(gtid) });
        }
        let message = BaseRecord::to(topic)
            .partition(partition(record.partition_hash, target.partitions))
            .key(chunk.key(record))
            .payload(value)
            .headers(headers)
            .timestamp(stamp.time);
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
        let mut wait = self.waiting.begin();
        while refused == KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
            std::thread::sleep(PAUSE);
            producer.poll(Duration::ZERO);
            producer.context().check()?;
            self.waiting.look(&mut wait, producer.in_flight_count(), "produce a row")?;
            match producer.send(message) {
                Ok(()) => return Ok(()),
                Err((error, back)) => (refused, message) = (error, back),
            }
        }
        Err(classify("produce a row", &refused))
    }

    /// Sends what still waits for a larger batch and waits until everything is acknowledged.
    fn drain(&self, producer: &BaseProducer<Deliveries>) -> Result<(), SinkError> {
        let mut wait = self.waiting.begin();
        loop {
            let acknowledged = flush(producer, LOOK);
            producer.poll(Duration::ZERO);
            producer.context().check()?;
            // A failed delivery that was not looked at yet counts too.
            let left = producer.in_flight_count();
            if acknowledged && left == 0 {
                return Ok(());
            }
            self.waiting.look(&mut wait, left, "deliver rows")?;
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

impl Drop for KafkaWriter {
    /// A producer with a transaction open may take long to end: its thread does that alone.
    fn drop(&mut self) {
        if !self.in_transaction {
            self.ending.close();
        }
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
    /// A producer whose transaction has failed purges its queue, and each row reports that before the cause.
    fn cause(&self, error: SinkError) -> SinkError {
        let error = match (self.fenced.client().fatal_error(), error) {
            (Some((code, _)), error) => match classify("write", &KafkaError::Global(code)) {
                SinkError::Fenced => SinkError::Fenced,
                _ => error,
            },
            (None, SinkError::Failed { doing, reason }) => self
                .refused_time()
                .or_else(|| self.purged_for().map(|cause| classify("deliver rows", &cause)))
                .unwrap_or(SinkError::Failed { doing, reason }),
            (None, error) => error,
        };
        match &error {
            SinkError::Bounds(_) => self.topics.forget(),
            SinkError::Time(_) => self.time.refused(),
            _ => {}
        }
        error
    }

    /// Whether a time that was refused has brought everything else about.
    fn refused_time(&self) -> Option<SinkError> {
        let begun = Instant::now();
        let producer = self.rows.as_ref().unwrap_or(&self.fenced);
        let deliveries = producer.context();
        while producer.in_flight_count() > 0 && !deliveries.tell_of_time() && begun.elapsed() < REPORTS {
            producer.poll(LOOK);
        }
        if deliveries.tell_of_time() { deliveries.check().err() } else { None }
    }

    /// Why the transaction has failed whose rows were purged.
    fn purged_for(&self) -> Option<KafkaError> {
        let purged = [RDKafkaErrorCode::PurgeQueue, RDKafkaErrorCode::PurgeInflight];
        self.fenced.context().failure()?.rdkafka_error_code().filter(|code| purged.contains(code))?;
        // Refused with that reason, until it is aborted, which this producer's never is.
        self.fenced.begin_transaction().err().filter(
            |refused| matches!(refused, KafkaError::Transaction(refused) if refused.txn_requires_abort()),
        )
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
        let stamp = Stamp { epoch: &epoch, time: self.time.now() };
        // The index of a dead-letter topic stands for nothing that is sent, mostly.
        let mut targets: Vec<Option<Target>> = vec![None; chunk.topics.len()];
        for (index, record) in chunk.records.iter().enumerate() {
            let known = &mut targets[record.topic as usize];
            let target = match *known {
                Some(target) => target,
                None => *known.insert(self.topics.target(self.fenced.client(), chunk.topic(record))?),
            };
            self.send_fitting(chunk, index, target, stamp)?;
        }
        let producer = self.rows.as_ref().unwrap_or(&self.fenced);
        producer.poll(Duration::ZERO);
        producer.context().check()
    }

    fn send_catalog(&mut self, time: i64) -> Result<(), SinkError> {
        let failed = |error: serde_json::Error| SinkError::Failed {
            doing: "write a followed table",
            reason: error.to_string(),
        };
        for entry in std::mem::take(&mut self.catalog) {
            let key = serde_json::to_vec(&catalog::key(&self.owner, &entry)).map_err(failed)?;
            let value = entry.record.map(|record| serde_json::to_vec(&record)).transpose().map_err(failed)?;
            let mut message = BaseRecord::to(&self.position_topic)
                .partition(self.position_partition)
                .key(key.as_slice())
                .timestamp(time);
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
        let time = self.time.now();
        self.send_catalog(time)?;
        let value = serde_json::to_vec(record)
            .map_err(|error| SinkError::Failed { doing: "write the position", reason: error.to_string() })?;
        let message = BaseRecord::to(&self.position_topic)
            .partition(self.position_partition)
            .key(&self.position_key)
            .payload(&value)
            .timestamp(time);
        self.fenced.send(message).map_err(|(error, _)| classify("produce the position", &error))?;
        self.drain(&self.fenced)?;
        #[cfg(feature = "failpoints")]
        fail::fail_point!("after-produce");
        #[cfg(feature = "failpoints")]
        fail::fail_point!("commit-begun");
        self.end_transaction()?;
        self.in_transaction = false;
        self.time.taken(time);
        #[cfg(feature = "failpoints")]
        fail::fail_point!("commit-answered");
        Ok(())
    }

    /// The outcome of one that is waited for no longer is unknown, as after a crash: whoever comes next finds it out.
    fn end_transaction(&self) -> Result<(), SinkError> {
        self.ending.begin();
        let mut wait = self.waiting.begin();
        loop {
            if let Some(outcome) = self.ending.outcome(wait.time(Instant::now())) {
                outcome?.map_err(|error| classify("commit", &error))?;
                self.waiting.patience.rewarded();
                return Ok(());
            }
            self.waiting.look(&mut wait, 1, "commit")?;
        }
    }
}
