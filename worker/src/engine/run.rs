//! A shard's life at its owner: take over, stream, start over after what heals, stop when told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use maxwell_protocol::id::Epoch;
use maxwell_protocol::member::{ShardReport, ShardState};
use maxwell_protocol::position::{PositionMirror, PositionRecord};
use maxwell_protocol::settings::{Commit, EncryptionMode, Settings};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, field};

use super::error::{Disposition, EngineError};
use super::pipeline::{FAREWELL, Stopped};
use super::retained::Retained;
use super::sources::{Sources, Turn};
use super::status::{Observer, Observers};
use crate::coordination::{Ownership, ShardContext, ShardEnd, ShardHost};
use crate::encode::style::Style;
use crate::filter::TableFilter;
use crate::sink::Sink;

const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Runs shards with these settings.
pub struct Engine {
    pub(super) settings: Settings,
    pub(super) sources: Sources,
    /// Whether the last run ended because no server has what follows the position.
    position_lost: AtomicBool,
    pub(super) filters: watch::Receiver<TableFilter>,
    pub(super) style: Style,
    pub(super) sink: Arc<dyn Sink>,
    observers: Arc<dyn Observers>,
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
        observers: Arc<dyn Observers>,
    ) -> Result<Self, EngineError> {
        let style = style(&settings)?;
        let (sources, position_lost) = (Sources::new(&settings.mysql), AtomicBool::new(false));
        Ok(Self { settings, sources, position_lost, filters, style, sink, observers })
    }

    /// Whether it stopped because no server has what follows the position.
    pub fn has_lost_position(&self) -> bool {
        self.position_lost.load(Ordering::Relaxed)
    }

    fn longest_pause(&self) -> Duration {
        Duration::from_millis(u64::from(self.settings.failover.retry_interval_milliseconds))
    }
    /// One run, from take-over to the end.
    async fn stream(&self, run: &Run<'_>) -> Result<Stopped, EngineError> {
        let prepared = tokio::select! {
            prepared = self.prepare(run) => prepared?,
            () = run.ownership.lost() => return Ok(Stopped::Lost),
        };
        self.pipeline(run, prepared).await
    }

    pub(super) fn commit(&self) -> Commit {
        self.settings.kafka.as_ref().map(|kafka| kafka.commit).unwrap_or_default()
    }

    /// What follows from an error: the end of the run at this member, or, after a pause, another try.
    async fn settle(&self, run: &Run<'_>, error: &EngineError, attempt: u32) -> Option<ShardEnd> {
        let disposition = error.disposition();
        let text = error.to_string();
        if disposition == Disposition::Relinquish && !run.ownership.may_still_own().await {
            tracing::warn!(error = text, "a successor owns the shard");
            run.observer.fenced();
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
            run.retained.lost(run.observer.as_ref());
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
            observer: Arc::clone(&self.observers).shard(),
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
pub(super) struct Run<'a> {
    pub(super) context: &'a ShardContext,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) ownership: Arc<dyn Ownership>,
    pub(super) stop: CancellationToken,
    /// The last committed record of this run.
    pub(super) progress: watch::Sender<Option<PositionRecord>>,
    pub(super) retained: Arc<Retained>,
    /// When the record that the run goes on from was written, milliseconds since the epoch; 0 without one.
    pub(super) before: AtomicI64,
    /// Whether to leave the stored position behind and go on at the head.
    pub(super) start_over: AtomicBool,
}

impl Run<'_> {
    pub(super) fn report(&self, state: ShardState, epoch: Epoch, error: &str) {
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

    pub(super) async fn farewell(&self) {
        let record = self.progress.borrow().clone();
        if let Some(record) = record {
            let written = self.ownership.mirror(PositionMirror::from(&record));
            if tokio::time::timeout(FAREWELL, written).await.is_err() {
                tracing::warn!("the mirror of the position could not be written in time");
            }
        }
    }
}
