//! The side that probes: one held connection per owner, and what follows when it ends.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use maxwell_protocol::history::{Departure, Trigger};
use maxwell_protocol::id::{Incarnation, MemberId};
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::ask::{Answer, ask, ended};
use super::verdict::{Case, Record, Sign, Verdict};
use crate::clock::milliseconds;
use crate::coordination::config::Health;
use crate::coordination::departure::erase;
use crate::coordination::error::Failure;
use crate::coordination::network::{Network, Stream};
use crate::coordination::observed::Observed;
use crate::coordination::observer::Observation;
use crate::coordination::store::Store;

/// Between two attempts to reach a process that may be just ending, and one that is merely silent.
const SOON: Duration = Duration::from_millis(20);
const LATER: Duration = Duration::from_millis(500);

/// What every probe needs.
#[derive(Clone)]
pub(in crate::coordination) struct Prober {
    pub(in crate::coordination) me: MemberId,
    pub(in crate::coordination) store: Store,
    pub(in crate::coordination) network: Arc<dyn Network>,
    pub(in crate::coordination) observation: Observation,
    pub(in crate::coordination) health: Arc<dyn Health>,
    pub(in crate::coordination) record: Arc<Mutex<Record>>,
}

/// An owner to watch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    member: MemberId,
    incarnation: Incarnation,
    address: String,
}

/// Watches every other owner for as long as the session lives.
pub(in crate::coordination) async fn watch_owners(prober: Prober) -> Failure {
    let mut observation = prober.observation.clone();
    let mut watched: BTreeSet<Target> = BTreeSet::new();
    let mut probes: JoinSet<Target> = JoinSet::new();
    loop {
        let observed = Arc::clone(&observation.borrow_and_update());
        let wrong = prober.with_record(|record| record.review(observed.members.values(), Instant::now()));
        for member in wrong {
            tracing::warn!(%member, "taken for dead while alive: its process is not probed for ten minutes");
        }
        for target in targets(&observed, &prober.me) {
            if watched.insert(target.clone()) {
                let prober = prober.clone();
                probes.spawn(async move {
                    prober.watch(&target).await;
                    target
                });
            }
        }
        tokio::select! {
            changed = observation.changed() => if changed.is_err() { return Failure::Expired },
            Some(Ok(target)) = probes.join_next() => { watched.remove(&target); }
        }
    }
}

/// Who holds a lock and is not `me`, with the address that its record names.
fn targets(observed: &Observed, me: &MemberId) -> BTreeSet<Target> {
    let owners = observed.lock_records().filter(|lock| lock.id != *me);
    owners
        .filter_map(|lock| {
            let member = observed.members.get(&lock.id)?;
            let listens = member.incarnation == lock.incarnation && !member.probe_address.is_empty();
            let address = member.probe_address.clone();
            listens.then(|| Target { member: lock.id.clone(), incarnation: lock.incarnation, address })
        })
        .collect()
}

fn owns(observed: &Observed, target: &Target) -> bool {
    observed.lock_records().any(|lock| lock.incarnation == target.incarnation)
}

impl Prober {
    fn with_record<T>(&self, act: impl FnOnce(&mut Record) -> T) -> T {
        act(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn still_owns(&self, target: &Target) -> bool {
        owns(&self.observation.borrow(), target)
    }

    /// Watches one owner until it owns nothing any more.
    async fn watch(&self, target: &Target) {
        let mut case = Case { incarnation: target.incarnation, met: false };
        let mut last_sign = Instant::now();
        while self.still_owns(target) {
            let (sign, held) = match ask(self.network.as_ref(), &target.address).await {
                Answer::Refused => (Sign::Refused, None),
                Answer::From(incarnation, stream) => (Sign::Answered(incarnation), Some(stream)),
                Answer::Ended => (Sign::Ended, None),
                Answer::Silent => (Sign::Silent, None),
            };
            match (case.judge(sign), held) {
                (Verdict::Alive, Some(mut stream)) => {
                    let Some(broken) = self.hold(target, stream.as_mut()).await else { return };
                    // A time-out is no end: only the other side's kernel can say that the process is gone.
                    if broken.is_none_or(|error| ended(&error)) {
                        last_sign = Instant::now();
                    }
                }
                (Verdict::Gone, _) => {
                    if self.depose(target, last_sign).await {
                        return;
                    }
                    self.pause(LATER).await;
                }
                (Verdict::Unknown { soon: true }, _) => self.pause(SOON).await,
                _ => self.pause(LATER).await,
            }
        }
    }

    /// Holds the connection until it ends, and says how; `None` once the target owns nothing any more.
    async fn hold(&self, target: &Target, stream: &mut dyn Stream) -> Option<Option<std::io::Error>> {
        let mut observation = self.observation.clone();
        let mut discarded = [0; 64];
        loop {
            tokio::select! {
                read = stream.read(&mut discarded) => match read {
                    Ok(0) => return Some(None),
                    Ok(_) => {}
                    Err(error) => return Some(Some(error)),
                },
                // An end of the observation ends this task too.
                _ = observation.wait_for(|observed| !owns(observed, target)) => return None,
            }
        }
    }

    /// Waits, or less if something changes in the tree.
    async fn pause(&self, time: Duration) {
        let mut observation = self.observation.clone();
        observation.mark_unchanged();
        // Either outcome leads to another look.
        let _looked = tokio::time::timeout(time, observation.changed()).await;
    }

    /// Deletes what the dead incarnation holds. Only who can do the owner's work itself may.
    async fn depose(&self, target: &Target, last_sign: Instant) -> bool {
        let allowed = self.with_record(|record| record.allows(&target.member, Instant::now()));
        if !allowed || !self.health.vitals().healthy() {
            return false;
        }
        let departed = Departure {
            member: target.member.clone(),
            incarnation: target.incarnation,
            trigger: Trigger::ConnectionReset,
            time: milliseconds(),
            detection_milliseconds: last_sign.elapsed().as_millis() as u64,
        };
        self.with_record(|record| record.depose(target.incarnation));
        match erase(&self.store, self.observation.clone(), &departed).await {
            Ok(erased) => {
                if erased {
                    tracing::warn!(member = %target.member, "the owner's process is gone: its locks are deleted");
                }
                true
            }
            Err(failure) => {
                tracing::warn!(member = %target.member, %failure, "cannot delete the locks of a dead owner");
                false
            }
        }
    }
}
