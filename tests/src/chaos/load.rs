//! What is written while faults are inflicted: transactions of all kinds, and heartbeat rows.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{OwnedMutexGuard, OwnedRwLockWriteGuard, RwLock, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::history::Expected;
use crate::lab::Server;
use crate::session::Session;
use crate::writer::{Writer, shard_of};

/// Between two heartbeat rows of a shard, as a rule.
pub const BEAT: Duration = Duration::from_millis(20);
/// Among so many ids there is one of every shard.
const SPAN: u64 = 1000;
/// Between two small transactions, times the shards: each of them reads the whole binlog.
const PAUSE: Duration = Duration::from_millis(5);
/// Small transactions between two changes of a table's definition.
const BETWEEN_DEFINITIONS: u64 = 400;
/// How long a heartbeat row may take while the server is away.
const PATIENCE: Duration = Duration::from_secs(180);

/// Where heartbeat rows go, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// Shards that keys are hashed to; each gets a row of its own, all in one transaction.
    pub shards: u32,
    /// Between two.
    pub every: Duration,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self { shards: 1, every: BEAT }
    }
}

impl Rhythm {
    /// The ids of heartbeat `number`: one of each shard.
    fn ids(self, number: u64) -> Vec<i64> {
        let shards = u64::from(self.shards);
        if shards == 1 {
            return vec![number.cast_signed()];
        }
        let all = (number * SPAN..(number + 1) * SPAN).map(u64::cast_signed);
        (0..shards).filter_map(|shard| all.clone().find(|id| shard_of(*id, shards) == shard)).collect()
    }
}

/// When each heartbeat was written, number 1 first: the source's own silence is no worker's fault.
#[derive(Debug, Clone, Default)]
pub struct Written {
    at: Arc<Mutex<Vec<Instant>>>,
    rhythm: Rhythm,
}

impl Written {
    /// At these moments.
    #[cfg(test)]
    pub fn at(instants: Vec<Instant>) -> Self {
        Self { at: Arc::new(Mutex::new(instants)), rhythm: Rhythm::default() }
    }

    /// Between two.
    pub fn every(&self) -> Duration {
        self.rhythm.every
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    /// When number `id` was.
    pub fn when(&self, id: u64) -> Option<Instant> {
        let at = usize::try_from(id.checked_sub(1)?).ok()?;
        self.at.lock().unwrap_or_else(PoisonError::into_inner).get(at).copied()
    }

    fn push(&self, at: Instant) {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).push(at);
    }
}

/// Writes heartbeat rows, until told to stop.
pub struct Beats {
    /// When each was written.
    pub written: Written,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Beats {
    /// Into the table that a [`Writer`] made; `source` tells at which server.
    pub fn start(source: Arc<RwLock<Server>>, database: String, rhythm: Rhythm) -> Self {
        let (written, stop) = (Written { rhythm, ..Written::default() }, CancellationToken::new());
        let task = tokio::spawn(beat(source, database, written.clone(), stop.clone()));
        Self { written, stop, task }
    }

    /// Ends them; how many rows each shard got.
    pub async fn finish(self) -> anyhow::Result<u64> {
        self.stop.cancel();
        self.task.await??;
        Ok(self.written.count())
    }
}

async fn beat(
    source: Arc<RwLock<Server>>,
    database: String,
    written: Written,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(written.every());
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut session = Session::new(*source.read().await);
    let mut last = false;
    while !last {
        tick.tick().await;
        // One more once nothing else is written: when it has come, everything has.
        last = stop.is_cancelled();
        let server = source.read().await;
        session.turn_to(*server);
        let number = written.count() + 1;
        let rows: Vec<String> =
            written.rhythm.ids(number).iter().map(|id| format!("({id}, {number})")).collect();
        // What is there already, because only the answer was lost, is not written again.
        let row = [format!("INSERT IGNORE INTO {database}.beat VALUES {}", rows.join(", "))];
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = session.run(&row).await {
            if Instant::now() > deadline {
                return Err(error).context("no heartbeat row can be written");
            }
            tokio::time::sleep(PAUSE).await;
        }
        written.push(Instant::now());
    }
    Ok(())
}

/// How far the load is.
#[derive(Clone, Default)]
struct Progress {
    /// Changes that are committed.
    changes: Arc<AtomicU64>,
    /// The highest value among them.
    value: Arc<AtomicI64>,
}

/// The whole load of a round.
pub struct Load {
    /// The server that is written to. Who locks it finds it at rest.
    source: Arc<RwLock<Server>>,
    /// Held while a table's definition is changed: not every server survives a kill in the middle of that.
    definitions: Arc<tokio::sync::Mutex<()>>,
    large: mpsc::Sender<(usize, oneshot::Sender<()>)>,
    progress: Progress,
    stop: CancellationToken,
    writer: JoinHandle<anyhow::Result<Writer>>,
    beats: Beats,
}

impl Load {
    /// Begins to write; heartbeat rows go to one shard, every 20 ms.
    pub fn start(server: Server, writer: Writer, database: &str, seed: u64) -> Self {
        Self::with(Rhythm::default(), server, writer, database, seed)
    }

    /// Begins to write, with the heartbeat rows of this rhythm.
    pub fn with(rhythm: Rhythm, server: Server, writer: Writer, database: &str, seed: u64) -> Self {
        let source = Arc::new(RwLock::new(server));
        let definitions = Arc::new(tokio::sync::Mutex::new(()));
        let (large, asked) = mpsc::channel(1);
        let (stop, progress) = (CancellationToken::new(), Progress::default());
        let work = Work {
            source: Arc::clone(&source),
            definitions: Arc::clone(&definitions),
            asked,
            progress: progress.clone(),
            stop: stop.clone(),
            random: StdRng::seed_from_u64(seed),
            pause: PAUSE * rhythm.shards,
        };
        let beats = Beats::start(Arc::clone(&source), database.to_owned(), rhythm);
        Self { source, definitions, large, progress, stop, writer: tokio::spawn(work.run(writer)), beats }
    }

    /// When each heartbeat row was written.
    pub fn written(&self) -> &Written {
        &self.beats.written
    }

    /// Changes that are committed, heartbeat rows not among them.
    pub fn changes(&self) -> u64 {
        self.progress.changes.load(Ordering::Relaxed)
    }

    /// Changes that are made from now on have higher values.
    pub fn value(&self) -> i64 {
        self.progress.value.load(Ordering::Relaxed)
    }

    /// Commits one transaction of so many rows.
    pub async fn large(&self, rows: usize) -> anyhow::Result<()> {
        let (done, committed) = oneshot::channel();
        self.large.send((rows, done)).await.ok().context("the load has ended")?;
        committed.await.context("the load has ended")
    }

    /// Nothing is written until this is dropped; what it holds may be changed to another server.
    pub async fn rest(&self) -> OwnedRwLockWriteGuard<Server> {
        Arc::clone(&self.source).write_owned().await
    }

    /// The server that is written to.
    pub async fn server(&self) -> Server {
        *self.source.read().await
    }

    /// No table's definition is changed until this is dropped.
    pub async fn keep_definitions(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.definitions).lock_owned().await
    }

    /// Ends; what was committed, and how many heartbeat rows each shard got.
    pub async fn finish(self) -> anyhow::Result<(Expected, u64)> {
        self.stop.cancel();
        let writer = self.writer.await??;
        Ok((writer.expected, self.beats.finish().await?))
    }
}

struct Work {
    source: Arc<RwLock<Server>>,
    definitions: Arc<tokio::sync::Mutex<()>>,
    asked: mpsc::Receiver<(usize, oneshot::Sender<()>)>,
    progress: Progress,
    stop: CancellationToken,
    random: StdRng,
    pause: Duration,
}

impl Work {
    async fn run(mut self, mut writer: Writer) -> anyhow::Result<Writer> {
        let (mut transactions, mut altered) = (0u64, 0);
        while !self.stop.is_cancelled() {
            let asked = tokio::time::timeout(self.pause, self.asked.recv()).await.ok().flatten();
            let server = self.source.read().await;
            writer.turn_to(*server);
            if let Some((rows, done)) = asked {
                writer.transaction(rows).await?;
                // Who asked may have given up.
                let _told = done.send(());
            } else {
                writer.transaction(self.random.random_range(1..15)).await?;
            }
            self.progress.changes.store(writer.expected.rows, Ordering::Relaxed);
            self.progress.value.store(writer.value(), Ordering::Relaxed);
            transactions += 1;
            if transactions.is_multiple_of(BETWEEN_DEFINITIONS)
                && let Ok(_kept) = self.definitions.try_lock()
            {
                writer.alter(altered).await?;
                altered += 1;
            }
        }
        Ok(writer)
    }
}
