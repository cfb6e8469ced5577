//! The order of a take-over: proof of the lock, fencing, proof again, the log's end, the last position. What the
//! brokers are asked is behind a trait, so that nothing but the order is here.

use std::time::Duration;

use async_trait::async_trait;
use maxwell_protocol::id::ClusterId;
use maxwell_protocol::position::{PositionMirror, PositionRecord};
use tokio::time::{Instant, sleep};

use super::super::SinkError;
use crate::coordination::Ownership;
use crate::mistake::{Mistake, planted};

/// How long a producer may hear nothing; each next one gets twice as much.
const FIRST_ATTEMPT: Duration = Duration::from_millis(500);
const LONGEST_ATTEMPT: Duration = Duration::from_secs(10);
/// But no attempt gets more than this, or than a quarter of the time that has passed: one that has lost its way, because a
/// broker died, shall not hold up the next, which finds it.
const LONG_ATTEMPT: Duration = Duration::from_secs(1);
/// Between a refusal and the next attempt of the same producer pass this and an eighth of the time since the first one: the
/// coordinator ends the predecessor's transaction, in milliseconds as a rule.
const REST: Duration = Duration::from_millis(5);
const LONGEST_REST: Duration = Duration::from_millis(150);
/// A producer that was refused asks again by itself after 500 ms: unless the lock was proved before, it is dropped.
const KEPT: Duration = Duration::from_millis(350);
/// From here on every attempt in vain is told of.
const SLOW: Duration = Duration::from_secs(3);
/// After this long without success the caller is told.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an open transaction may hide the end of the log.
const HIDDEN: Duration = Duration::from_secs(5);
/// How long an owner's transaction is waited for.
const CLOSING: Duration = Duration::from_secs(1);
/// Between two looks at a log whose end is hidden.
const LOOK: Duration = Duration::from_millis(1);
/// How far back the first look goes: a few seconds of records.
const FIRST_LOOK: i64 = 64;

/// What the partition holds for a shard.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Its last committed record, and when it was produced, milliseconds since the epoch.
    Record(Box<PositionRecord>, Option<i64>),
    /// Nothing committed by anybody.
    Nothing,
    /// Only records of other clusters, of which this is the last one's.
    Foreign(ClusterId),
}

/// An end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The high watermark: everything that was written.
    High,
    /// The last stable offset: what lies behind it belongs to open transactions, or stands behind one.
    Stable,
}

/// Why a producer is not initialised.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Whether the next attempt may get through.
    pub(crate) heals: bool,
    /// Whether the coordinator has something to end first: the producer is kept for the next attempt.
    pub(crate) busy: bool,
    /// What was said.
    pub(crate) error: SinkError,
}

/// What a take-over of one shard asks of Kafka.
#[async_trait]
pub(crate) trait Brokers: Sync {
    /// A producer that fenced the one before.
    type Producer: Send;

    /// Gives the initialisation of a producer this long: of the one that was refused last, or of a new one.
    async fn initialise(&self, time: Duration) -> Result<Self::Producer, Refused>;

    /// Drops the producer that was refused.
    fn abandon(&self);

    /// The lowest offset of the shard's partition, and an end of it.
    async fn ends(&self, end: End) -> Result<(i64, i64), SinkError>;

    /// The shard's last committed record from an offset up to another, or further back where that was read before.
    async fn scan(&self, from: i64, to: i64) -> Result<Found, SinkError>;

    /// The partition's name, for people.
    fn place(&self) -> String;
}

/// What a take-over found.
pub(crate) struct Succession<P> {
    /// The fenced producer.
    pub(crate) producer: P,
    /// The last committed record; `None` only if there provably never was one.
    pub(crate) last: Option<PositionRecord>,
    /// When it was produced.
    pub(crate) last_at: Option<i64>,
}

/// Fences the owner before and finds its last position.
pub(crate) async fn succeed<B: Brokers>(
    brokers: &B,
    ownership: &dyn Ownership,
) -> Result<Succession<B::Producer>, SinkError> {
    let producer = fence(brokers, ownership).await?;
    #[cfg(feature = "failpoints")]
    fail::fail_point!("after-init");
    let reading = Instant::now();
    // A mirror that is older than the record shows less, never what is not so.
    let mirrored = async { Ok(ownership.mirrored().await?) };
    let (found, mirror) = tokio::try_join!(last_record(brokers), mirrored)?;
    tracing::debug!(elapsed = ?reading.elapsed(), "the position is read");
    #[cfg(feature = "failpoints")]
    fail::fail_point!("after-read");
    let (last, last_at) = match found {
        Found::Record(record, _) if mirror.as_ref().is_some_and(|mirror| is_ahead(mirror, &record)) => {
            return Err(rewound(&brokers.place(), &record));
        }
        Found::Record(record, at) => (Some(*record), at),
        Found::Foreign(other) => return Err(foreign(&brokers.place(), other)),
        Found::Nothing => {
            refuse_lost_topic(mirror, &brokers.place())?;
            (None, None)
        }
    };
    Ok(Succession { producer, last, last_at })
}

async fn fence<B: Brokers>(brokers: &B, ownership: &dyn Ownership) -> Result<B::Producer, SinkError> {
    let begun = Instant::now();
    let mut attempt = FIRST_ATTEMPT;
    let mut refused = None;
    loop {
        // Begun after the last failure: an owner that woke up late finds here that it is none any more.
        if !planted(Mistake::UnprovedBefore) {
            match refused {
                Some(since) => rest_and_prove(brokers, ownership, since).await?,
                None => ownership.prove().await?,
            }
        }
        match brokers.initialise(attempt).await {
            Ok(producer) => {
                tracing::debug!(?attempt, elapsed = ?begun.elapsed(), "the producer is initialised");
                if !planted(Mistake::UnprovedAfter) {
                    ownership.prove().await?;
                }
                return Ok(producer);
            }
            Err(Refused { heals: true, busy, error }) if begun.elapsed() < PATIENCE => {
                tell_refused(&error, attempt, begun.elapsed());
                if busy {
                    refused.get_or_insert_with(Instant::now);
                } else {
                    refused = None;
                    attempt = next_attempt(attempt, begun.elapsed());
                }
            }
            Err(Refused { error, .. }) => return Err(error),
        }
    }
}

/// Behind a refusal, of which the first was at `since`. The producer that is kept meanwhile shall not ask without the proof.
async fn rest_and_prove<B: Brokers>(
    brokers: &B,
    ownership: &dyn Ownership,
    since: Instant,
) -> Result<(), SinkError> {
    let proved = async {
        sleep((REST + since.elapsed() / 8).min(LONGEST_REST)).await;
        ownership.prove().await
    };
    tokio::pin!(proved);
    tokio::select! {
        biased;
        proved = &mut proved => Ok(proved?),
        () = sleep(KEPT) => {
            brokers.abandon();
            Ok(proved.await?)
        }
    }
}

/// What takes seconds is no matter of a predecessor's transaction that is being ended: somebody may want to know of it.
fn tell_refused(error: &SinkError, attempt: Duration, elapsed: Duration) {
    if elapsed < SLOW {
        tracing::debug!(%error, ?attempt, ?elapsed, "the producer is not initialised yet");
    } else {
        tracing::warn!(%error, ?elapsed, "the producer is not initialised yet");
    }
}

fn next_attempt(attempt: Duration, elapsed: Duration) -> Duration {
    (attempt * 2).min((elapsed / 4).clamp(LONG_ATTEMPT, LONGEST_ATTEMPT))
}

/// The last committed record up to the high watermark is the truth; who stops at the last stable offset could miss it.
async fn last_record<B: Brokers>(brokers: &B) -> Result<Found, SinkError> {
    let end = if planted(Mistake::LastStableOffset) { End::Stable } else { End::High };
    let (low, high) = brokers.ends(end).await?;
    if high <= low {
        return Ok(Found::Nothing);
    }
    if stable_by(brokers, high, HIDDEN).await? < high {
        return Err(SinkError::Failed {
            doing: "read the position",
            reason: format!(
                "an open transaction hides the end of {}; kafka-transactions.sh find-hanging shows it",
                brokers.place()
            ),
        });
    }
    last_before(brokers, low, high).await
}

/// The last committed record of a shard that may have an owner, who writes meanwhile: what a transaction that stays open
/// hides is left out.
pub(crate) async fn latest_record<B: Brokers>(brokers: &B) -> Result<Option<PositionRecord>, SinkError> {
    let (low, high) = brokers.ends(End::High).await?;
    if high <= low {
        return Ok(None);
    }
    let stable = stable_by(brokers, high, CLOSING).await?.min(high);
    if stable <= low {
        return Ok(None);
    }
    match last_before(brokers, low, stable).await? {
        Found::Record(record, _) => Ok(Some(*record)),
        Found::Nothing | Found::Foreign(_) => Ok(None),
    }
}

/// The last stable offset, once that is `high` or it was waited for.
async fn stable_by<B: Brokers>(brokers: &B, high: i64, patience: Duration) -> Result<i64, SinkError> {
    let deadline = Instant::now() + patience;
    loop {
        let stable = brokers.ends(End::Stable).await?.1;
        if stable >= high || Instant::now() > deadline {
            return Ok(stable);
        }
        sleep(LOOK).await;
    }
}

async fn last_before<B: Brokers>(brokers: &B, low: i64, high: i64) -> Result<Found, SinkError> {
    let first = (high - FIRST_LOOK).max(low);
    match brokers.scan(first, high).await? {
        Found::Nothing | Found::Foreign(_) if first > low => brokers.scan(low, high).await,
        found => Ok(found),
    }
}

fn foreign(place: &str, other: ClusterId) -> SinkError {
    SinkError::Unfit {
        problem: format!(
            "the position topic's partition {place} holds the positions of another cluster, {other}"
        ),
        mend: format!(
            "if that one is gone, clusterId: {other} goes on from them; to start afresh name another \
             kafka.positionTopic, or delete that topic"
        ),
    }
}

/// Of an earlier layout's record, whatever its number, a mirror of this one's knows that another came after it.
fn is_ahead(mirror: &PositionMirror, record: &PositionRecord) -> bool {
    (mirror.generation, mirror.sequence) > (record.generation, record.sequence)
}

/// The mirror is written after the record: one that is ahead shows that Kafka has lost records, and with them the knowledge
/// of what was sent.
fn rewound(place: &str, record: &PositionRecord) -> SinkError {
    SinkError::Unfit {
        problem: format!(
            "the position topic's partition {place} has lost records: its last is number {} at {}:{}, and newer ones were \
             committed",
            record.sequence, record.position.file, record.position.offset
        ),
        mend: "restore the topic, or set mysql.start under a new zookeeper.root".into(),
    }
}

/// "No record" counts only if the mirror has none either: otherwise the topic was lost, and `start` would lose
/// changes in silence.
fn refuse_lost_topic(mirror: Option<PositionMirror>, place: &str) -> Result<(), SinkError> {
    let Some(mirror) = mirror else { return Ok(()) };
    Err(SinkError::Unfit {
        problem: format!(
            "the position topic's partition {place} is empty, but the shard was at {}:{} (GTID set '{}')",
            mirror.binlog_file, mirror.binlog_position, mirror.gtid_set
        ),
        mend: "restore the topic, or set mysql.start to that position under a new zookeeper.root".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_grow_with_the_time_that_has_passed() {
        let (short, second) = (Duration::from_millis(40), Duration::from_secs(1));
        assert_eq!(next_attempt(short, second), 2 * short);
        assert_eq!(next_attempt(second, 2 * second), second);
        assert_eq!(next_attempt(4 * second, 20 * second), 5 * second);
        assert_eq!(next_attempt(9 * second, 300 * second), LONGEST_ATTEMPT);
    }
}
