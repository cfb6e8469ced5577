//! What a schedule's parts share: chance, links, what was found.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::faults::Traps;

/// Who a member talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Peer {
    ZooKeeper,
    Kafka,
    MySql,
    Member(usize),
}

/// What is counted, over all schedules in the end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) faults: u64,
    pub(super) rows: u64,
    /// Producers initialised.
    pub(super) fences: u64,
    /// Producers and dumps that a successor ended.
    pub(super) fenced: u64,
    /// Kafka transactions aborted.
    pub(super) aborted: u64,
    pub(super) expired: u64,
    /// Locks deleted on a peer's verdict.
    pub(super) deposed: u64,
    /// Requests whose outcome the worker did not hear.
    pub(super) unanswered: u64,
    /// Layouts that were changed, and changes that were undone.
    pub(super) divided: u64,
    pub(super) undone: u64,
    /// From the end of the faults until everything was in Kafka, at worst.
    pub(super) recovery: Duration,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.faults += other.faults;
        self.rows += other.rows;
        self.fences += other.fences;
        self.fenced += other.fenced;
        self.aborted += other.aborted;
        self.expired += other.expired;
        self.deposed += other.deposed;
        self.unanswered += other.unanswered;
        self.divided += other.divided;
        self.undone += other.undone;
        self.recovery = self.recovery.max(other.recovery);
    }
}

/// See the module.
pub(super) struct World {
    chance: Mutex<StdRng>,
    begun: Instant,
    traced: bool,
    trace: Mutex<DefaultHasher>,
    violation: watch::Sender<Option<String>>,
    counts: Mutex<Counts>,
    cuts: watch::Sender<BTreeSet<(usize, Peer)>>,
    /// Whether messages take their usual time only.
    calm: AtomicBool,
    pub(super) traps: Traps,
}

/// No lock of the simulation is held where it could panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(super) fn new(seed: u64, traced: bool) -> Arc<Self> {
        Arc::new(Self {
            chance: Mutex::new(StdRng::seed_from_u64(seed)),
            begun: Instant::now(),
            traced,
            trace: Mutex::default(),
            violation: watch::Sender::new(None),
            counts: Mutex::default(),
            cuts: watch::Sender::default(),
            calm: AtomicBool::new(false),
            traps: Traps::default(),
        })
    }

    /// A number in `0..below`.
    pub(super) fn pick(&self, below: u64) -> u64 {
        lock(&self.chance).random_range(0..below)
    }

    /// One of them.
    pub(super) fn one_of<T: Copy>(&self, these: &[T]) -> T {
        these[self.pick(these.len() as u64) as usize]
    }

    /// Whether what happens so many times in a thousand happens now.
    pub(super) fn happens(&self, in_a_thousand: u64) -> bool {
        self.pick(1000) < in_a_thousand
    }

    /// A time between two, in milliseconds; short ones are as likely as long ones.
    pub(super) fn time(&self, least: u64, most: u64) -> Duration {
        let (low, high) = ((least.max(1) as f64).ln(), (most as f64).ln());
        let exponent = lock(&self.chance).random_range(low..high);
        Duration::from_millis(exponent.exp() as u64)
    }

    /// How long a message is under way: mostly nothing to speak of, now and then long enough to overtake others.
    pub(super) fn latency(&self) -> Duration {
        match self.pick(100) {
            0..60 => Duration::ZERO,
            60..95 => Duration::from_millis(1 + self.pick(4)),
            95.. if self.calm.load(Ordering::Relaxed) => Duration::from_millis(5),
            95..99 => Duration::from_millis(5 + self.pick(60)),
            _ => self.time(60, 1500),
        }
    }

    /// A message travels.
    pub(super) async fn travel(&self) {
        let latency = self.latency();
        if latency.is_zero() { tokio::task::yield_now().await } else { sleep(latency).await }
    }

    /// Virtual milliseconds since the schedule began.
    pub(super) fn now(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }

    /// Notes what happens: two runs of one seed must note the same.
    pub(super) fn note(&self, what: &'static str, which: u64, detail: u64) {
        let now = self.begun.elapsed();
        (now, what, which, detail).hash(&mut *lock(&self.trace));
        if self.traced {
            tracing::info!(target: "simulation", at = now.as_millis() as u64, "{what} {which} {detail}");
        }
    }

    /// What was noted, as one number.
    pub(super) fn digest(&self) -> u64 {
        lock(&self.trace).finish()
    }

    /// An invariant does not hold. The first one counts.
    pub(super) fn violated(&self, what: impl FnOnce() -> String) {
        self.violation.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert_with(|| format!("at {} ms: {}", self.now(), what()));
            first
        });
    }

    /// The violation, if there is one.
    pub(super) fn violation(&self) -> watch::Receiver<Option<String>> {
        self.violation.subscribe()
    }

    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        lock(&self.counts)
    }

    /// Cuts a link, or mends it.
    pub(super) fn cut(&self, member: usize, peer: Peer, apart: bool) {
        self.cuts.send_modify(|cuts| {
            let both = match peer {
                Peer::Member(other) => vec![(member, peer), (other, Peer::Member(member))],
                _ => vec![(member, peer)],
            };
            for link in both {
                if apart {
                    cuts.insert(link)
                } else {
                    cuts.remove(&link)
                };
            }
        });
    }

    /// Mends every link; from now on nothing takes long.
    pub(super) fn mend(&self) {
        self.calm.store(true, Ordering::Relaxed);
        self.cuts.send_modify(BTreeSet::clear);
    }

    pub(super) fn is_cut(&self, member: usize, peer: Peer) -> bool {
        self.cuts.borrow().contains(&(member, peer))
    }

    /// Waits until the link is there.
    pub(super) async fn joined(&self, member: usize, peer: Peer) {
        let mut cuts = self.cuts.subscribe();
        let _ = cuts.wait_for(|cuts| !cuts.contains(&(member, peer))).await;
    }

    /// Waits until the link has been cut for a time.
    pub(super) async fn apart_for(&self, member: usize, peer: Peer, time: Duration) {
        let mut cuts = self.cuts.subscribe();
        loop {
            let _ = cuts.wait_for(|cuts| cuts.contains(&(member, peer))).await;
            if tokio::time::timeout(time, self.joined(member, peer)).await.is_err() {
                return;
            }
        }
    }
}
