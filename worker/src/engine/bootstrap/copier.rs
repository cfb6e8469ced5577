//! Copies one table: reads chunks, prints them, hands them to the desk.

use std::time::Duration;

use maxwell_protocol::bootstrap::{BootstrapPhase, BootstrapTask};
use thiserror::Error;
use tokio::sync::oneshot;

use super::cutter::Cutter;
use super::outbox::Outbox;
use super::runner::Shop;
use super::whole::Holding;
use super::{Guard, Order, Then, Verdict};
use crate::bootstrap::BootstrapError;
use crate::bootstrap::describe::{CopyTable, describe};
use crate::bootstrap::piece::{Piece, Printer};
use crate::bootstrap::plan::ChunkPlan;
use crate::bootstrap::row::CopyStyle;
use crate::bootstrap::window::{TableName, WindowId};
use crate::clock::seconds;
use crate::encode::message::TableEncoder;
use crate::encode::style::Style;
use crate::shard::Held;
use crate::source::SourceError;
use crate::source::copy::CopySession;
use crate::source::preflight::Head;

/// Chunks that share a window, and the bytes after which it is closed.
const CHUNKS: usize = 4;
const WINDOW_BYTES: usize = 8 * 1024 * 1024;
/// A chunk is planned for this many bytes; the first one is small, because nothing is known of its rows.
pub(super) const CHUNK_BYTES: usize = 2 * 1024 * 1024;
const FIRST_ROWS: u64 = 256;
/// Windows that wait for the stream while the next one is read.
pub(super) const AHEAD: usize = 2;
/// How long rows may be locked at the source.
const LOCKED: Duration = Duration::from_millis(500);

/// Why a copy stopped.
#[derive(Debug, Error)]
pub(super) enum CopyError {
    /// The source; trying again may help.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The table cannot be copied.
    #[error(transparent)]
    Table(#[from] BootstrapError),
    /// The pipeline is gone.
    #[error("the pipeline ended")]
    Closed,
}

/// How a copy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Everything is on its way to the sink.
    Complete {
        /// Rows of the table, as far as the condition and the time of reading go.
        rows: u64,
    },
    /// There is no such table.
    Missing,
    /// It was taken back.
    Aborted,
    /// The desk wants it read again from the cursor.
    Again,
}

/// A table that is being copied.
pub(super) struct Copier<'a> {
    pub(super) out: Outbox<'a>,
    pub(super) task: &'a BootstrapTask,
    pub(super) name: TableName,
    pub(super) copy: CopyTable,
    pub(super) encoder: TableEncoder,
    /// For `bootstrap-start`.
    start: TableEncoder,
    pub(super) style: CopyStyle,
    pub(super) session: CopySession,
    /// Whether the table's engine has snapshots.
    pub(super) transactional: bool,
    pub(super) holding: Option<Holding<'a>>,
    /// Rows that the server reckons the table to have; 0 if that says nothing of what is copied.
    pub(super) estimated_rows: u64,
    /// Rows of the next chunk.
    limit: u64,
    /// Chunks that are still to be read with their rows locked.
    careful: u32,
    /// Whether `bootstrap-start` is still to be written.
    starts: bool,
    /// Rows that were read so far, those before a restart included.
    read: u64,
}

/// Copies the rest of a task, the first `careful` chunks of it with their rows locked: a window cannot tell what the
/// stream shows in part.
pub(super) async fn copy(shop: &Shop, task: &BootstrapTask, careful: u32) -> Result<Ended, CopyError> {
    let mut session = CopySession::open(&shop.mysql, &shop.server).await?;
    let request = &task.request;
    let Some(found) = session.describe(&request.database, &request.table).await? else {
        return Ok(Ended::Missing);
    };
    let name = (found.database, found.table);
    let copy = describe(&name.0, &name.1, found.catalog, &found.columns, &found.indexes)?;
    let original = !shop.settings.like_stream;
    let style = style(&shop.style, original);
    let comment = request.comment.as_deref();
    let divided = shop.divider.table(&name.0, &name.1) == Held::ByKey;
    let encoder = |kind| {
        TableEncoder::copied(copy.table.clone(), &style, kind, comment)
            .with_share(divided.then(|| shop.divider.keys()))
    };
    let mut copier = Copier {
        out: Outbox::new(shop, &task.id, task.cursor.clone()),
        task,
        name,
        encoder: encoder("bootstrap-insert"),
        start: encoder("bootstrap-start"),
        style: CopyStyle { original },
        session,
        transactional: found.transactional,
        estimated_rows: if request.condition.is_none() { found.estimated_rows } else { 0 },
        holding: None,
        limit: FIRST_ROWS.min(shop.chunk_rows()),
        careful,
        read: task.rows,
        starts: task.phase == BootstrapPhase::Waiting,
        copy,
    };
    let ended = match task.phase {
        BootstrapPhase::Aborting => Ended::Aborted,
        _ if copier.copy.key.is_empty() => copier.whole().await?,
        _ => copier.rows().await?,
    };
    if matches!(ended, Ended::Complete { .. } | Ended::Aborted) {
        let mut table = copier.copy.table.clone();
        table.primary_key.clear();
        let encoder = TableEncoder::copied(table, &style, "bootstrap-complete", comment);
        let piece = copier.mark(&encoder, "Finished")?;
        copier.out.deliver(copier.guard(), None, vec![piece], Then::Finished);
        copier.out.settle(0).await?;
    }
    Ok(ended)
}

/// The original's bootstrap knows nothing of `output_null_zerodates`.
fn style(style: &Style, original: bool) -> Style {
    let mut style = style.clone();
    style.output.null_zero_dates &= !original;
    style
}

/// Closes a window whose chunk is never delivered.
struct OpenWindow<'a> {
    shop: &'a Shop,
    window: Option<(TableName, WindowId)>,
}

impl Drop for OpenWindow<'_> {
    fn drop(&mut self) {
        if let Some((table, window)) = self.window.take() {
            self.shop.order(Order::Close { table, window });
        }
    }
}

impl Copier<'_> {
    fn mark(&self, encoder: &TableEncoder, name: &str) -> Result<Piece, CopyError> {
        Ok(Piece::mark(encoder, &format!("{}/{name}", self.task.id), seconds())?)
    }

    pub(super) fn start_piece(&self) -> Result<Piece, CopyError> {
        self.mark(&self.start, "Started")
    }

    /// What keeps marks, and rows without a key, apart from the stream.
    pub(super) fn guard(&self) -> Guard {
        self.holding.as_ref().map_or(Guard::None, |_| Guard::Hold(self.name.clone()))
    }

    /// Reads window by window to the end of the table.
    async fn rows(&mut self) -> Result<Ended, CopyError> {
        loop {
            let (more, verdict) = if self.careful > 0 {
                self.careful -= 1;
                self.locked().await?
            } else {
                let more = self.window().await?;
                (more, self.out.settle(if more { AHEAD } else { 0 }).await?)
            };
            match (verdict, more) {
                (Verdict::Again, _) => return Ok(Ended::Again),
                (Verdict::Gone, _) => return Ok(Ended::Aborted),
                (Verdict::Taken, true) => {}
                (Verdict::Taken, false) => return Ok(Ended::Complete { rows: self.read }),
            }
        }
    }

    /// Reads and delivers some chunks; whether there may be more.
    async fn window(&mut self) -> Result<bool, CopyError> {
        let (reply, opened) = oneshot::channel();
        let (shop, table) = (self.out.shop, self.name.clone());
        shop.order(Order::Open { table: table.clone(), key: self.copy.key_names.clone(), reply });
        let opened = opened.await.map_err(|_| CopyError::Closed)?;
        let mut open = OpenWindow { shop, window: Some((table, opened.window)) };
        self.session.begin(&opened.passed).await?;
        let mut pieces: Vec<Piece> = Vec::new();
        let mut more = true;
        let mut after = self.out.cursor.clone();
        let chunks = if shop.knobs.rows_per_second() > 0 { 1 } else { CHUNKS };
        for _ in 0..chunks {
            let bytes: usize = pieces.iter().map(|piece| piece.bytes.len()).sum();
            if !more || bytes >= WINDOW_BYTES {
                break;
            }
            more = self.chunk(&mut pieces, &after, self.session.locking()).await?;
            if let Some(last) = pieces.last() {
                after.clone_from(&last.cursor);
            }
        }
        let until = self.session.end().await?;
        self.started()?;
        let Some((table, window)) = open.window.take().filter(|_| !pieces.is_empty()) else {
            return Ok(false);
        };
        let rows = self.advance(Guard::Window(table, window), until, pieces);
        shop.pace(rows).await;
        Ok(more)
    }

    /// Reads and delivers a chunk whose rows stay as they are until the stream has come to it; whether there may be more.
    async fn locked(&mut self) -> Result<(bool, Verdict), CopyError> {
        // The stream shall be near, so that they are not locked for long.
        let head = self.session.head().await?;
        self.out.deliver(Guard::None, Some(head), Vec::new(), Then::Asked);
        match self.out.settle(0).await? {
            Verdict::Taken => {}
            other => return Ok((true, other)),
        }
        self.limit = self.limit.min(FIRST_ROWS);
        self.session.begin_locking().await?;
        let (mut pieces, after) = (Vec::new(), self.out.cursor.clone());
        let more = self.chunk(&mut pieces, &after, true).await?;
        let until = self.session.head().await?;
        self.started()?;
        let rows = if pieces.is_empty() { 0 } else { self.advance(Guard::Locks, until, pieces) };
        let verdict = self.out.settle_within(LOCKED).await?;
        self.session.commit().await?;
        self.out.shop.pace(rows).await;
        Ok((more, verdict))
    }

    /// Writes `bootstrap-start`. Not before the condition is known to be one that the server understands.
    fn started(&mut self) -> Result<(), CopyError> {
        if std::mem::take(&mut self.starts) {
            self.out.deliver(
                Guard::None,
                None,
                vec![self.start_piece()?],
                Then::Started(self.estimated_rows),
            );
        }
        Ok(())
    }

    fn advance(&mut self, guard: Guard, until: Head, pieces: Vec<Piece>) -> u64 {
        let rows = pieces.iter().map(|piece| piece.rows).sum();
        self.read += rows;
        self.out.deliver(guard, Some(until), pieces, Then::Advanced);
        rows
    }

    /// Reads one chunk behind `after`; whether there may be more.
    async fn chunk(
        &mut self,
        pieces: &mut Vec<Piece>,
        after: &[String],
        locking: bool,
    ) -> Result<bool, CopyError> {
        let plan = ChunkPlan {
            database: &self.name.0,
            table: &self.name.1,
            columns: &self.copy.expressions,
            index: &self.copy.index,
            key: &self.copy.key_names,
            condition: self.task.request.condition.as_deref(),
            after,
            limit: self.limit,
            locking,
        };
        let printer = Printer::new(&self.copy, &self.encoder, self.style, &self.task.id);
        let mut cutter = Cutter::new(printer, self.out.shop.piece_records);
        let mut rows = self.session.select(&plan.sql()).await?;
        let mut cut_short = false;
        while !cut_short && let Some(values) = rows.next().await? {
            cutter.row(values)?;
            cut_short = cutter.bytes >= 2 * WINDOW_BYTES;
        }
        rows.finish().await?;
        let (bytes, rows) = (cutter.bytes as u64, cutter.rows);
        pieces.append(&mut cutter.take()?);
        let more = cut_short || rows >= self.limit;
        if let Some(average) = bytes.checked_div(rows) {
            self.limit = (CHUNK_BYTES as u64 / average.max(1)).clamp(1, self.out.shop.chunk_rows());
        }
        Ok(more)
    }
}
