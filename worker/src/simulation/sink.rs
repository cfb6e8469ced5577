//! The simulated Kafka as a sink: the worker's own order of a take-over over simulated brokers, and a writer whose
//! outcome the worker does not always hear.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use maxwell_protocol::id::ShardId;
use maxwell_protocol::position::PositionRecord;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::ensemble::Zoo;
use super::faults::Point;
use super::log::{Fenced, Initialised, Kafka};
use super::process::{Condition, Process};
use super::world::{Peer, lock};
use crate::coordination::{Ownership, ShardContext};
use crate::sink::kafka::steps::{Brokers, End, Found, Refused, Succession, succeed};
use crate::sink::{Chunk, Sink, SinkError, TakenOver, Writer};

/// How long a question to the brokers may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// When a producer that was refused asks again by itself, unless it is told to before or dropped.
const RETRY: Duration = Duration::from_millis(500);

/// Kafka as one process reaches it.
pub(super) struct SimulatedSink {
    pub(super) process: Arc<Process>,
    pub(super) kafka: Arc<Kafka>,
    pub(super) zoo: Arc<Zoo>,
    /// How many times in a thousand a commit fails without a word on its outcome.
    pub(super) flaky: u64,
}

#[async_trait]
impl Sink for SimulatedSink {
    async fn take_over(
        &self,
        context: &ShardContext,
        ownership: &dyn Ownership,
    ) -> Result<TakenOver, SinkError> {
        self.process.forget_proof(&context.shard);
        let shard = Shard { sink: self, shard: &context.shard, kept: Mutex::default() };
        let Succession { producer, last, last_at } = succeed(&shard, ownership).await?;
        let writer = SimulatedWriter {
            process: Arc::clone(&self.process),
            kafka: Arc::clone(&self.kafka),
            epoch: producer,
            flaky: self.flaky,
        };
        Ok(TakenOver { writer: Box::new(writer), last, last_at, catalog: Vec::new() })
    }

    async fn warm(&self, _: &ShardContext) -> Result<(), SinkError> {
        self.process.runs().await;
        Ok(())
    }
}

fn silent(doing: &'static str) -> SinkError {
    SinkError::Failed { doing, reason: "no broker answers".into() }
}

struct Shard<'a> {
    sink: &'a SimulatedSink,
    shard: &'a ShardId,
    /// What a refused producer is about to do; nothing once that is dropped.
    kept: Mutex<JoinSet<()>>,
}

impl Shard<'_> {
    /// Whether another process holds the shard's lock.
    fn holder_is_another(&self) -> bool {
        self.sink.zoo.holder(self.shard).is_some_and(|holder| holder != self.sink.process.number)
    }

    /// A producer is kept that was refused.
    fn keep(&self) {
        let SimulatedSink { process, kafka, zoo, .. } = self.sink;
        let (process, kafka, zoo) = (Arc::clone(process), Arc::clone(kafka), Arc::clone(zoo));
        let shard = self.shard.clone();
        lock(&self.kept).spawn(async move {
            sleep(RETRY).await;
            // One that was frozen asks when it wakes up, whatever it does: only the proof behind can help then.
            if process.is(Condition::Running) {
                tell_of_fencing(&process, &kafka, zoo.holder(&shard));
                kafka.initialise(process.number);
            }
        });
    }

    /// One attempt, without its limit of time.
    async fn attempt(&self, proved: bool) -> Initialised {
        let SimulatedSink { process, kafka, .. } = self.sink;
        process.send(Peer::Kafka, Point::Init, Duration::MAX).await;
        if !proved {
            tell_of_fencing(process, kafka, self.sink.zoo.holder(self.shard));
        }
        let answer = kafka.initialise(process.number);
        process.hear(Peer::Kafka, Point::Initialised).await;
        answer
    }

    async fn ask(&self, point: Point) -> Result<(), SinkError> {
        let asked = self.sink.process.send(Peer::Kafka, point, PATIENCE).await;
        if asked { Ok(()) } else { Err(silent("read the position")) }
    }
}

/// What is not proved may not fence whoever holds the lock.
fn tell_of_fencing(process: &Process, kafka: &Kafka, holder: Option<u64>) {
    let (late, owner) = (process.number, kafka.process());
    if holder == Some(owner) && owner != late {
        process.world.violated(|| {
            format!("process {late} fences the owner {owner} without a proof of the lock before it")
        });
    }
}

#[async_trait]
impl Brokers for Shard<'_> {
    type Producer = u64;

    async fn initialise(&self, time: Duration) -> Result<u64, Refused> {
        self.abandon();
        let proved = self.sink.process.forget_proof(self.shard);
        let refused = |busy, reason| {
            let error = SinkError::Failed { doing: "initialise the producer", reason };
            Err(Refused { heals: true, busy, error })
        };
        match tokio::time::timeout(time, self.attempt(proved)).await {
            Ok(Initialised::As(epoch)) => Ok(epoch),
            Ok(Initialised::Busy) => {
                self.keep();
                refused(true, "another transaction is being ended".into())
            }
            Err(_) => refused(false, format!("no answer within {time:?}")),
        }
    }

    fn abandon(&self) {
        lock(&self.kept).abort_all();
    }

    async fn ends(&self, end: End) -> Result<(i64, i64), SinkError> {
        self.ask(Point::Ends).await?;
        let process = &self.sink.process;
        if self.holder_is_another() && !process.has_proved(self.shard) {
            let late = process.number;
            process.world.violated(|| {
                format!("process {late} goes on without a proof of the lock after the initialisation")
            });
        }
        let ends = self.sink.kafka.ends(end);
        process.hear(Peer::Kafka, Point::Ends).await;
        Ok(ends)
    }

    async fn scan(&self, from: i64, to: i64) -> Result<Found, SinkError> {
        self.ask(Point::Scan).await?;
        let found = self.sink.kafka.scan(from, to);
        self.sink.process.hear(Peer::Kafka, Point::Scanned).await;
        Ok(found)
    }

    fn place(&self) -> String {
        "simulated-0".into()
    }
}

/// A producer. What takes time, its caller waits for before and after: the brokers act at once.
struct SimulatedWriter {
    process: Arc<Process>,
    kafka: Arc<Kafka>,
    epoch: u64,
    flaky: u64,
}

impl SimulatedWriter {
    fn outcome(&self, outcome: Result<(), Fenced>) -> Result<(), SinkError> {
        outcome.map_err(|Fenced| {
            self.process.world.counts().fenced += 1;
            SinkError::Fenced
        })
    }

    fn unheard(&self) -> SinkError {
        self.process.world.counts().unanswered += 1;
        silent("commit")
    }
}

impl Writer for SimulatedWriter {
    fn write(&mut self, chunk: &Chunk, _: u64) -> Result<(), SinkError> {
        let number = |record| std::str::from_utf8(chunk.value(record)).ok()?.parse().ok();
        let rows: Vec<u64> = chunk.records.iter().filter_map(number).collect();
        self.outcome(self.kafka.produce(self.epoch, &rows))
    }

    fn commit(&mut self, record: &PositionRecord) -> Result<(), SinkError> {
        let world = Arc::clone(&self.process.world);
        self.outcome(self.kafka.produce_position(self.epoch, record))?;
        if world.happens(self.flaky) {
            // The request was lost, arrives late, or its answer was lost.
            return match world.pick(3) {
                0 => Err(self.unheard()),
                1 => {
                    let (kafka, epoch) = (Arc::clone(&self.kafka), self.epoch);
                    tokio::spawn(async move {
                        sleep(world.time(1, 2000)).await;
                        let _late = kafka.commit(epoch);
                    });
                    Err(self.unheard())
                }
                _ => {
                    self.outcome(self.kafka.commit(self.epoch))?;
                    Err(self.unheard())
                }
            };
        }
        self.outcome(self.kafka.commit(self.epoch))
    }
}
