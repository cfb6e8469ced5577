//! Copies one table: reads chunks, prints them, hands them to the desk.

use std::collections::VecDeque;

use maxwell_protocol::bootstrap::{BootstrapPhase, BootstrapTask};
use thiserror::Error;
use tokio::sync::oneshot;

use super::runner::Shop;
use super::{Delivery, Order, Then, Verdict};
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
const CHUNK_BYTES: usize = 2 * 1024 * 1024;
const FIRST_ROWS: u64 = 256;
/// A piece is cut at this many bytes.
const PIECE_BYTES: usize = 256 * 1024;
/// Windows that wait for the stream while the next one is read.
const AHEAD: usize = 2;

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
struct Copier<'a> {
    shop: &'a Shop,
    task: &'a BootstrapTask,
    name: TableName,
    copy: CopyTable,
    encoder: TableEncoder,
    style: CopyStyle,
    session: CopySession,
    /// The cursor behind what was read.
    cursor: Vec<String>,
    /// Rows of the next chunk.
    limit: u64,
    /// Whether that stays small.
    careful: bool,
    pending: VecDeque<oneshot::Receiver<Verdict>>,
    /// `bootstrap-start`, until it is written.
    start: Option<Piece>,
    /// Rows that were read so far, those before a restart included.
    read: u64,
}

/// Copies the rest of a task. A careful one reads little at a time, so that the stream seldom touches what is read.
pub(super) async fn copy(shop: &Shop, task: &BootstrapTask, careful: bool) -> Result<Ended, CopyError> {
    let mut session = CopySession::open(&shop.mysql, &shop.server).await?;
    let request = &task.request;
    let Some(found) = session.describe(&request.database, &request.table).await? else {
        return Ok(Ended::Missing);
    };
    let name = (found.database, found.table);
    let copy = describe(&name.0, &name.1, found.catalog, &found.columns)?;
    let original = !shop.settings.like_stream;
    let style = style(&shop.style, original);
    let comment = request.comment.as_deref();
    let encoder = TableEncoder::copied(copy.table.clone(), &style, "bootstrap-insert", comment);
    let divided = shop.divider.table(&name.0, &name.1) == Held::ByKey;
    let encoder = encoder.with_share(divided.then(|| shop.divider.keys()));
    let mut copier = Copier {
        shop,
        task,
        name,
        encoder,
        style: CopyStyle { original },
        session,
        cursor: task.cursor.clone(),
        limit: FIRST_ROWS.min(shop.chunk_rows()),
        careful,
        pending: VecDeque::new(),
        read: task.rows,
        start: None,
        copy,
    };
    if task.phase == BootstrapPhase::Waiting {
        let encoder = TableEncoder::copied(copier.copy.table.clone(), &style, "bootstrap-start", comment);
        copier.start = Some(copier.piece(&encoder, Then::Started)?);
    }
    let ended = match task.phase {
        BootstrapPhase::Aborting => Ended::Aborted,
        _ => copier.rows().await?,
    };
    if matches!(ended, Ended::Complete { .. } | Ended::Aborted) {
        let mut table = copier.copy.table.clone();
        table.primary_key.clear();
        let encoder = TableEncoder::copied(table, &style, "bootstrap-complete", comment);
        let piece = copier.piece(&encoder, Then::Finished)?;
        copier.deliver(None, None, vec![piece], Then::Finished);
        copier.settle(0).await?;
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
    fn piece(&self, encoder: &TableEncoder, then: Then) -> Result<Piece, CopyError> {
        Ok(Piece::mark(encoder, &format!("{}/{then:?}", self.task.id), seconds())?)
    }

    /// Reads window by window to the end of the table.
    async fn rows(&mut self) -> Result<Ended, CopyError> {
        loop {
            let more = self.window().await?;
            let verdict = self.settle(if more { AHEAD } else { 0 }).await?;
            match (verdict, more) {
                (Verdict::Again, _) => return Ok(Ended::Again),
                (Verdict::Gone, _) => return Ok(Ended::Aborted),
                (Verdict::Taken, true) => {}
                (Verdict::Taken, false) => return Ok(Ended::Complete { rows: self.read }),
            }
        }
    }

    /// Waits until no more than `left` deliveries are undecided.
    async fn settle(&mut self, left: usize) -> Result<Verdict, CopyError> {
        while self.pending.len() > left {
            let Some(first) = self.pending.pop_front() else { break };
            match first.await.map_err(|_| CopyError::Closed)? {
                Verdict::Taken => {}
                other => return Ok(other),
            }
        }
        Ok(Verdict::Taken)
    }

    fn deliver(
        &mut self,
        window: Option<(TableName, WindowId)>,
        until: Option<Head>,
        pieces: Vec<Piece>,
        then: Then,
    ) {
        let from = match pieces.last() {
            Some(piece) if then == Then::Advanced => {
                std::mem::replace(&mut self.cursor, piece.cursor.clone())
            }
            _ => Vec::new(),
        };
        let (verdict, answer) = oneshot::channel();
        let task = self.task.id.clone();
        self.shop.order(Order::Deliver(Delivery { task, window, from, until, pieces, then, verdict }));
        self.pending.push_back(answer);
    }

    /// Reads and delivers some chunks; whether there may be more.
    async fn window(&mut self) -> Result<bool, CopyError> {
        let (reply, opened) = oneshot::channel();
        self.shop.order(Order::Open { table: self.name.clone(), reply });
        let opened = opened.await.map_err(|_| CopyError::Closed)?;
        let mut open = OpenWindow { shop: self.shop, window: Some((self.name.clone(), opened.window)) };
        self.session.begin(&opened.passed).await?;
        let mut pieces: Vec<Piece> = Vec::new();
        let mut more = true;
        let mut after = self.cursor.clone();
        let small = self.careful || self.shop.settings.max_rows_per_second > 0;
        let chunks = if small { 1 } else { CHUNKS };
        for _ in 0..chunks {
            let bytes: usize = pieces.iter().map(|piece| piece.bytes.len()).sum();
            if !more || bytes >= WINDOW_BYTES {
                break;
            }
            more = self.chunk(&mut pieces, &after).await?;
            if let Some(last) = pieces.last() {
                after.clone_from(&last.cursor);
            }
        }
        let until = self.session.end().await?;
        // Not before the condition is known to be one that the server understands.
        if let Some(start) = self.start.take() {
            self.deliver(None, None, vec![start], Then::Started);
        }
        if pieces.is_empty() {
            return Ok(false);
        }
        let rows = pieces.iter().map(|piece| piece.rows).sum();
        self.read += rows;
        self.deliver(open.window.take(), Some(until), pieces, Then::Advanced);
        self.shop.pace(rows).await;
        Ok(more)
    }

    /// Reads one chunk behind `after`; whether there may be more.
    async fn chunk(&mut self, pieces: &mut Vec<Piece>, after: &[String]) -> Result<bool, CopyError> {
        let request = &self.task.request;
        let plan = ChunkPlan {
            database: &self.name.0,
            table: &self.name.1,
            columns: &self.copy.expressions,
            key: &self.copy.key,
            condition: request.condition.as_deref(),
            after,
            limit: self.limit,
            locking: self.session.locking(),
        };
        let mut printer = Printer::new(&self.copy, &self.encoder, self.style, &self.task.id);
        let (mut rows, mut bytes, time) = (0, 0, seconds());
        let most = self.shop.piece_records;
        let mut piece = printer.piece();
        let mut last = Vec::new();
        let mut cut_short = false;
        let each = |values: Vec<mysql_common::value::Value>| -> Result<bool, CopyError> {
            printer.print(&mut piece, &values, time)?;
            rows += 1;
            if piece.records.len() >= most || piece.bytes.len() >= PIECE_BYTES {
                piece.cursor = printer.cursor(&values)?;
                bytes += piece.bytes.len();
                pieces.push(std::mem::replace(&mut piece, printer.piece()));
            }
            last = values;
            cut_short = bytes >= 2 * WINDOW_BYTES;
            Ok(!cut_short)
        };
        self.session.rows(&plan.sql(), each).await?;
        if piece.rows > 0 {
            piece.cursor = printer.cursor(&last)?;
            bytes += piece.bytes.len();
            pieces.push(piece);
        }
        let more = cut_short || rows >= self.limit;
        if let Some(average) = (bytes as u64).checked_div(rows).filter(|_| !self.careful) {
            self.limit = (CHUNK_BYTES as u64 / average.max(1)).clamp(1, self.shop.chunk_rows());
        }
        Ok(more)
    }
}
