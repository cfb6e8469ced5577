//! The host of shards in a simulated process: the worker's own runs, take-over and committer between the simulated
//! source and the simulated Kafka.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use maxwell_protocol::id::Epoch;
use maxwell_protocol::layout::Barrier;
use maxwell_protocol::live::Tuning;
use maxwell_protocol::member::{Connection, ShardState};
use maxwell_protocol::position::Seal;
use maxwell_protocol::settings::{Commit, Failover, MySql};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::faults::Point;
use super::process::{Condition, Process};
use super::sink::SimulatedSink;
use super::source::{Dump, Rows, SERVER, Source, index, place, position};
use super::world::{Peer, lock};
use crate::coordination::{Health, Ownership, ShardContext, ShardEnd, ShardHost, Vitals};
use crate::engine::beginning::{goes_on_at, inherited};
use crate::engine::committer::{Committer, RecordBase};
use crate::engine::delay::Delay;
use crate::engine::error::EngineError;
use crate::engine::runs::{Reactions, Run, Stopped, Streamer, prepared, read};
use crate::engine::status::{Committed, Observer};
use crate::engine::until::{Reached, Until};
use crate::engine::watcher::{Watcher, mirror};
use crate::sink::{Chunk, Record, Sink, SinkError, TakenOver, Writer};

/// How long Kafka may take to acknowledge rows.
const ACKNOWLEDGED: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct Host {
    process: Arc<Process>,
    sink: SimulatedSink,
    source: Arc<Source>,
    reactions: Reactions,
    observer: Arc<dyn Observer>,
    streaming: Arc<Runs>,
}

/// What a run streams with.
struct Prepared {
    dump: Dump,
    writer: Box<dyn Writer>,
    base: RecordBase,
    until: Until,
    /// The first row.
    from: u64,
}

/// The runs of a schedule that stream, by process.
#[derive(Default)]
pub(super) struct Runs(Mutex<Vec<Arc<Process>>>);

impl Runs {
    /// How many there are. The dead stream no more, whatever they left.
    pub(super) fn count(&self) -> usize {
        lock(&self.0).iter().filter(|process| !process.is(Condition::Dead)).count()
    }
}

/// Counts a run for as long as it lives.
struct Streaming<'a>(&'a Host);

impl<'a> Streaming<'a> {
    fn begin(host: &'a Host) -> Self {
        lock(&host.streaming.0).push(Arc::clone(&host.process));
        Self(host)
    }
}

impl Drop for Streaming<'_> {
    fn drop(&mut self) {
        lock(&self.0.streaming.0).retain(|process| process.number != self.0.process.number);
    }
}

impl Host {
    pub(super) fn new(
        sink: SimulatedSink,
        source: &Arc<Source>,
        longest_pause: Duration,
        streaming: &Arc<Runs>,
    ) -> Self {
        let observer: Arc<dyn Observer> = Arc::new(Nobody);
        let server: MySql = serde_json::from_value(serde_json::json!({"host": "simulated"}))
            .expect("a host is all that has no default");
        let failover =
            Failover { retry_interval_milliseconds: longest_pause.as_millis() as u32, ..Failover::default() };
        let reactions = Reactions::new(&server, &failover);
        let (process, source) = (Arc::clone(&sink.process), Arc::clone(source));
        Self { process, sink, source, reactions, observer, streaming: Arc::clone(streaming) }
    }

    /// Everything before the first row; `None` if nothing may follow the last record yet.
    async fn prepare(&self, run: &Run<'_>) -> Result<Option<Prepared>, EngineError> {
        let (taken, ()) = tokio::try_join!(
            async { Ok(self.sink.take_over(run.context, run.ownership.as_ref()).await?) },
            async { Ok::<_, EngineError>(self.source.ask(&self.process).await?) },
        )?;
        let TakenOver { mut writer, last, .. } = taken;
        let Some(heritage) = inherited(run, last.as_ref()).await? else {
            run.progress.send_replace(last);
            return Ok(None);
        };
        let layout = &run.context.layout;
        let mut base = RecordBase::following(last.as_ref(), layout.generation);
        let known = goes_on_at(layout, (last.as_ref(), heritage), &mut base)?;
        let (at, first) = known.unwrap_or_else(|| (position(0), true));
        if first {
            let record = base.next(at.clone(), 0);
            run.progress.send_replace(Some(record.clone()));
            self.reach_kafka(Point::Commit).await?;
            writer.commit(&record)?;
            self.process.hear(Peer::Kafka, Point::Committed).await;
        }
        let from = index(&at);
        self.source.ask(&self.process).await?;
        run.ownership.prove().await.map_err(SinkError::from)?;
        let dump = self.source.open(&self.process, from).await?;
        run.report(ShardState::Streaming, base.epoch, "");
        let until = Until::of(run.ownership.seal_at(), SERVER)?;
        Ok(Some(Prepared { dump, writer, base, until, from }))
    }

    async fn reach_kafka(&self, point: Point) -> Result<(), SinkError> {
        if self.process.send(Peer::Kafka, point, ACKNOWLEDGED).await {
            return Ok(());
        }
        let reason = format!("rows are not acknowledged within {} s", ACKNOWLEDGED.as_secs());
        Err(SinkError::Failed { doing: "deliver rows", reason })
    }

    async fn pipeline(&self, run: &Run<'_>, prepared: Prepared) -> Result<Stopped, EngineError> {
        let Prepared { mut dump, writer, base, until, from } = prepared;
        let _streaming = Streaming::begin(self);
        let epoch = base.epoch;
        let delay = Arc::new(Mutex::new(Delay::default()));
        let rows = Arc::new(AtomicU64::new(0));
        let watcher = Watcher {
            observer: Arc::clone(&self.observer),
            progress: run.progress.clone(),
            ownership: Arc::clone(&run.ownership),
            delay: Arc::clone(&delay),
            rows: Arc::clone(&rows),
            before: None,
            resumed: AtomicBool::new(false),
        };
        let (batches, read_rows) = mpsc::channel(4);
        let mirror = tokio::spawn(mirror(
            Arc::clone(&run.ownership),
            run.progress.subscribe(),
            (delay, rows),
            Arc::clone(&run.retained),
            epoch,
        ));
        let clock = || tokio::time::Instant::now().into_std();
        let committer = Committer::new(writer, Commit::default(), base, &watcher, clock);
        let committing = self.commit_all(committer, read_rows, (&until, from));
        let (read, committed) = tokio::join!(read(&mut dump, batches, run), committing);
        mirror.abort();
        run.farewell().await;
        match (committed?, read) {
            (true, Ok(Stopped::Lost)) => Ok(Stopped::Lost),
            (true, _) => Ok(Stopped::Sealed),
            (false, Ok(stopped)) => Ok(stopped),
            (false, Err(Some(error))) => Err(error),
            (false, Err(None)) => Err(EngineError::Thread("the pipeline closed without a reason".into())),
        }
    }

    /// What the pump's and the committer's threads do; whether the last record is sealed.
    async fn commit_all(
        &self,
        mut committer: Committer<'_>,
        mut rows: mpsc::Receiver<Rows>,
        (until, from): (&Until, u64),
    ) -> Result<bool, EngineError> {
        if let (none, Some(seal)) = cut(until, Rows { from, to: from, drained: true })? {
            committer.take(Chunk { sealed: Some(seal), ..chunk(&none) })?;
            return self.commit(&mut committer).await.map(|()| true);
        }
        loop {
            let received = match committer.due() {
                Some(due) => tokio::time::timeout_at(due.into(), rows.recv()).await,
                None => Ok(rows.recv().await),
            };
            match received {
                Ok(Some(rows)) => {
                    self.reach_kafka(Point::Produce).await?;
                    let (rows, sealed) = cut(until, rows)?;
                    committer.take(Chunk { sealed, ..chunk(&rows) })?;
                    if sealed.is_some() {
                        return self.commit(&mut committer).await.map(|()| true);
                    }
                }
                Ok(None) => return self.commit(&mut committer).await.map(|()| false),
                Err(_) => {}
            }
            if committer.is_due() {
                self.commit(&mut committer).await?;
            }
        }
    }

    async fn commit(&self, committer: &mut Committer<'_>) -> Result<(), EngineError> {
        self.reach_kafka(Point::Commit).await?;
        committer.commit()?;
        self.process.hear(Peer::Kafka, Point::Committed).await;
        Ok(())
    }
}

/// Rows as far as they are to be shown, and what is said behind them if that is not as far as they go.
fn cut(until: &Until, rows: Rows) -> Result<(Rows, Option<Seal>), EngineError> {
    for row in rows.from..=rows.to {
        match until.reached(Some(place(row))) {
            Reached::No => {}
            Reached::At(seal) => return Ok((Rows { to: row, drained: true, ..rows }, Some(seal))),
            Reached::Missed(place) => return Err(EngineError::PlaceMissed { place }),
        }
    }
    Ok((rows, None))
}

/// The rows as the pump would hand them on: the value is the row's number.
fn chunk(rows: &Rows) -> Chunk {
    let mut chunk = Chunk { position: position(rows.to), drained: rows.drained, ..Chunk::default() };
    chunk.topics.push("rows".into());
    for row in rows.from..rows.to {
        let start = chunk.bytes.len() as u32;
        chunk.bytes.extend_from_slice(row.to_string().as_bytes());
        let end = chunk.bytes.len() as u32;
        chunk.records.push(Record {
            topic: 0,
            partition_hash: 0,
            start,
            key_end: start,
            value_end: end,
            gtid_end: end,
            id_end: end,
        });
    }
    chunk
}

#[async_trait]
impl Streamer for Host {
    async fn stream(&self, run: &Run<'_>) -> Result<Stopped, EngineError> {
        match prepared(run, self.prepare(run)).await? {
            Ok(prepared) => self.pipeline(run, prepared).await,
            Err(stopped) => Ok(stopped),
        }
    }
}

#[async_trait]
impl ShardHost for Host {
    async fn run(
        &self,
        context: ShardContext,
        ownership: Arc<dyn Ownership>,
        stop: CancellationToken,
    ) -> ShardEnd {
        let run = Run::new(&context, Arc::clone(&self.observer), ownership, stop);
        self.reactions.live(self, &run).await
    }

    fn tune(&self, _version: u64, _wanted: &Tuning) -> Result<(), String> {
        Ok(())
    }

    fn tuning(&self) -> Tuning {
        Tuning::default()
    }

    async fn head(&self) -> Result<Barrier, String> {
        self.source.head(&self.process).await.map_err(|error| error.to_string())
    }

    async fn warm(&self, context: &ShardContext) {
        let _warm = self.sink.warm(context).await;
    }
}

/// How a process is: what its last look at MySQL and Kafka said.
pub(super) struct Signs {
    process: Arc<Process>,
    looked: watch::Sender<(Connection, Connection)>,
}

impl Signs {
    /// Looks every now and then, for as long as the process lives.
    pub(super) fn of(process: &Arc<Process>) -> Arc<Self> {
        let signs = Arc::new(Self { process: Arc::clone(process), looked: watch::Sender::default() });
        let looking = Arc::clone(&signs);
        tokio::spawn(async move {
            loop {
                looking.look().await;
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        });
        signs
    }

    async fn look(&self) {
        self.process.runs().await;
        let look = |peer| Connection {
            reachable: Some(!self.process.world.is_cut(self.process.member, peer)),
            ..Connection::default()
        };
        self.looked.send_replace((look(Peer::MySql), look(Peer::Kafka)));
    }

    async fn until(&self, cut: bool) {
        let is_cut = |of: &Connection| of.reachable == Some(false);
        let seen = |(mysql, kafka): &(Connection, Connection)| (is_cut(mysql) || is_cut(kafka)) == cut;
        let _ = self.looked.subscribe().wait_for(seen).await;
        self.process.runs().await;
    }
}

#[async_trait]
impl Health for Signs {
    fn vitals(&self) -> Vitals {
        let (mysql, kafka) = self.looked.borrow().clone();
        Vitals { mysql, kafka, ..Vitals::default() }
    }

    async fn ask_anew(&self) -> bool {
        self.process.world.travel().await;
        self.look().await;
        self.vitals().healthy()
    }

    async fn doubted(&self) {
        self.until(true).await;
    }

    async fn trusted(&self) {
        self.until(false).await;
    }
}

/// Nothing is measured.
struct Nobody;

impl Observer for Nobody {
    fn received(&self, _: i64) {}
    fn queued(&self, _: u64) {}
    fn committed(&self, _: &Committed) {}
    fn resumed(&self, _: Epoch, _: i64, _: bool) {}
    fn waits(&self, _: Epoch) {}
    fn aborted(&self) {}
    fn row_less(&self) {}
    fn fenced(&self) {}
    fn lock_lost(&self) {}
    fn mysql(&self, _: Result<(), &str>) {}
    fn retention(&self, _: f64) {}
    fn kafka(&self, _: Result<(), &str>) {}
}
