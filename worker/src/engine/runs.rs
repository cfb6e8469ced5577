//! A shard's life at its owner: one run after the other, and what follows from the end of each. How a run goes is
//! behind a trait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use maxwell_protocol::id::Epoch;
use maxwell_protocol::member::{ShardReport, ShardState};
use maxwell_protocol::position::{PositionMirror, PositionRecord};
use maxwell_protocol::settings::{Failover, MySql};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::error::{Disposition, EngineError};
use super::retained::Retained;
use super::sources::{Sources, Turn};
use super::status::Observer;
use crate::coordination::{Ownership, ShardContext, ShardEnd};
use crate::source::SourceError;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How long the end of a run may wait for ZooKeeper or the dump's connection.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);

/// One run, from take-over to the end.
#[async_trait]
pub(crate) trait Streamer: Sync {
    /// Fences the owner before, goes on from its position, streams.
    async fn stream(&self, run: &Run<'_>) -> Result<Stopped, EngineError>;
}

/// How a run ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// It was told to stop, and everything is committed.
    Drained,
    /// The shard's lock is gone.
    Lost,
    /// The last committed record is sealed: nothing may follow it yet.
    Sealed,
}

/// What a run's parts share.
pub(crate) struct Run<'a> {
    pub(crate) context: &'a ShardContext,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) ownership: Arc<dyn Ownership>,
    pub(crate) stop: CancellationToken,
    /// The last committed record of this life.
    pub(crate) progress: watch::Sender<Option<PositionRecord>>,
    pub(crate) retained: Arc<Retained>,
    /// When the record that the run goes on from was written, milliseconds since the epoch; 0 without one.
    pub(crate) before: AtomicI64,
    /// Whether to leave the stored position behind and go on at the head.
    pub(super) start_over: AtomicBool,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        context: &'a ShardContext,
        observer: Arc<dyn Observer>,
        ownership: Arc<dyn Ownership>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            context,
            observer,
            ownership,
            stop,
            progress: watch::Sender::new(None),
            retained: Arc::default(),
            before: AtomicI64::new(0),
            start_over: AtomicBool::new(false),
        }
    }

    pub(crate) fn report(&self, state: ShardState, epoch: Epoch, error: &str) {
        self.ownership.report(self.retained.report(state, epoch, 0, error));
    }

    /// Tells that the last record is sealed.
    pub(super) fn tell_sealed(&self) -> PositionRecord {
        #[cfg(feature = "failpoints")]
        fail::fail_point!("before-told");
        let record = self.progress.borrow().clone().expect("what ends sealed has committed a record");
        let report = self.retained.report(ShardState::Sealed, record.epoch, 0, "");
        self.ownership.report(ShardReport { sealed: record.sealed, ..report });
        record
    }

    fn sequence(&self) -> u64 {
        self.progress.borrow().as_ref().map_or(0, |record| record.sequence)
    }

    /// Completes when the run shall stop and has had its time to drain.
    async fn stop_before_streaming(&self) {
        self.stop.cancelled().await;
        tokio::time::sleep(Duration::from_secs(20)).await;
    }

    /// Brings the mirror up to date.
    pub(crate) async fn farewell(&self) {
        let record = self.progress.borrow().clone();
        if let Some(record) = record {
            let written = self.ownership.mirror(PositionMirror::from(&record));
            if tokio::time::timeout(FAREWELL, written).await.is_err() {
                tracing::warn!("the mirror of the position could not be written in time");
            }
        }
    }
}

/// What a take-over came to: what to stream with, or how the run has ended without streaming.
pub(crate) async fn prepared<P>(
    run: &Run<'_>,
    prepare: impl Future<Output = Result<Option<P>, EngineError>>,
) -> Result<Result<P, Stopped>, EngineError> {
    tokio::select! {
        prepared = prepare => Ok(prepared?.ok_or(Stopped::Sealed)),
        () = run.ownership.lost() => Ok(Err(Stopped::Lost)),
    }
}

/// What is done when a run has failed.
pub(crate) struct Reactions {
    pub(super) sources: Sources,
    longest_pause: Duration,
    /// Retries after a longest pause each before somebody else shall try.
    max_retries: u32,
    /// Whether the last run ended because no server has what follows the position.
    position_lost: AtomicBool,
}

impl Reactions {
    /// For the servers of `mysql`; `failover` says how long and how often it is tried again.
    pub(crate) fn new(mysql: &MySql, failover: &Failover) -> Self {
        Self {
            sources: Sources::new(mysql),
            longest_pause: Duration::from_millis(u64::from(failover.retry_interval_milliseconds)),
            max_retries: failover.max_retries,
            position_lost: AtomicBool::new(false),
        }
    }

    pub(super) fn has_lost_position(&self) -> bool {
        self.position_lost.load(Ordering::Relaxed)
    }

    /// Runs the shard until told to stop, or until it is another member's.
    pub(crate) async fn live(&self, streamer: &dyn Streamer, run: &Run<'_>) -> ShardEnd {
        let mut attempt = 0;
        loop {
            run.report(ShardState::TakingOver, Epoch(0), "");
            let before = run.sequence();
            let ended = tokio::select! {
                ended = streamer.stream(run) => ended,
                // Not taken over yet, or stuck in it: nothing to drain.
                () = run.stop_before_streaming() => Ok(Stopped::Drained),
            };
            match ended {
                Ok(Stopped::Drained) => return ShardEnd::Drained,
                Ok(Stopped::Lost) => return lost(run),
                Ok(Stopped::Sealed) => return ShardEnd::Sealed(Box::new(run.tell_sealed())),
                Err(error) => {
                    attempt = if run.sequence() > before { 0 } else { attempt + 1 };
                    match self.settle(run, &error, attempt).await {
                        Next::End(end) => return end,
                        Next::Try => {}
                        Next::TryAfresh => attempt = 0,
                    }
                }
            }
        }
    }

    /// What follows from an error: the end of the run at this member, or, after a pause, another try.
    async fn settle(&self, run: &Run<'_>, error: &EngineError, attempt: u32) -> Next {
        let disposition = error.disposition();
        let text = error.to_string();
        if disposition == Disposition::Relinquish && !run.ownership.may_still_own().await {
            tracing::warn!(error = text, "a successor owns the shard");
            run.observer.fenced();
            return Next::End(ShardEnd::Relinquished { reason: text });
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
        let pause = pause(attempt, self.longest_pause);
        let elsewhere = match disposition {
            Disposition::Unreachable => turn != Turn::Next,
            // Who has committed nothing keeps the shard: a successor would be no better off, and so on.
            Disposition::Retry => {
                run.sequence() > 0
                    && error.may_be_of_member()
                    && retries(attempt, self.longest_pause) >= self.max_retries
            }
            Disposition::Halt | Disposition::Relinquish => false,
        };
        let unreachable = disposition == Disposition::Unreachable;
        tokio::select! {
            () = run.stop.cancelled() => Next::End(ShardEnd::Drained),
            () = run.ownership.lost() => Next::End(lost(run)),
            () = run.ownership.another_can(), if elsewhere => {
                Next::End(ShardEnd::Unreachable { reason: text })
            }
            () = run.ownership.reaches_again(), if unreachable && !halted => Next::TryAfresh,
            () = tokio::time::sleep(pause), if !halted => Next::Try,
        }
    }
}

/// How long to wait after so many failures in a row.
fn pause(attempt: u32, longest: Duration) -> Duration {
    FIRST_PAUSE.saturating_mul(2u32.saturating_pow(attempt.min(24))).min(longest)
}

/// How many tries among the first `attempt` came a longest pause after the one before.
fn retries(attempt: u32, longest: Duration) -> u32 {
    (0..attempt).rev().take_while(|earlier| pause(*earlier, longest) == longest).count() as u32
}

/// What follows from the end of a run.
enum Next {
    /// The end at this member.
    End(ShardEnd),
    /// Another run.
    Try,
    /// Another one, and pauses as short as at first: what was away is back.
    TryAfresh,
}

fn lost(run: &Run<'_>) -> ShardEnd {
    if !run.ownership.gave_up() {
        run.observer.lock_lost();
    }
    ShardEnd::Relinquished { reason: "the shard's lock is gone".into() }
}

/// What a run reads from.
#[async_trait]
pub(crate) trait Feed: Send {
    /// What is read at once.
    type Batch: Send;

    /// The next batch; `None` when the source has ended the dump.
    async fn next(&mut self) -> Result<Option<Self::Batch>, SourceError>;
}

/// Moves batches until told to stop, the pipeline goes down or the source fails.
pub(crate) async fn read<F: Feed>(
    feed: &mut F,
    batches: mpsc::Sender<F::Batch>,
    run: &Run<'_>,
) -> Result<Stopped, Option<EngineError>> {
    // One for the whole run: what it waits for must not begin anew with every batch.
    let lost = run.ownership.lost();
    tokio::pin!(lost);
    loop {
        let step = async {
            let permit = batches.reserve().await.map_err(|_| None)?;
            tokio::select! {
                read = feed.next() => match read {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_count_once_pauses_have_grown_to_the_interval() {
        let longest = Duration::from_secs(10);
        assert_eq!(pause(0, longest), FIRST_PAUSE);
        assert_eq!(pause(1, longest), FIRST_PAUSE * 2);
        // 50 ms doubled eight times is longer than ten seconds.
        assert_eq!(pause(7, longest), FIRST_PAUSE * 128);
        assert_eq!([pause(8, longest), pause(u32::MAX, longest)], [longest; 2]);
        assert_eq!([retries(0, longest), retries(8, longest)], [0; 2]);
        assert_eq!(retries(11, longest), 3);
    }
}
