//! A held shard lock, as the engine is given it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use maxwell_protocol::bootstrap::BootstrapRequest;
use maxwell_protocol::id::ShardId;
use maxwell_protocol::layout::{Barrier, Layout, Phase};
use maxwell_protocol::member::{ShardReport, ShardState};
use maxwell_protocol::position::{Position, PositionMirror, Seal};
use maxwell_protocol::request::{Ask, Outcome, Plan, Progress, Request};
use tokio::sync::watch;
use tokio::time::Instant;
use zookeeper_client::CreateMode;

use super::config::Health;
use super::error::Failure;
use super::lock::Lock;
use super::membership::Membership;
use super::observed::Observed;
use super::observer::Observation;
use super::reach::another_can_for_sure;
use super::resumption::Steps;
use super::rewind::{Rewinds, Verdict};
use super::store::{Change, Link, Store, encode};
use super::{Ownership, ProofError, Resumption, Rewind};
use crate::clock::milliseconds;

/// How long ZooKeeper may take to prove ownership.
const PATIENCE: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct HeldShard {
    pub(super) shard: ShardId,
    pub(super) lock: Arc<Lock>,
    pub(super) store: Store,
    pub(super) observation: Observation,
    pub(super) membership: Arc<Membership>,
    /// Without a fence at the sink ownership ends this long after the connection to ZooKeeper was found dead.
    pub(super) unfenced_limit: Option<Duration>,
    /// Since when it is.
    pub(super) silent_since: Mutex<Option<Instant>>,
    /// Whether others take over without being asked.
    pub(super) failover: bool,
    /// Whether this member reaches MySQL and Kafka.
    pub(super) health: Arc<dyn Health>,
    /// Whether it gives the lock up itself.
    pub(super) given_up: AtomicBool,
    /// Going back to earlier positions.
    pub(super) rewinds: Rewinds,
    /// Told when the shard streams, and commits, for the first time under this lock.
    pub(super) steps: watch::Sender<Steps>,
}

impl HeldShard {
    async fn in_time<T>(&self, asked: impl Future<Output = Result<T, Failure>>) -> Result<T, ProofError> {
        let unreachable = |what: String| ProofError::Unreachable(what);
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Failure::Conflict | Failure::Expired)) => Err(ProofError::Lost),
            Ok(Err(failure)) => Err(unreachable(failure.to_string())),
            Err(_) => Err(unreachable(format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }

    /// Completes when ZooKeeper has been silent for longer than an unfenced owner may go on. Asking again does not
    /// begin the time anew.
    async fn silent_too_long(&self) {
        let Some(limit) = self.unfenced_limit else { return std::future::pending().await };
        let mut link = self.store.link();
        loop {
            if link.wait_for(|link| *link == Link::Disconnected).await.is_err() {
                return;
            }
            let since = *self.silence().get_or_insert_with(Instant::now);
            let back = tokio::time::timeout_at(since + limit, link.wait_for(|link| *link == Link::Connected));
            if !matches!(back.await, Ok(Ok(_))) {
                return;
            }
            *self.silence() = None;
        }
    }

    fn silence(&self) -> MutexGuard<'_, Option<Instant>> {
        self.silent_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The copies that are asked for.
    async fn requests(&self) -> Result<Vec<(String, BootstrapRequest)>, Failure> {
        let tree = self.store.tree();
        let mut found = Vec::new();
        for id in self.store.children(&tree.requests()).await? {
            let Some((bytes, _)) = self.store.bytes(&tree.request(&id)).await? else { continue };
            // What else may be asked for is not for the owner of a shard.
            match serde_json::from_slice(&bytes) {
                Ok(Request { ask: Ask::Bootstrap(copy), outcome: None, .. }) => found.push((id, copy)),
                _ => continue,
            }
        }
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(found)
    }

    /// Writes that this shard's part of a copy is done, and once all `parts` are that the copy is; or why it was refused.
    /// Unless that is known or the request was taken back.
    async fn settle(&self, name: &str, refused: Option<&str>, parts: u32) -> Result<(), Failure> {
        let path = self.store.tree().request(name);
        let Some((mut request, version)) = self.store.read::<Request>(&path).await? else { return Ok(()) };
        if request.is_settled() {
            return Ok(());
        }
        let Ask::Bootstrap(copy) = &mut request.ask else { return Ok(()) };
        if refused.is_none() && !copy.copied_by.contains(&self.shard) {
            copy.copied_by.push(self.shard.clone());
        }
        let complete = copy.copied_by.len() as u32 >= parts;
        if refused.is_some() || complete {
            request.outcome = Some(Outcome {
                state: if refused.is_some() { Progress::Refused } else { Progress::Done },
                detail: refused.unwrap_or_default().to_owned(),
                at: milliseconds(),
                plan: Plan::default(),
            });
        }
        let held = Change::Check(self.lock.path().to_owned());
        match self.store.commit(&[held, Change::Set(path, encode(&request), Some(version))]).await {
            // It was changed or taken back meanwhile, or the lock is gone: it is looked at again, or whoever has it tells.
            Err(Failure::Conflict) => Ok(()),
            written => written,
        }
    }

    /// The rewind that is asked for.
    pub(super) fn rewind_in(&self, observed: &Observed) -> Option<Rewind> {
        self.rewinds.of(&self.shard, observed)
    }

    /// Where a change of the layout lets the shard end.
    pub(super) fn seal_in(&self, observed: &Observed) -> Option<(Barrier, Seal)> {
        let change = observed.layout.as_ref()?.change.as_ref().filter(|it| it.phase == Phase::CatchingUp)?;
        Some((change.barrier.clone()?, Seal::Layout { generation: change.to.generation }))
    }

    /// Whether that seal holds, as the quorum says: what was read before may be from before the change.
    async fn holds(&self, seal: Seal) -> Result<bool, Failure> {
        self.store.sync().await?;
        let layout = self.store.read::<Layout>(&self.store.tree().layout()).await?;
        Ok(layout.is_some_and(|(layout, _)| layout.keeps_sealed(seal)))
    }

    /// The place where this layout's shards begin: what stands, else what was found here.
    async fn agree_on_begin(&self, found: Position) -> Result<Position, Failure> {
        let path = self.store.tree().layout();
        loop {
            let Some((layout, version)) = self.store.read::<Layout>(&path).await? else { return Ok(found) };
            if let Some(begins) = layout.begins {
                return Ok(begins);
            }
            let layout = Layout { begins: Some(found.clone()), ..layout };
            let held = Change::Check(self.lock.path().to_owned());
            match self.store.commit(&[held, Change::Set(path.clone(), encode(&layout), Some(version))]).await
            {
                Ok(()) => return Ok(found),
                Err(Failure::Conflict) if self.store.bytes(self.lock.path()).await?.is_some() => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn write_mirror(&self, mirror: &PositionMirror) -> Result<(), Failure> {
        let path = self.store.tree().position(&self.shard);
        let data = encode(mirror);
        let held = Change::Check(self.lock.path().to_owned());
        let change = match self.store.read::<PositionMirror>(&path).await? {
            Some((newer, _)) if newer.epoch > mirror.epoch => return Ok(()),
            Some((_, version)) => Change::Set(path, data.clone(), Some(version)),
            None if self.store.bytes(&path).await?.is_some() => Change::Set(path, data.clone(), None),
            None => Change::Create(path, data.clone(), CreateMode::Persistent),
        };
        let mut changes = vec![held, change];
        let is_oldest = {
            let observed = self.observation.borrow();
            // Who waits for its turn goes on from where another one is.
            let waits = |shard: &ShardId| {
                let mut reports = observed.members.values().filter_map(|member| member.shards.get(shard));
                reports.any(ShardReport::waits_for_turn)
            };
            let mut others =
                observed.positions.iter().filter(|(shard, _)| **shard != self.shard && !waits(shard));
            others.all(|(_, other)| mirror.timestamp <= other.timestamp)
        };
        if is_oldest {
            changes.push(Change::Set(self.store.tree().positions(), data, None));
        }
        self.store.commit(&changes).await
    }
}

#[async_trait]
impl Ownership for HeldShard {
    /// A multi-operation goes through the quorum; the lock's name is never used again, so that its node stands for
    /// this very ownership.
    async fn prove(&self) -> Result<(), ProofError> {
        let held = [Change::Check(self.lock.path().to_owned())];
        self.in_time(self.store.commit(&held)).await
    }

    async fn lost(&self) {
        tokio::select! {
            () = self.lock.gone(&self.store, self.observation.clone()) => {}
            () = self.store.expired() => {}
            () = self.silent_too_long() => {}
        }
    }

    async fn another_can(&self) {
        another_can_for_sure(self.observation.clone(), &self.membership.id(), self.failover).await;
    }

    async fn reaches_again(&self) {
        self.health.doubted().await;
        self.health.trusted().await;
    }

    fn gave_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    async fn may_still_own(&self) -> bool {
        self.prove().await != Err(ProofError::Lost)
    }

    fn report(&self, report: ShardReport) {
        if report.state == ShardState::Streaming {
            self.steps.send_if_modified(Steps::streams);
        }
        if report.waits_for_turn() {
            self.steps.send_if_modified(Steps::waits);
        }
        self.membership.report(&self.shard, report);
    }

    async fn mirror(&self, mirror: PositionMirror) {
        if let Err(error) = self.in_time(self.write_mirror(&mirror)).await {
            tracing::warn!(shard = %self.shard, %error, "the mirror of the position could not be written");
        }
    }

    fn resumed(&self, resumption: Resumption) {
        self.steps.send_if_modified(|steps| steps.committed(resumption));
    }

    async fn copies_asked_for(&self) -> Option<Vec<(String, BootstrapRequest)>> {
        self.in_time(self.requests()).await.ok()
    }

    async fn copy_has_ended(&self, request: &str, refused: Option<&str>, parts: u32) {
        if let Err(error) = self.in_time(self.settle(request, refused, parts)).await {
            tracing::debug!(request, %error, "what came of the request could not be written");
        }
    }

    fn rewind(&self) -> Option<Rewind> {
        self.rewind_in(&self.observation.borrow())
    }

    fn rewound(&self, request: &str, outcome: Result<(), String>) {
        self.rewinds.end(request);
        let verdict = Verdict {
            store: self.store.clone(),
            lock: Arc::clone(&self.lock),
            shard: self.shard.clone(),
            member: self.membership.id(),
            request: request.to_owned(),
            outcome,
        };
        tokio::spawn(verdict.write());
    }

    fn seal_at(&self) -> Option<(Barrier, Seal)> {
        self.seal_in(&self.observation.borrow())
    }

    async fn is_sealed(&self, seal: Seal) -> Result<bool, ProofError> {
        self.in_time(self.holds(seal)).await
    }

    async fn sealed_elsewhere(&self, counts: &(dyn Fn(Seal) -> bool + Send + Sync)) {
        let counts = |observed: &Arc<Observed>| {
            let mut reports = observed.members.values().flat_map(|member| member.shards.values());
            reports.any(|report| report.sealed.is_some_and(counts))
        };
        if self.observation.clone().wait_for(counts).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn begin(&self, found: Position) -> Result<Position, ProofError> {
        self.in_time(self.agree_on_begin(found)).await
    }

    async fn mirrored(&self) -> Result<Option<PositionMirror>, ProofError> {
        let path = self.store.tree().position(&self.shard);
        let found = self.in_time(self.store.read::<PositionMirror>(&path)).await?;
        Ok(found.map(|(mirror, _)| mirror))
    }
}
