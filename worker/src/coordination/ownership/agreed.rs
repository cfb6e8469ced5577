//! What owners agree on in `cluster/layout`: where its shards begin, where they end, where those of the next one begin.
//! The first word stands.

use maxwell_protocol::layout::{Barrier, Change as LayoutChange, Layout, Phase};
use maxwell_protocol::position::{Position, PositionRecord, Seal};

use super::HeldShard;
use crate::coordination::ProofError;
use crate::coordination::error::Failure;
use crate::coordination::observed::Observed;
use crate::coordination::store::{Change, encode};

impl HeldShard {
    /// Where a change of the layout lets the shard end.
    pub(in crate::coordination) fn seal_in(&self, observed: &Observed) -> Option<(Barrier, Seal)> {
        let layout = observed.layout.as_ref().filter(|layout| layout.generation == self.generation)?;
        let change = layout.change.as_ref().filter(|change| change.phase == Phase::CatchingUp)?;
        Some((change.barrier.clone()?, Seal::Layout { generation: change.to.generation }))
    }

    /// Whether `seal` holds, as the quorum says: what was read before may be from before the change.
    pub(super) async fn holds(&self, seal: Seal) -> Result<bool, Failure> {
        self.store.sync().await?;
        let layout = self.store.read::<Layout>(&self.store.tree().layout()).await?;
        Ok(layout.is_some_and(|(layout, _)| layout.keeps_sealed(seal)))
    }

    /// The place where this layout's shards begin: what stands, else what was found here.
    pub(super) async fn agree_on_begin(&self, found: Position) -> Result<Position, Failure> {
        let agreed = self.agree(|layout| {
            layout.begins.is_none().then(|| Layout { begins: Some(found.clone()), ..layout.clone() })
        });
        Ok(agreed.await?.and_then(|layout| layout.begins).unwrap_or(found))
    }

    /// Gives a layout that is older than a record of its shards the number of that record's: the tree was made anew.
    pub(super) async fn catch_up_with(&self, generation: u64) -> Result<(), Failure> {
        let agreed = self.agree(|layout| {
            let tried = layout.tried.max(generation);
            (layout.generation < generation).then(|| Layout { generation, tried, ..layout.clone() })
        });
        agreed.await.map(drop)
    }

    /// Writes where the shards of this layout end for the one of `generation`, unless that is known.
    pub(in crate::coordination) async fn agree_on_barrier(
        &self,
        generation: u64,
        barrier: Barrier,
    ) -> Result<(), ProofError> {
        let agreed = self.agree(|layout| {
            let change = with_barrier(layout.change.as_ref()?, generation, &barrier)?;
            Some(Layout { change: Some(change), ..layout.clone() })
        });
        self.in_time(agreed).await.map(drop)
    }

    /// Writes where the shards of the layout begin that the seal of `record` is for, unless that is known.
    pub(in crate::coordination) async fn agree_on_next(
        &self,
        record: &PositionRecord,
    ) -> Result<(), ProofError> {
        let agreed = self.agree(|layout| {
            let change = beginning_at(layout.change.as_ref()?, record)?;
            Some(Layout { change: Some(change), ..layout.clone() })
        });
        self.in_time(agreed).await.map(drop)
    }

    /// Writes the layout as `addition` makes it, if that adds anything; the layout as it then is.
    async fn agree(&self, addition: impl Fn(&Layout) -> Option<Layout>) -> Result<Option<Layout>, Failure> {
        let path = self.store.tree().layout();
        loop {
            let Some((layout, version)) = self.store.read::<Layout>(&path).await? else { return Ok(None) };
            let Some(added) = addition(&layout) else { return Ok(Some(layout)) };
            let held = Change::Check(self.lock.path().to_owned());
            match self.store.commit(&[held, Change::Set(path.clone(), encode(&added), Some(version))]).await {
                Ok(()) => return Ok(Some(added)),
                Err(Failure::Conflict) if self.store.bytes(self.lock.path()).await?.is_some() => {}
                Err(failure) => return Err(failure),
            }
        }
    }
}

fn with_barrier(change: &LayoutChange, generation: u64, barrier: &Barrier) -> Option<LayoutChange> {
    let wanted =
        change.to.generation == generation && change.phase == Phase::CatchingUp && change.barrier.is_none();
    wanted.then(|| LayoutChange { barrier: Some(barrier.clone()), ..change.clone() })
}

fn beginning_at(change: &LayoutChange, record: &PositionRecord) -> Option<LayoutChange> {
    let generation = change.to.generation;
    let wanted = record.sealed == Some(Seal::Layout { generation }) && change.to.begins.is_none();
    wanted.then(|| {
        let to = Layout { begins: Some(record.position.clone()), ..(*change.to).clone() };
        LayoutChange { to: Box::new(to), ..change.clone() }
    })
}
