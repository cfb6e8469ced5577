//! A run of a shard: take over, open the dump, stream.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use maxwell_protocol::id::Epoch;
use maxwell_protocol::member::ShardState;
use maxwell_protocol::position::Position;
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
use super::error::EngineError;
use super::follow::{Follower, Stored};
use super::pump::{self, Pump, PumpEnd, PumpParts};
use super::runs::{FAREWELL, Feed, Reactions, Run, Stopped, Streamer, read};
use super::status::Observer;
use super::tables::Tables;
use super::watcher::{Watcher, lock, mirror, retention};
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

/// Runs shards with these settings.
pub struct Engine {
    settings: Settings,
    reactions: Reactions,
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

impl Engine {
    /// `filters` is the filter as it is now and becomes. Fails if messages cannot look as the settings say.
    pub fn new(
        settings: Settings,
        filters: watch::Receiver<TableFilter>,
        sink: Arc<dyn Sink>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, EngineError> {
        let style = style(&settings)?;
        let longest_pause = Duration::from_millis(u64::from(settings.failover.retry_interval_milliseconds));
        let reactions = Reactions::new(&settings.mysql, Arc::clone(&observer), longest_pause);
        Ok(Self { settings, reactions, filters, style, sink, observer })
    }

    /// Whether it stopped because no server has what follows the position.
    pub fn has_lost_position(&self) -> bool {
        self.reactions.has_lost_position()
    }

    async fn inspect_source(&self) -> Result<(Conn, ServerInfo), EngineError> {
        let opened = async {
            let mut conn = connect(self.reactions.sources.current()).await?;
            let server = inspect(&mut conn, self.reactions.sources.current()).await?;
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
        let side =
            SideDump { settings: self.reactions.sources.current().clone(), server: server.clone(), by };
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
            mysql: self.reactions.sources.current().clone(),
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
        let mut base = RecordBase::following(last.as_ref(), run.context.generation);
        let over = run.start_over.swap(false, Ordering::Relaxed);
        if let Some(last) = last.filter(|_| !over) {
            return Ok((last.position, base, writer));
        }
        let mut settings = self.reactions.sources.current().clone();
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
        let mysql = self.reactions.sources.current();
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
        let mirror = tokio::spawn(mirror(Arc::clone(&run.ownership), run.progress.subscribe(), delay, epoch));
        let retention =
            tokio::spawn(retention(retained, run.progress.subscribe(), Arc::clone(&self.observer)));
        let runner = copies.run(shop, Arc::clone(&run.ownership), run.progress.subscribe());
        let read = read(&mut dump, batch_tx, run).await;
        runner.abort();
        closing.cancel();
        if tokio::time::timeout(FAREWELL, dump.close()).await.is_err() {
            tracing::debug!("the old dump's connection did not close in time");
        }
        let ended = join(read, pump, committer).await;
        mirror.abort();
        retention.abort();
        run.farewell().await;
        ended
    }
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
        let run = Run::new(&context, ownership, stop);
        self.reactions.live(self, &run).await
    }
}

#[async_trait]
impl Streamer for Engine {
    async fn stream(&self, run: &Run<'_>) -> Result<Stopped, EngineError> {
        let prepared = tokio::select! {
            prepared = self.prepare(run) => prepared?,
            () = run.ownership.lost() => return Ok(Stopped::Lost),
        };
        self.pipeline(run, prepared).await
    }
}

#[async_trait]
impl Feed for Dump {
    type Batch = Batch;

    async fn next(&mut self) -> Result<Option<Batch>, SourceError> {
        Self::next(self).await
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
