//! The simulated Kafka: one shard's transactional id, its position partition with its two ends, and the rows that a
//! `read_committed` consumer sees, which are checked as they become visible. Time is virtual.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use maxwell_protocol::position::PositionRecord;
use tokio::time::Instant;

use super::source::index;
use super::world::{World, lock};
use crate::sink::kafka::steps::{End, Found};

/// `transaction.timeout.ms`.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);

/// What the coordinator says to an initialisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Initialised {
    /// The producer's epoch.
    As(u64),
    /// CONCURRENT_TRANSACTIONS: the transaction before is not over yet.
    Busy,
}

/// The producer was fenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fenced;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open {
        since: Instant,
    },
    /// Decided; the marker is written then.
    Decided {
        commit: bool,
        marked: Instant,
    },
    Ended {
        commit: bool,
    },
}

#[derive(Debug)]
struct Transaction {
    foreign: bool,
    fate: Fate,
    /// Its first offset in the position partition.
    first: Option<usize>,
    rows: Vec<u64>,
    record: Option<PositionRecord>,
}

enum Entry {
    Position(usize, Box<PositionRecord>),
    Foreign,
    Marker,
}

#[derive(Default)]
struct Partition {
    entries: Vec<Entry>,
    transactions: Vec<Transaction>,
    /// The transaction that the producer has open, or that is not over yet.
    ongoing: Option<usize>,
    epoch: u64,
    /// Whose producer it is.
    process: u64,
    /// The next row that has to become visible.
    next: u64,
    last: Option<PositionRecord>,
    /// The producer that wrote it.
    last_epoch: u64,
}

/// See the module.
pub(super) struct Kafka {
    partition: Mutex<Partition>,
    world: Arc<World>,
}

impl Kafka {
    pub(super) fn new(world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self { partition: Mutex::default(), world: Arc::clone(world) })
    }

    /// How many rows a consumer has seen.
    pub(super) fn visible(&self) -> u64 {
        lock(&self.partition).next
    }

    /// The number of the last committed record.
    pub(super) fn sequence(&self) -> u64 {
        lock(&self.partition).last.as_ref().map_or(0, |last| last.sequence)
    }

    /// The process whose producer is not fenced.
    pub(super) fn process(&self) -> u64 {
        lock(&self.partition).process
    }

    /// Fences the producer before. Its open transaction is aborted first, which takes a while.
    pub(super) fn initialise(&self, process: u64) -> Initialised {
        let mut partition = lock(&self.partition);
        partition.settle(&self.world);
        let Some(at) = partition.ongoing else {
            partition.epoch += 1;
            partition.process = process;
            self.world.note("initialised", process, partition.epoch);
            self.world.counts().fences += 1;
            return Initialised::As(partition.epoch);
        };
        if matches!(partition.transactions[at].fate, Fate::Open { .. }) {
            partition.epoch += 1;
            partition.process = process;
            partition.abort(at, self.world.time(5, 400), &self.world);
        }
        Initialised::Busy
    }

    /// Takes rows into the producer's transaction.
    pub(super) fn produce(&self, epoch: u64, rows: &[u64]) -> Result<(), Fenced> {
        let mut partition = lock(&self.partition);
        let at = partition.open(epoch, &self.world)?;
        partition.transactions[at].rows.extend_from_slice(rows);
        Ok(())
    }

    /// Takes the position into the producer's transaction.
    pub(super) fn produce_position(&self, epoch: u64, record: &PositionRecord) -> Result<(), Fenced> {
        let mut partition = lock(&self.partition);
        let at = partition.open(epoch, &self.world)?;
        let offset = partition.entries.len();
        partition.entries.push(Entry::Position(at, Box::new(record.clone())));
        let transaction = &mut partition.transactions[at];
        transaction.first.get_or_insert(offset);
        transaction.record = Some(record.clone());
        Ok(())
    }

    /// Commits the producer's transaction: it counts from now on, and is visible a little later.
    pub(super) fn commit(&self, epoch: u64) -> Result<(), Fenced> {
        let mut partition = lock(&self.partition);
        let at = partition.open(epoch, &self.world)?;
        partition.check(at, &self.world);
        let marked = Instant::now() + self.world.latency();
        partition.transactions[at].fate = Fate::Decided { commit: true, marked };
        self.world.note("commit", partition.process, partition.next);
        Ok(())
    }

    /// The lowest offset of the position partition, and an end of it.
    pub(super) fn ends(&self, end: End) -> (i64, i64) {
        let mut partition = lock(&self.partition);
        partition.settle(&self.world);
        let unended = partition.transactions.iter().filter(|one| !matches!(one.fate, Fate::Ended { .. }));
        let stable = unended.filter_map(|one| one.first).min();
        let high = partition.entries.len();
        let end = match end {
            End::High => high,
            End::Stable => stable.unwrap_or(high),
        };
        (0, end as i64)
    }

    /// The last committed record between two offsets.
    pub(super) fn scan(&self, from: i64, to: i64) -> Found {
        let partition = lock(&self.partition);
        let (from, to) = (from as usize, (to as usize).min(partition.entries.len()));
        let committed = partition.entries[from..to].iter().rev().find_map(|entry| match entry {
            Entry::Position(at, record) => {
                let fate = partition.transactions[*at].fate;
                (fate == Fate::Ended { commit: true }).then(|| record.clone())
            }
            Entry::Foreign | Entry::Marker => None,
        });
        committed.map_or(Found::Nothing, |record| Found::Record(record, None))
    }

    /// Somebody else's transaction on the partition begins; it hides what comes behind it until it has ended.
    pub(super) fn hang(&self) -> usize {
        let mut partition = lock(&self.partition);
        let first = partition.entries.len();
        partition.entries.push(Entry::Foreign);
        partition.transactions.push(Transaction {
            foreign: true,
            fate: Fate::Open { since: Instant::now() },
            first: Some(first),
            rows: Vec::new(),
            record: None,
        });
        partition.transactions.len() - 1
    }

    /// It ends.
    pub(super) fn unhang(&self, at: usize) {
        let mut partition = lock(&self.partition);
        partition.transactions[at].fate = Fate::Ended { commit: false };
        partition.entries.push(Entry::Marker);
    }
}

impl Partition {
    /// Writes the markers that are due, and ends a transaction that has been open for too long.
    fn settle(&mut self, world: &World) {
        let Some(at) = self.ongoing else { return };
        let now = Instant::now();
        match self.transactions[at].fate {
            Fate::Open { since } if since + TRANSACTION_TIMEOUT <= now => {
                self.epoch += 1;
                self.abort(at, Duration::ZERO, world);
                self.mark(at);
            }
            Fate::Decided { marked, .. } if marked <= now => self.mark(at),
            _ => {}
        }
    }

    fn mark(&mut self, at: usize) {
        let transaction = &mut self.transactions[at];
        if let Fate::Decided { commit, .. } = transaction.fate {
            transaction.fate = Fate::Ended { commit };
            if transaction.first.is_some() {
                self.entries.push(Entry::Marker);
            }
            self.ongoing = None;
        }
    }

    fn abort(&mut self, at: usize, takes: Duration, world: &World) {
        self.transactions[at].fate = Fate::Decided { commit: false, marked: Instant::now() + takes };
        world.counts().aborted += 1;
        world.note("abort", self.process, self.epoch);
    }

    /// The producer's open transaction; the client waits for the end of the one before.
    fn open(&mut self, epoch: u64, world: &World) -> Result<usize, Fenced> {
        self.settle(world);
        if epoch != self.epoch {
            return Err(Fenced);
        }
        if let Some(at) = self.ongoing {
            if matches!(self.transactions[at].fate, Fate::Open { .. }) {
                return Ok(at);
            }
            self.mark(at);
        }
        let fate = Fate::Open { since: Instant::now() };
        self.transactions.push(Transaction {
            foreign: false,
            fate,
            first: None,
            rows: Vec::new(),
            record: None,
        });
        let at = self.transactions.len() - 1;
        self.ongoing = Some(at);
        Ok(at)
    }

    /// What a consumer is about to see: every row once, in order; positions that say what was seen; one writer after
    /// the other, each with an epoch of its own.
    fn check(&mut self, at: usize, world: &World) {
        let transaction = &self.transactions[at];
        debug_assert!(!transaction.foreign, "nobody commits it");
        let (rows, next) = (&transaction.rows, self.next);
        for (row, due) in rows.iter().zip(next..) {
            if *row != due {
                let what = if *row < due { "repeated" } else { "before others that are missing" };
                return world.violated(|| format!("row {row} is visible where {due} is due: {what}"));
            }
        }
        self.next += rows.len() as u64;
        world.counts().rows += rows.len() as u64;
        let Some(record) = transaction.record.clone() else {
            return world.violated(|| "rows are committed without a position".into());
        };
        let (says, seen) = (index(&record.position), self.next);
        if says != seen {
            world.violated(|| format!("the position says {says} rows where {seen} are visible"));
        }
        if let Some(last) = &self.last {
            let ((before, after), process) = ((last.epoch, record.epoch), self.process);
            let same_writer = self.last_epoch == self.epoch;
            if same_writer && before != after || !same_writer && before >= after {
                world.violated(|| format!("process {process} writes as epoch {after} behind epoch {before}"));
            }
            let (before, after) = (last.sequence, record.sequence);
            if after != before + 1 {
                world.violated(|| format!("record {after} follows record {before}"));
            }
        }
        (self.last, self.last_epoch) = (Some(record), self.epoch);
    }
}
