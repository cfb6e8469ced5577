//! Everything before a run's first row: fence the predecessor, find the position, open the dump.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use maxwell_protocol::bootstrap::BootstrapState;
use maxwell_protocol::id::Epoch;
use maxwell_protocol::member::ShardState;
use maxwell_protocol::position::Position;
use maxwell_protocol::settings::{MySql, Start};
use mysql_async::Conn;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::beginning::{Heritage, goes_on_at, inherited, take_for_copied};
use super::bootstrap::again::again;
use super::bootstrap::runner::Copies;
use super::committer::RecordBase;
use super::error::EngineError;
use super::follow::{Follower, Stored};
use super::pump::PumpParts;
use super::run::Engine;
use super::runs::Run;
use super::tables::Tables;
use super::turns::{Handed, Way, windows};
use super::until::Until;
use crate::coordination::ShardContext;
use crate::shard::Divider;
use crate::shard::windows::Course;
use crate::sink::{CatalogEntry, Chunk, SinkError, TakenOver, Writer};
use crate::source::SourceError;
use crate::source::connect::connect;
use crate::source::definitions::names;
use crate::source::dump::{Dump, Identity};
use crate::source::preflight::{ServerInfo, inspect};
use crate::source::scan::SideDump;
use crate::source::start::{OpenBy, check_position, first_position, stored_set};

/// How long MySQL may take to answer one question of a take-over.
const ANSWER: Duration = Duration::from_secs(30);
/// How long it may take to find the first position: a whole binlog file may have to be read for it.
pub(super) const SEARCH: Duration = Duration::from_secs(600);

/// What a run streams with.
pub(super) struct Prepared {
    pub(super) dump: Dump,
    pub(super) parts: PumpParts,
    pub(super) writer: Box<dyn Writer>,
    pub(super) base: RecordBase,
    pub(super) copies: Copies,
}

/// Gives up on a source that does not answer: a connection that leads nowhere would hold the shard for a quarter of an
/// hour.
pub(super) async fn answered<T>(
    asked: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    within(ANSWER, asked).await
}

pub(super) async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    match tokio::time::timeout(limit, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(SourceError::Silent(limit.as_secs()).into()),
    }
}

impl Engine {
    /// Everything before the first row: fence, find the position, open the dump. `None` if nothing may follow that
    /// position yet.
    pub(super) async fn prepare(&self, run: &Run<'_>) -> Result<Option<Prepared>, EngineError> {
        let begun = Instant::now();
        let divider = Divider::new(&run.context.layout, run.context.number)?;
        let mut style = self.style.clone();
        style.output.ddl &= divider.tells_of_schema();
        let (mut taken, (mut conn, server)) =
            tokio::try_join!(self.take_over(run), answered(self.inspect_source(run)))?;
        let Some(heritage) = inherited(run, taken.last.as_ref()).await? else {
            run.progress.send_replace(taken.last);
            return Ok(None);
        };
        let mut handed = match self.way(run, (taken.last.as_ref(), heritage)).await? {
            Way::Own => None,
            Way::Handed(handed) => Some(handed),
            Way::Wait => {
                run.progress.send_replace(taken.last);
                return Ok(None);
            }
        };
        let taken_over = begun.elapsed();
        let stored = match &mut handed {
            Some(handed) => std::mem::take(&mut handed.stored),
            None => Stored::own(&mut taken, heritage),
        };
        let captured = stored.capture;
        let (position, mut base, first) =
            self.resume(run, (&mut taken, heritage, handed), (&mut conn, &server)).await?;
        let by = answered(async { Ok(check_position(&mut conn, &server, &position).await?) }).await?;
        let checked = begun.elapsed();
        let inside = position.inside.is_some();
        let found = position.clone();
        let position = match by {
            OpenBy::File => position,
            OpenBy::Gtid => {
                Position { server: server.id.clone(), file: String::new(), offset: 4, ..position }
            }
        };
        let side =
            SideDump { settings: self.reactions.sources.current().clone(), server: server.clone(), by };
        let mut follower =
            answered(self.follow(&side, &position, style.output.ddl, (stored, base.epoch))).await?;
        base.catalog = follower.capture();
        let writer = if first || base.catalog != captured {
            self.begin(run, taken.writer, &mut base, (found, follower.changed())).await?
        } else {
            taken.writer
        };
        #[cfg(feature = "failpoints")]
        fail::fail_point!("after-begin");
        // What follows ends the dump of whoever has it.
        run.ownership.prove().await.map_err(SinkError::from)?;
        let dump = answered(self.open(run, conn, &server, &position, by)).await?;
        Span::current().record("epoch", base.epoch.0);
        run.observer.resumed(base.epoch, base.source_time, inside);
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
        let tables = Tables::new(
            self.tunables.filters(),
            style.clone(),
            side.clone(),
            follower,
            Handle::current(),
            divider.clone(),
        )
        .inside(position.inside.as_ref().and_then(|inside| inside.filter.as_deref()))?;
        let (copies, desk) = Copies::new(base.bootstrap.clone(), &self.settings.bootstrap, divider.clone());
        let until = match windows(run) {
            Some(windows) => Until::Turn(Course::new(windows, base.window)),
            None => Until::of(run.ownership.seal_at(), &server.id)?,
        };
        let gtids = server.gtid.then(|| stored_set(&position.gtid_set)).transpose()?;
        let parts = PumpParts {
            position,
            tables,
            style,
            side,
            runtime: Handle::current(),
            max_rows: self.commit().max_rows,
            gtids,
            observer: Arc::clone(&run.observer),
            closing: CancellationToken::new(),
            desk,
            until,
        };
        Ok(Some(Prepared { dump, parts, writer, base, copies }))
    }

    pub(super) async fn inspect_source(&self, run: &Run<'_>) -> Result<(Conn, ServerInfo), EngineError> {
        let opened = async {
            let mut conn = connect(self.reactions.sources.current()).await?;
            let server = inspect(&mut conn, self.reactions.sources.current()).await?;
            Ok::<_, SourceError>((conn, server))
        }
        .await;
        match &opened {
            Ok(_) => run.observer.mysql(Ok(())),
            Err(error) => run.observer.mysql(Err(&error.to_string())),
        }
        Ok(opened?)
    }

    pub(super) async fn take_over(&self, run: &Run<'_>) -> Result<TakenOver, EngineError> {
        let taken = self.sink.take_over(run.context, run.ownership.as_ref()).await;
        match &taken {
            Err(error @ (SinkError::Failed { .. } | SinkError::Unfit { .. })) => {
                run.observer.kafka(Err(&error.to_string()));
            }
            _ => run.observer.kafka(Ok(())),
        }
        Ok(taken?)
    }

    async fn follow(
        &self,
        side: &SideDump,
        position: &Position,
        ddl: bool,
        stored: (Stored, Epoch),
    ) -> Result<Follower, EngineError> {
        let filter = self.tunables.filters().borrow().clone();
        Ok(Follower::start(side, &filter, ddl, position, stored).await?)
    }

    /// The copies, with one more of every table that passes the filter.
    async fn copies_again(&self, conn: &mut Conn, base: &RecordBase) -> Result<BootstrapState, EngineError> {
        let filter = self.tunables.filters().borrow().clone();
        let passes = |database: &str, table: &str| database != "mysql" && filter.passes(database, table);
        let tables = answered(async { Ok(names(conn, &passes).await?) }).await?;
        again(base.bootstrap.clone(), tables, base.sequence)
    }

    /// The place to go on from, and whether it is a first one, which no record has.
    async fn resume(
        &self,
        run: &Run<'_>,
        (taken, heritage, handed): (&mut TakenOver, Heritage, Option<Box<Handed>>),
        (conn, server): (&mut Conn, &ServerInfo),
    ) -> Result<(Position, RecordBase, bool), EngineError> {
        let layout = &run.context.layout;
        let mut base = RecordBase::following(taken.last.as_ref(), layout.generation);
        let last_at = if heritage == Heritage::Past { None } else { taken.last_at };
        run.before.store(last_at.unwrap_or_default(), Ordering::Relaxed);
        let over = run.start_over.swap(false, Ordering::Relaxed);
        if let Some(Handed { record, window, .. }) = handed.as_deref() {
            // What it had committed before was before another's turn.
            run.before.store(0, Ordering::Relaxed);
            base.source_time = base.source_time.max(record.source_time);
            base.window = Some(*window);
        }
        if let Some(handed) = handed.filter(|_| !over) {
            return Ok((handed.record.position, base, true));
        }
        let last = taken.last.take().filter(|_| !over);
        if !over && let Some((at, first)) = goes_on_at(layout, (last.as_ref(), heritage), &mut base)? {
            if first {
                take_for_copied(&mut base.bootstrap, &self.settings.bootstrap);
            }
            return Ok((at, base, first));
        }
        let mut settings = self.reactions.sources.current().clone();
        if over {
            run.retained.started_over();
            tracing::error!("the position is lost and changes are missing: going on at the source's head");
            settings = MySql { start: Start::default(), ..settings };
        }
        let position = self.first(run, (conn, server), &settings, over).await?;
        if over && self.reactions.sources.copy_again() {
            base.bootstrap = self.copies_again(conn, &base).await?;
        }
        Ok((position, base, true))
    }

    /// Commits a first position, and tables that were captured for one, before anything else: a crash cannot choose
    /// another position then, nor find that the tables were changed since.
    pub(super) async fn begin(
        &self,
        run: &Run<'_>,
        mut writer: Box<dyn Writer>,
        base: &mut RecordBase,
        (position, catalog): (Position, Vec<CatalogEntry>),
    ) -> Result<Box<dyn Writer>, EngineError> {
        let record = base.next(position.clone(), 0);
        let chunk = Chunk { catalog, position, ..Chunk::default() };
        run.progress.send_replace(Some(record.clone()));
        let epoch = base.epoch.0;
        tokio::task::spawn_blocking(move || {
            writer.write(&chunk, epoch)?;
            writer.commit(&record).map(|()| writer)
        })
        .await
        .map_err(|error| EngineError::Thread(error.to_string()))?
        .map_err(EngineError::from)
    }

    /// Where the layout's shards begin; after a lost position, where the settings say.
    async fn first(
        &self,
        run: &Run<'_>,
        (conn, server): (&mut Conn, &ServerInfo),
        settings: &MySql,
        over: bool,
    ) -> Result<Position, EngineError> {
        if let Some(begins) = run.context.layout.begins.as_ref().filter(|_| !over) {
            return Ok(begins.clone());
        }
        let found = within(SEARCH, async { Ok(first_position(conn, server, settings).await?) }).await?;
        if over {
            return Ok(found);
        }
        Ok(run.ownership.begin(found).await.map_err(SinkError::from)?)
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
}
