//! Strategy `Time` at a shard's owner: what a run goes on from, and the wait for the shard's turn. Whose turn it is, and
//! why that is safe, is decided in `shard::turn`; what other members report only says when to look.

use std::time::Duration;

use maxwell_protocol::id::Epoch;
use maxwell_protocol::member::{ShardReport, ShardState};
use maxwell_protocol::position::{PositionRecord, Seal};

use super::beginning::Heritage;
use super::error::EngineError;
use super::follow::Stored;
use super::run::Engine;
use super::runs::{Run, Stopped};
use crate::coordination::ShardHost;
use crate::shard::turn::{Turn, turn};
use crate::shard::windows::Windows;

/// Before a look at what others report: a record may be told of a moment before it can be read.
const LOOK: Duration = Duration::from_millis(20);
/// How often connections are looked after meanwhile.
const WARMING: Duration = Duration::from_secs(5);

/// What a run goes on from.
pub(super) enum Way {
    /// The shard's own last record, or the layout's beginning.
    Own,
    /// Where another shard ended.
    Handed(Box<Handed>),
    /// Nothing: it is not to stream yet.
    Wait,
}

/// A turn that another shard handed over.
pub(super) struct Handed {
    /// That shard's last record.
    pub(super) record: PositionRecord,
    /// The window that begins there.
    pub(super) window: u64,
    /// The tables as that shard followed them up to there.
    pub(super) stored: Stored,
}

impl Engine {
    /// Whether, and from where, the shard that was taken over streams; `last` is its own last record.
    pub(super) async fn way(
        &self,
        run: &Run<'_>,
        (last, heritage): (Option<&PositionRecord>, Heritage),
    ) -> Result<Way, EngineError> {
        let last = last.filter(|_| heritage == Heritage::Own);
        let Some(windows) = windows(run) else { return Ok(Way::Own) };
        // Who has an open record has the turn, whatever the others' say.
        if last.is_some_and(|own| own.sealed.is_none()) {
            return Ok(Way::Own);
        }
        let (context, me) = (run.context, run.context.number);
        let hashed = context.layout.hashed();
        let shards: Vec<_> =
            context.layout.shards().filter(|(_, number)| *number < hashed && *number != me).collect();
        let mut others = self.sink.last_records(context, &shards).await?;
        others.retain(|(_, record)| record.generation == context.layout.generation);
        let (from, record, window) = match turn(windows, last, &others) {
            Turn::Own | Turn::First => return Ok(Way::Own),
            Turn::Wait => return Ok(Way::Wait),
            Turn::Handed { from, record, window } => (from, record.clone(), window),
        };
        let other = shards.into_iter().find(|(_, number)| *number == from);
        let entries = match (record.catalog, other) {
            (Some(capture), Some(other)) => self.sink.followed_by(context, other, capture).await?,
            _ => Vec::new(),
        };
        tracing::info!(window, from, "another shard has ended: it is this one's turn");
        #[cfg(feature = "failpoints")]
        fail::fail_point!("turn-seen");
        let stored = Stored { capture: record.catalog, entries, is_anothers: true };
        Ok(Way::Handed(Box::new(Handed { record, window, stored })))
    }

    /// Waits until the turn may be this shard's, connected and reading nothing. How it ended if not so.
    pub(super) async fn wait_for_turn(&self, run: &Run<'_>, windows: Windows) -> Option<Stopped> {
        let last = run.progress.borrow().clone();
        let epoch = last.as_ref().map(|last| last.epoch).unwrap_or_default().max(Epoch(1));
        let passed = last.as_ref().and_then(|last| last.window);
        run.observer.waits(epoch);
        run.retained.rests(run.observer.as_ref());
        let report = run.retained.report(ShardState::Sealed, epoch, 0, "");
        run.ownership.report(ShardReport { sealed: last.and_then(|last| last.sealed), ..report });
        let is_mine = |seal: Seal| match seal {
            Seal::Window { next } => windows.are_mine(next) && Some(next) > passed,
            Seal::Layout { .. } => false,
        };
        let told = async {
            tokio::time::sleep(LOOK).await;
            run.ownership.sealed_elsewhere(&is_mine).await;
        };
        tokio::select! {
            biased;
            () = run.stop.cancelled() => Some(Stopped::Drained),
            () = run.ownership.lost() => Some(Stopped::Lost),
            () = told => None,
            () = self.stay_warm(run) => None,
        }
    }

    async fn stay_warm(&self, run: &Run<'_>) {
        loop {
            self.warm(run.context).await;
            tokio::time::sleep(WARMING).await;
        }
    }
}

/// The windows of the run's shard, if it takes turns.
pub(super) fn windows(run: &Run<'_>) -> Option<Windows> {
    Windows::of(&run.context.layout, run.context.number)
}
