//! A change of the layout, carried on by whoever leads.

use std::time::Duration;

use maxwell_protocol::id::ShardId;
use maxwell_protocol::layout::{Change as LayoutChange, Layout};
use maxwell_protocol::request::{Outcome, Progress, Request};

use super::{Assignments, Term};
use crate::clock::milliseconds;
use crate::coordination::division::{Next, caught_up_with, flipped, next, request, undone};
use crate::coordination::error::Failure;
use crate::coordination::observed::Observed;
use crate::coordination::store::{Change, encode};

/// How often a change is looked at when nothing is told of it.
pub(super) const LOOK: Duration = Duration::from_millis(250);

impl Term<'_> {
    /// Takes the next step of a change that is being carried out. What was written meanwhile is looked at again.
    pub(super) async fn divide(&mut self, observed: &Observed) -> Result<(), Failure> {
        let Some(layout) = observed.layout.as_ref().filter(|it| it.generation >= self.layout.generation)
        else {
            return Ok(());
        };
        if layout.generation > self.layout.generation {
            // An owner has found that positions are of a later one.
            self.go_by(layout.clone());
        }
        let Some(change) = &layout.change else { return Ok(()) };
        let version = observed.layout_version;
        let written = match next(observed, layout, change, milliseconds()) {
            Next::Wait => return Ok(()),
            Next::CatchUp => self.catch_up(layout, version).await,
            Next::Flip => self.flip(observed, change).await,
            Next::Undo(reason) => self.undo(observed, (layout, change), reason).await,
        };
        match written {
            Err(Failure::Conflict) => Ok(()),
            written => written,
        }
    }

    fn proof(&self) -> Change {
        Change::Check(self.lock.path().to_owned())
    }

    async fn catch_up(&self, layout: &Layout, version: i32) -> Result<(), Failure> {
        #[cfg(feature = "failpoints")]
        fail::fail_point!("division-catch-up");
        let path = self.life.store.tree().layout();
        let changes = [self.proof(), Change::Set(path, encode(&caught_up_with(layout)), Some(version))];
        self.life.store.commit(&changes).await?;
        tracing::info!("every shard has stopped: all go on to one place");
        Ok(())
    }

    async fn undo(
        &self,
        observed: &Observed,
        (layout, change): (&Layout, &LayoutChange),
        reason: String,
    ) -> Result<(), Failure> {
        let path = self.life.store.tree().layout();
        let mut changes =
            vec![self.proof(), Change::Set(path, encode(&undone(layout)), Some(observed.layout_version))];
        let generation = change.to.generation;
        changes.extend(self.settled(observed, generation, (Progress::Undone, reason.clone())));
        self.life.store.commit(&changes).await?;
        tracing::warn!(generation, reason, "the change of the layout is undone: the old one goes on");
        Ok(())
    }

    /// Puts the new layout into force, with its assignments. What belongs to shards that are gone goes with the old one.
    async fn flip(&mut self, observed: &Observed, change: &LayoutChange) -> Result<(), Failure> {
        let generation = change.to.generation;
        let asked = request(observed, generation).map(|(_, request, _)| request);
        let layout = flipped(change, asked, milliseconds());
        let summary = summary(&layout);
        let path = self.life.store.tree().layout();
        let mut changes =
            vec![self.proof(), Change::Set(path, encode(&layout), Some(observed.layout_version))];
        changes.extend(self.without_what_is_gone(&layout).await?);
        changes.extend(self.settled(observed, generation, (Progress::Done, summary.clone())));
        let before = self.go_by(layout);
        let decided = self.decide(observed);
        changes.extend(self.changes(&decided));
        #[cfg(feature = "failpoints")]
        fail::fail_point!("division-flip");
        let written = self.in_force(generation, self.life.store.commit(&changes).await).await;
        #[cfg(feature = "failpoints")]
        fail::fail_point!("division-flipped");
        match written {
            Ok(()) => {
                tracing::info!("{summary}");
                self.current = decided;
                Ok(())
            }
            Err(failure) => {
                (self.layout, self.current) = before;
                Err(failure)
            }
        }
    }

    /// Takes `layout` for the one that is dealt out; what was before.
    fn go_by(&mut self, layout: Layout) -> (Layout, Assignments) {
        let mut current = self.current.clone();
        current.retain(|shard, _| layout.has(shard));
        (std::mem::replace(&mut self.layout, layout), std::mem::replace(&mut self.current, current))
    }

    /// Deletes the assignments and mirrors of shards that `layout` does not have.
    async fn without_what_is_gone(&self, layout: &Layout) -> Result<Vec<Change>, Failure> {
        let (store, tree) = (&self.life.store, self.life.store.tree());
        let gone = self.current.keys().filter(|shard| !layout.has(shard));
        let mut changes: Vec<Change> = gone.map(|shard| Change::Delete(tree.shard(shard), None)).collect();
        let mirrored = store.children(&tree.positions()).await?;
        let mirrored = mirrored.iter().map(|name| ShardId::from(name.as_str()));
        let gone = mirrored.filter(|shard| !layout.has(shard));
        changes.extend(gone.map(|shard| Change::Delete(tree.position(&shard), None)));
        Ok(changes)
    }

    /// The outcome of a write that puts the layout of `generation` into force: one whose answer was lost is refused when it
    /// is sent again.
    async fn in_force(&self, generation: u64, written: Result<(), Failure>) -> Result<(), Failure> {
        let Err(Failure::Conflict) = written else { return written };
        let store = &self.life.store;
        store.sync().await?;
        match store.read::<Layout>(&store.tree().layout()).await? {
            Some((layout, _)) if layout.generation == generation => Ok(()),
            _ => Err(Failure::Conflict),
        }
    }

    /// The request that asked for it, settled.
    fn settled(
        &self,
        observed: &Observed,
        generation: u64,
        (state, detail): (Progress, String),
    ) -> Option<Change> {
        let (name, asked, version) = request(observed, generation)?;
        let outcome = asked.outcome.clone()?;
        let settled = Request { outcome: Some(Outcome { state, detail, ..outcome }), ..asked.clone() };
        Some(Change::Set(self.life.store.tree().request(name), encode(&settled), Some(version)))
    }
}

/// The layout that has come into force, in words.
fn summary(layout: &Layout) -> String {
    let begins = layout.begins.as_ref().map(|at| format!("{}:{}", at.file, at.offset)).unwrap_or_default();
    let after = layout.origin.as_ref().map_or(0, |origin| origin.in_force_at - origin.begun_at);
    format!(
        "layout {} with {} shards is in force, {after} ms after the owners were told to stop; it begins at {begins}",
        layout.generation, layout.shards
    )
}
