//! A shard's life at its owner: take over, stream, start over after what heals, stop when told.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use maxwell_protocol::bootstrap::BootstrapState;
use maxwell_protocol::id::Epoch;
use maxwell_protocol::member::{ShardReport, ShardState};
use maxwell_protocol::position::{Position, PositionMirror, PositionRecord};
use maxwell_protocol::settings::{Commit, EncryptionMode, MySql, Settings, Start};
use mysql_async::Conn;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field};

use super::bootstrap::desk;
use super::bootstrap::runner::{Copies, Shop};
use super::committer::{self, RecordBase};
use super::delay::Delay;
use super::error::{Disposition, EngineError};
use super::follow::{Follower, Stored};
use super::pump::{self, Pump, PumpEnd, PumpParts};
use super::retained::Retained;
use super::sources::{Sources, Turn};
use super::status::Observer;
use super::tables::Tables;
use super::watcher::{Watcher, lock, mirror};
use crate::coordination::{Ownership, ShardContext, ShardEnd, ShardHost};
use crate::encode::style::Style;
use crate::filter::TableFilter;
use crate::sink::{Sink, SinkError, TakenOver, Writer};
use crate::source::SourceError;
use crate::source::connect::connect;
use crate::source::dump::{Batch, Dump, Identity};
use crate::source::preflight::{ServerInfo, inspect};
use crate::source::retention::Retention;
use crate::source::scan::SideDump;
use crate::source::start::{OpenBy, check_position, first_position, stored_set};

/// Batches between the dump and the pump, chunks between the pump and the committer.
const QUEUED_BATCHES: usize = 16;
const QUEUED_CHUNKS: usize = 8;
/// How long MySQL may take to answer one question of a take-over.
const ANSWER: Duration = Duration::from_secs(30);
/// How long it may take to find the first position: a whole binlog file may have to be read for it.
const SEARCH: Duration = Duration::from_secs(600);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How long the end of a run may wait for ZooKeeper or the dump's connection.
const FAREWELL: Duration = Duration::from_secs(1);

/// Runs shards with these settings.
pub struct Engine {
    settings: Settings,
    sources: Sources,
    /// Whether the last run ended because no server has what follows the position.
    position_lost: AtomicBool,
    filters: watch::Receiver<TableFilter>,
    style: Style,
    sink: Arc<dyn Sink>,
    observer: Arc<dyn Observer>,
}

/// What a run streams with.
struct Prepared {
    dump: Dump,
    parts: PumpParts,
    writer: Box<dyn Writer>,
    base: RecordBase,
    copies: Copies,
}

/// Gives up on a source that does not answer: a connection that leads nowhere would hold the shard for a quarter of an
/// hour.
async fn answered<T>(asked: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
    within(ANSWER, asked).await
}

async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    match tokio::time::timeout(limit, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(SourceError::Silent(limit.as_secs()).into()),
    }
}

/// With the encryption's key out of its file.
fn style(settings: &Settings) -> Result<Style, EngineError> {
    let mut output = settings.output.clone();
    let encryption = &mut output.encryption;
    if let (true, Some(directory)) = (encryption.mode != EncryptionMode::None, &encryption.key_directory) {
        let path = format!("{directory}/key");
        let key = std::fs::read_to_string(&path)
            .map_err(|error| EngineError::EncryptionKey { path, reason: error.to_string() })?;
        key.trim_end_matches(['\r', '\n']).clone_into(&mut encryption.key.0);
    }
    Ok(Style::new(&output, settings.kafka.as_ref())?)
}

/// How a run ended without an error.
enum Stopped {
    Drained,
    Lost,
}

impl Engine {
    /// `filters` is the filter as it is now and becomes. Fails if messages cannot look as the settings say.
    pub fn new(
        settings: Settings,
        filters: watch::Receiver<TableFilter>,
        sink: Arc<dyn Sink>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, EngineError> {
        let style = style(&settings)?;
        let (sources, position_lost) = (Sources::new(&settings.mysql), AtomicBool::new(false));
        Ok(Self { settings, sources, position_lost, filters, style, sink, observer })
    }

    /// Whether it stopped because no server has what follows the position.
    pub fn has_lost_position(&self) -> bool {
        self.position_lost.load(Ordering::Relaxed)
    }

    fn longest_pause(&self) -> Duration {
        Duration::from_millis(u64::from(self.settings.failover.retry_interval_milliseconds))
    }

    async fn inspect_source(&self) -> Result<(Conn, ServerInfo), EngineError> {
        let opened = async {
            let mut conn = connect(self.sources.current()).await?;
            let server = inspect(&mut conn, self.sources.current()).await?;
            Ok::<_, SourceError>((conn, server))
        }
        .await;
        match &opened {
            Ok(_) => self.observer.mysql(Ok(())),
            Err(error) => self.observer.mysql(Err(&error.to_string())),
        }
        Ok(opened?)
    }

    async fn take_over(&self, run: &Run<'_>) -> Result<TakenOver, EngineError> {
        let taken = self.sink.take_over(run.context, run.ownership.as_ref()).await;
        match &taken {
            Err(error @ (SinkError::Failed { .. } | SinkError::Unfit { .. })) => {
                self.observer.kafka(Err(&error.to_string()));
            }
            _ => self.observer.kafka(Ok(())),
        }
        Ok(taken?)
    }

    /// One run, from take-over to the end.
    async fn stream(&self, run: &Run<'_>) -> Result<Stopped, EngineError> {
        let prepared = tokio::select! {
            prepared = self.prepare(run) => prepared?,
            () = run.ownership.lost() => return Ok(Stopped::Lost),
        };
        self.pipeline(run, prepared).await
    }

    /// Everything before the first row: fence, find the position, open the dump.
    async fn prepare(&self, run: &Run<'_>) -> Result<Prepared, EngineError> {
        let begun = Instant::now();
        let (mut taken, (mut conn, server)) =
            tokio::try_join!(self.take_over(run), answered(self.inspect_source()))?;
        let taken_over = begun.elapsed();
        let stored = Stored {
            capture: taken.last.as_ref().and_then(|last| last.catalog),
            entries: std::mem::take(&mut taken.catalog),
        };
        let (position, mut base, writer) = self.resume(run, taken, &mut conn, &server).await?;
        let by = answered(async { Ok(check_position(&mut conn, &server, &position).await?) }).await?;
        let checked = begun.elapsed();
        let inside = position.inside.is_some();
        let position = match by {
            OpenBy::File => position,
            OpenBy::Gtid => {
                Position { server: server.id.clone(), file: String::new(), offset: 4, ..position }
            }
        };
        let side = SideDump { settings: self.sources.current().clone(), server: server.clone(), by };
        let follower = answered(self.follow(&side, &position, (stored, base.epoch))).await?;
        base.catalog = follower.capture();
        // What follows ends the dump of whoever has it.
        run.ownership.prove().await.map_err(SinkError::from)?;
        let dump = answered(self.open(run, conn, &server, &position, by)).await?;
        Span::current().record("epoch", base.epoch.0);
        self.observer.resumed(base.epoch, base.source_time, inside);
        run.report(ShardState::Streaming, base.epoch, "");
        tracing::info!(
            file = position.file,
            offset = position.offset,
            gtid_set = position.gtid_set,
            inside,
            taken_over_milliseconds = taken_over.as_millis() as u64,
            checked_milliseconds = (checked - taken_over).as_millis() as u64,
            opened_milliseconds = (begun.elapsed() - checked).as_millis() as u64,
            "streaming"
        );
        if server.mariadb && self.settings.output.row_query {
            tracing::warn!(
                "MariaDB sends the statements behind rows only if the dump asks for them, and the client library cannot \
                 ask: output.rowQuery prints no query"
            );
        }
        let tables =
            Tables::new(self.filters.clone(), self.style.clone(), side.clone(), follower, Handle::current())
                .always(desk::requests(&self.settings.bootstrap));
        let (copies, desk) = Copies::new(base.bootstrap.clone(), &self.settings.bootstrap);
        let gtids = server.gtid.then(|| stored_set(&position.gtid_set)).transpose()?;
        let parts = PumpParts {
            position,
            tables,
            style: self.style.clone(),
            side,
            runtime: Handle::current(),
            max_rows: self.commit().max_rows,
            gtids,
            observer: Arc::clone(&self.observer),
            closing: CancellationToken::new(),
            desk,
        };
        Ok(Prepared { dump, parts, writer, base, copies })
    }

    fn shop(&self, copies: &Copies, parts: &PumpParts, wake: mpsc::Sender<Batch>) -> Shop {
        Shop {
            settings: self.settings.bootstrap.clone(),
            mysql: self.sources.current().clone(),
            server: parts.side.server.clone(),
            style: self.style.clone(),
            piece_records: pump::chunk_records(parts.max_rows),
            orders: copies.orders.clone(),
            wake,
            next_row: Mutex::new(Instant::now()),
        }
    }

    async fn follow(
        &self,
        side: &SideDump,
        position: &Position,
        stored: (Stored, Epoch),
    ) -> Result<Follower, EngineError> {
        let filter = self.filters.borrow().clone();
        Ok(Follower::start(side, &filter, self.style.output.ddl, position, stored).await?)
    }

    fn commit(&self) -> Commit {
        self.settings.kafka.as_ref().map(|kafka| kafka.commit).unwrap_or_default()
    }

    /// The place to go on from. A first position is committed before anything else, so that a crash cannot choose
    /// another one.
    async fn resume(
        &self,
        run: &Run<'_>,
        taken: TakenOver,
        conn: &mut Conn,
        server: &ServerInfo,
    ) -> Result<(Position, RecordBase, Box<dyn Writer>), EngineError> {
        let TakenOver { mut writer, last, last_at, .. } = taken;
        run.before.store(last_at.unwrap_or_default(), Ordering::Relaxed);
        let generation = run.context.generation;
        let bootstrap = BootstrapState::default();
        let mut base =
            RecordBase { epoch: Epoch(1), sequence: 0, generation, source_time: 0, catalog: None, bootstrap };
        let mut settings = self.sources.current().clone();
        let over = run.start_over.swap(false, Ordering::Relaxed);
        if let Some(last) = last {
            let PositionRecord { position, epoch, sequence, source_time, bootstrap, .. } = last;
            base = RecordBase {
                epoch: epoch.next(),
                sequence,
                generation,
                source_time,
                catalog: None,
                bootstrap,
            };
            if !over {
                return Ok((position, base, writer));
            }
        }
        if over {
            tracing::error!("the position is lost and changes are missing: going on at the source's head");
            settings = MySql { start: Start::default(), ..settings };
        }
        let found = async { Ok(first_position(conn, server, &settings).await?) };
        let position = within(SEARCH, found).await?;
        let record = base.next(position.clone(), 0);
        run.progress.send_replace(Some(record.clone()));
        let writer = tokio::task::spawn_blocking(move || writer.commit(&record).map(|()| writer))
            .await
            .map_err(|error| EngineError::Thread(error.to_string()))??;
        Ok((position, base, writer))
    }

    async fn open(
        &self,
        run: &Run<'_>,
        conn: Conn,
        server: &ServerInfo,
        position: &Position,
        by: OpenBy,
    ) -> Result<Dump, EngineError> {
        let ShardContext { cluster, shard, number, .. } = run.context;
        let mysql = self.sources.current();
        let identity = Identity {
            server_id: cluster.server_id(shard, mysql.server_id_base, *number),
            uuid: cluster.replica_uuid(shard),
        };
        let dump = Dump::open(conn, server, identity, position, by, mysql.heartbeat_seconds).await?;
        #[cfg(feature = "failpoints")]
        fail::fail_point!("after-dump");
        Ok(dump)
    }

    async fn pipeline(
        &self,
        run: &Run<'_>,
        Prepared { mut dump, parts, writer, base, copies }: Prepared,
    ) -> Result<Stopped, EngineError> {
        let epoch = base.epoch;
        let closing = parts.closing.clone();
        let retained = Retention::new(parts.side.clone());
        let (batch_tx, batch_rx) = mpsc::channel(QUEUED_BATCHES);
        let (chunk_tx, chunk_rx) = crossbeam_channel::bounded(QUEUED_CHUNKS);
        let shop = self.shop(&copies, &parts, batch_tx.clone());
        let (span, of_committer) = (Span::current(), Span::current());
        let pump = tokio::task::spawn_blocking(move || {
            span.in_scope(|| pump_all(Pump::new(parts, chunk_tx), batch_rx))
        });
        let delay = Arc::new(Mutex::new(Delay::default()));
        lock(&delay).resumed(base.source_time);
        let watcher = Watcher {
            observer: Arc::clone(&self.observer),
            progress: run.progress.clone(),
            ownership: Arc::clone(&run.ownership),
            delay: Arc::clone(&delay),
            before: Some(run.before.load(Ordering::Relaxed)).filter(|before| *before > 0),
            resumed: AtomicBool::new(false),
        };
        let limits = self.commit();
        let committer = tokio::task::spawn_blocking(move || {
            of_committer.in_scope(|| committer::run(writer, &chunk_rx, limits, base, &watcher))
        });
        let mirror = tokio::spawn(mirror(
            Arc::clone(&run.ownership),
            run.progress.subscribe(),
            delay,
            Arc::clone(&run.retained),
            epoch,
        ));
        run.retained.ask(retained, run.progress.subscribe(), Arc::clone(&self.observer));
        let runner = copies.run(shop, Arc::clone(&run.ownership), run.progress.subscribe());
        let read = read(&mut dump, batch_tx, run).await;
        runner.abort();
        closing.cancel();
        if tokio::time::timeout(FAREWELL, dump.close()).await.is_err() {
            tracing::debug!("the old dump's connection did not close in time");
        }
        let ended = join(read, pump, committer).await;
        mirror.abort();
        run.farewell().await;
        ended
    }

    /// What follows from an error: the end of the run at this member, or, after a pause, another try.
    async fn settle(&self, run: &Run<'_>, error: &EngineError, attempt: u32) -> Option<ShardEnd> {
        let disposition = error.disposition();
        let text = error.to_string();
        if disposition == Disposition::Relinquish && !run.ownership.may_still_own().await {
            tracing::warn!(error = text, "a successor owns the shard");
            self.observer.fenced();
            return Some(ShardEnd::Relinquished { reason: text });
        }
        let turn = self.sources.turn(error, attempt);
        run.start_over.store(turn == Turn::StartOver, Ordering::Relaxed);
        let position_lost = matches!(error, EngineError::Source(error) if error.is_position_lost());
        // With several servers one may come back that has what the others have not.
        let halted = disposition == Disposition::Halt
            && turn == Turn::Exhausted
            && !(position_lost && self.sources.several());
        self.position_lost.store(halted && position_lost, Ordering::Relaxed);
        if halted && position_lost {
            run.retained.lost(self.observer.as_ref());
        }
        run.report(if halted { ShardState::Halted } else { ShardState::Retrying }, Epoch(0), &text);
        tracing::error!(error = text, halted, "the shard does not stream");
        let pause = (FIRST_PAUSE * 2u32.saturating_pow(attempt.min(16))).min(self.longest_pause());
        tokio::select! {
            () = run.stop.cancelled() => return Some(ShardEnd::Drained),
            () = run.ownership.lost() => return Some(lost()),
            () = run.ownership.another_can(), if disposition == Disposition::Unreachable && turn != Turn::Next => {
                return Some(ShardEnd::Unreachable { reason: text });
            }
            () = tokio::time::sleep(pause), if !halted => {}
        }
        None
    }
}

fn lost() -> ShardEnd {
    ShardEnd::Relinquished { reason: "the shard's lock is gone".into() }
}

#[async_trait]
impl ShardHost for Engine {
    async fn warm(&self, context: &ShardContext) {
        if let Err(error) = self.sink.warm(context).await {
            tracing::debug!(%error, "cannot get ready for the shard");
        }
    }

    async fn run(
        &self,
        context: ShardContext,
        ownership: Arc<dyn Ownership>,
        stop: CancellationToken,
    ) -> ShardEnd {
        let span = tracing::error_span!("shard", shard = %context.shard, epoch = field::Empty);
        self.run_in_span(context, ownership, stop).instrument(span).await
    }
}

impl Engine {
    async fn run_in_span(
        &self,
        context: ShardContext,
        ownership: Arc<dyn Ownership>,
        stop: CancellationToken,
    ) -> ShardEnd {
        let run = Run {
            context: &context,
            ownership,
            stop,
            progress: watch::Sender::new(None),
            retained: Arc::default(),
            before: AtomicI64::new(0),
            start_over: AtomicBool::new(false),
        };
        let mut attempt = 0;
        loop {
            run.report(ShardState::TakingOver, Epoch(0), "");
            let before = run.sequence();
            let ended = tokio::select! {
                ended = self.stream(&run) => ended,
                // Not taken over yet, or stuck in it: nothing to drain.
                () = run.stop_before_streaming() => Ok(Stopped::Drained),
            };
            match ended {
                Ok(Stopped::Drained) => return ShardEnd::Drained,
                Ok(Stopped::Lost) => return lost(),
                Err(error) => {
                    attempt = if run.sequence() > before { 0 } else { attempt + 1 };
                    if let Some(end) = self.settle(&run, &error, attempt).await {
                        return end;
                    }
                }
            }
        }
    }
}

/// What a run's parts share.
struct Run<'a> {
    context: &'a ShardContext,
    ownership: Arc<dyn Ownership>,
    stop: CancellationToken,
    /// The last committed record of this run.
    progress: watch::Sender<Option<PositionRecord>>,
    retained: Arc<Retained>,
    /// When the record that the run goes on from was written, milliseconds since the epoch; 0 without one.
    before: AtomicI64,
    /// Whether to leave the stored position behind and go on at the head.
    start_over: AtomicBool,
}

impl Run<'_> {
    fn report(&self, state: ShardState, epoch: Epoch, error: &str) {
        self.ownership.report(ShardReport {
            state,
            epoch,
            lag_milliseconds: 0,
            retention: self.retained.latest(),
            last_error: error.to_owned(),
        });
    }

    fn sequence(&self) -> u64 {
        self.progress.borrow().as_ref().map_or(0, |record| record.sequence)
    }

    /// Completes when the run shall stop and has had its time to drain.
    async fn stop_before_streaming(&self) {
        self.stop.cancelled().await;
        tokio::time::sleep(Duration::from_secs(20)).await;
    }

    async fn farewell(&self) {
        let record = self.progress.borrow().clone();
        if let Some(record) = record {
            let written = self.ownership.mirror(PositionMirror::from(&record));
            if tokio::time::timeout(FAREWELL, written).await.is_err() {
                tracing::warn!("the mirror of the position could not be written in time");
            }
        }
    }
}

/// Moves batches until told to stop, the pipeline goes down or the source fails.
async fn read(
    dump: &mut Dump,
    batches: mpsc::Sender<Batch>,
    run: &Run<'_>,
) -> Result<Stopped, Option<EngineError>> {
    // One for the whole run: what it waits for must not begin anew with every batch.
    let lost = run.ownership.lost();
    tokio::pin!(lost);
    loop {
        let step = async {
            let permit = batches.reserve().await.map_err(|_| None)?;
            tokio::select! {
                read = dump.next() => match read {
                    Ok(Some(batch)) => { permit.send(batch); Ok(()) }
                    Ok(None) => Err(Some(EngineError::from(SourceError::Ended))),
                    Err(error) => Err(Some(error.into())),
                },
                // The other end hung up: its thread knows why.
                () = batches.closed() => Err(None),
            }
        };
        tokio::select! {
            biased;
            () = run.stop.cancelled() => return Ok(Stopped::Drained),
            () = &mut lost => return Ok(Stopped::Lost),
            stepped = step => stepped?,
        }
    }
}

fn pump_all(mut pump: Pump, mut batches: mpsc::Receiver<Batch>) -> Result<(), PumpEnd> {
    while let Some(batch) = batches.blocking_recv() {
        pump.push(batch)?;
    }
    pump.finish()
}

/// Waits for both threads. The committer's word counts most, then the pump's: they know why the reader was stopped.
async fn join(
    read: Result<Stopped, Option<EngineError>>,
    pump: JoinHandle<Result<(), PumpEnd>>,
    committer: JoinHandle<Result<(), SinkError>>,
) -> Result<Stopped, EngineError> {
    let died = |error: tokio::task::JoinError| EngineError::Thread(error.to_string());
    let pumped = pump.await.map_err(died)?;
    committer.await.map_err(died)??;
    match (pumped, read) {
        (Err(PumpEnd::Failed(error)), _) | (_, Err(Some(error))) => Err(error),
        (_, Ok(stopped)) => Ok(stopped),
        (_, Err(None)) => Err(EngineError::Thread("the pipeline closed without a reason".into())),
    }
}
