//! A run's threads and what joins them: the reader, the pump, the committer, and what watches beside them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::Span;

use super::bootstrap::runner::{Copies, Shop};
use super::committer;
use super::delay::Delay;
use super::error::EngineError;
use super::prepare::Prepared;
use super::pump::{self, Pump, PumpEnd, PumpParts};
use super::run::Engine;
use super::runs::{FAREWELL, Feed, Run, Stopped, read};
use super::turns::windows;
use super::until::Until;
use super::watcher::{Watcher, lock, mirror};
use crate::sink::SinkError;
use crate::source::SourceError;
use crate::source::dump::{Batch, Dump};
use crate::source::retention::Retention;

/// Batches between the dump and the pump, chunks between the pump and the committer.
const QUEUED_BATCHES: usize = 16;
const QUEUED_CHUNKS: usize = 8;
impl Engine {
    fn shop(&self, run: &Run<'_>, copies: &Copies, parts: &PumpParts, wake: mpsc::Sender<Batch>) -> Shop {
        Shop {
            settings: self.settings.bootstrap.clone(),
            knobs: self.tunables.knobs(),
            mysql: self.reactions.sources.current().clone(),
            server: parts.side.server.clone(),
            ownership: Arc::clone(&run.ownership),
            style: self.style.clone(),
            divider: copies.divider.clone(),
            piece_records: pump::chunk_records(parts.max_rows),
            orders: copies.orders.clone(),
            wake,
            next_row: Mutex::new(Instant::now()),
        }
    }

    pub(super) async fn pipeline(
        &self,
        run: &Run<'_>,
        Prepared { mut dump, parts, writer, base, copies }: Prepared,
    ) -> Result<Stopped, EngineError> {
        let epoch = base.epoch;
        let closing = parts.closing.clone();
        let ends = matches!(parts.until, Until::Place { .. });
        let retained = Retention::new(parts.side.clone());
        let (batch_tx, batch_rx) = mpsc::channel(QUEUED_BATCHES);
        let (chunk_tx, chunk_rx) = crossbeam_channel::bounded(QUEUED_CHUNKS);
        let shop = self.shop(run, &copies, &parts, batch_tx.clone());
        let (span, of_committer) = (Span::current(), Span::current());
        let pump = tokio::task::spawn_blocking(move || {
            span.in_scope(|| pump_all(Pump::new(parts, chunk_tx), batch_rx))
        });
        let delay = Arc::new(Mutex::new(Delay::default()));
        lock(&delay).resumed(base.source_time);
        let rows = Arc::new(AtomicU64::new(0));
        let watcher = Watcher {
            observer: Arc::clone(&run.observer),
            progress: run.progress.clone(),
            ownership: Arc::clone(&run.ownership),
            delay: Arc::clone(&delay),
            rows: Arc::clone(&rows),
            before: Some(run.before.load(Ordering::Relaxed)).filter(|before| *before > 0),
            resumed: AtomicBool::new(false),
        };
        let (limits, knobs) = (self.commit(), self.tunables.knobs());
        let committer = tokio::task::spawn_blocking(move || {
            of_committer.in_scope(|| committer::run(writer, &chunk_rx, (limits, &knobs), base, &watcher))
        });
        let mirror = tokio::spawn(mirror(
            Arc::clone(&run.ownership),
            run.progress.subscribe(),
            (delay, rows),
            Arc::clone(&run.retained),
            epoch,
        ));
        run.retained.ask(retained, run.progress.subscribe(), Arc::clone(&run.observer));
        // Where the shard is about to end no copy begins.
        let runner = (!ends).then(|| copies.run(shop, run.progress.subscribe()));
        let read = read(&mut dump, batch_tx, run).await;
        if let Some(runner) = runner {
            runner.abort();
        }
        closing.cancel();
        if tokio::time::timeout(FAREWELL, dump.close()).await.is_err() {
            tracing::debug!("the old dump's connection did not close in time");
        }
        let ended = join(read, pump, committer).await;
        mirror.abort();
        // Whoever has the next turn waits for it.
        if matches!(ended, Ok(Stopped::Sealed)) && windows(run).is_some() {
            run.tell_sealed();
        }
        run.farewell().await;
        ended
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
        (Err(PumpEnd::Sealed), Ok(Stopped::Lost)) => Ok(Stopped::Lost),
        (Err(PumpEnd::Sealed), _) => Ok(Stopped::Sealed),
        (Err(PumpEnd::Failed(error)), _) | (_, Err(Some(error))) => Err(error),
        (_, Ok(stopped)) => Ok(stopped),
        (_, Err(None)) => Err(EngineError::Thread("the pipeline closed without a reason".into())),
    }
}
