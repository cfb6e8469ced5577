//! A shard's rewind at its owner: what is asked for, and what came of it.

use std::sync::{Arc, Mutex, PoisonError};

use maxwell_protocol::history::{History, Phases, Transition, Trigger};
use maxwell_protocol::id::{MemberId, ShardId};
use maxwell_protocol::request::{Ask, Outcome, Progress, Request};

use super::Rewind;
use super::error::Failure;
use super::lock::Lock;
use super::observed::Observed;
use super::store::{Change, Store, encode};
use crate::clock::milliseconds;

/// The rewinds of a held shard.
#[derive(Debug, Default)]
pub(super) struct Rewinds {
    /// The request that was carried out last: the tree may not say so yet.
    ended: Mutex<Option<String>>,
}

impl Rewinds {
    /// What the leader accepted for `shard` and was not carried out yet.
    pub(super) fn of(&self, shard: &ShardId, observed: &Observed) -> Option<Rewind> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        observed.requests.iter().find_map(|(name, (request, _))| {
            request.plan()?;
            match &request.ask {
                Ask::Rewind { shard: of, to, server } if of == shard && ended.as_ref() != Some(name) => {
                    Some(Rewind { request: name.clone(), to: to.clone(), server: server.clone() })
                }
                _ => None,
            }
        })
    }

    /// Nothing more is to be done for `request`.
    pub(super) fn end(&self, request: &str) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(request.to_owned());
    }
}

/// Writes down what came of a rewind.
pub(super) struct Verdict {
    pub(super) store: Store,
    pub(super) lock: Arc<Lock>,
    pub(super) shard: ShardId,
    pub(super) member: MemberId,
    pub(super) request: String,
    pub(super) outcome: Result<(), String>,
}

impl Verdict {
    /// Waits out lost connections. Whoever has the lock then says it otherwise: the position remembers the request.
    pub(super) async fn write(self) {
        loop {
            match self.try_to().await {
                Ok(()) => return,
                Err(Failure::Conflict) if self.still_held().await => {}
                Err(failure) => {
                    tracing::warn!(request = self.request, %failure, "what came of the rewind could not be written");
                    return;
                }
            }
        }
    }

    async fn still_held(&self) -> bool {
        matches!(self.store.bytes(self.lock.path()).await, Ok(Some(_)))
    }

    async fn try_to(&self) -> Result<(), Failure> {
        let tree = self.store.tree();
        let path = tree.request(&self.request);
        let Some((request, version)) = self.store.read::<Request>(&path).await? else { return Ok(()) };
        let Some(plan) = request.plan().cloned() else { return Ok(()) };
        let (state, detail) = match &self.outcome {
            Ok(()) => (Progress::Done, String::new()),
            Err(reason) => (Progress::Refused, reason.clone()),
        };
        let at = request.outcome.as_ref().map_or_else(milliseconds, |outcome| outcome.at);
        let settled = Request { outcome: Some(Outcome { state, detail, at, plan }), ..request };
        let mut changes = vec![
            Change::Check(self.lock.path().to_owned()),
            Change::Set(path, encode(&settled), Some(version)),
        ];
        if state == Progress::Done
            && let Some((mut history, version)) = self.store.read::<History>(&tree.history()).await?
        {
            history.record(self.entry(settled.by));
            changes.push(Change::Set(tree.history(), encode(&history), Some(version)));
        }
        self.store.commit(&changes).await
    }

    fn entry(&self, by: String) -> Transition {
        Transition {
            time: milliseconds(),
            shard: self.shard.clone(),
            from: Some(self.member.clone()),
            to: self.member.clone(),
            trigger: Trigger::Rewound,
            by,
            gap_milliseconds: None,
            phases: Phases::default(),
        }
    }
}
