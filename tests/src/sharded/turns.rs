//! What strategy `Time` adds to a round: owners that end at the failpoints of a hand-over, and how long the hand-overs
//! took.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use maxwell_protocol::position::{PositionKey, PositionRecord, Seal};
use rdkafka::Message;

use crate::consumer::{Isolation, Reader, Seen};

/// Where an owner ends, and milliseconds behind that place at the most: the seal begun, sealed and not told, the turn seen
/// and not taken, taken and nothing streamed.
pub(super) const POINTS: [(&str, u64); 5] =
    [("before-seal", 0), ("before-told", 0), ("turn-seen", 0), ("after-begin", 0), ("before-seal", 15)];
/// A hand-over's silence begins within this time.
const BEGINS: Duration = Duration::from_millis(500);
/// Around a fault no hand-over is measured.
const BEFORE_FAULT: Duration = Duration::from_secs(1);
const BEHIND_FAULT: Duration = Duration::from_secs(5);

/// When each turn ended, as the sealed records on the position topic say, in milliseconds since the epoch.
pub(super) fn sealed(topic: &str) -> anyhow::Result<Vec<i64>> {
    let reader = Reader::new(topic, Isolation::Committed)?;
    let mut sealed = Vec::new();
    reader.each(&AtomicBool::new(true), |message| {
        let is_position = serde_json::from_slice::<PositionKey>(message.key().unwrap_or_default()).is_ok();
        let record = message.payload().filter(|_| is_position).map(serde_json::from_slice::<PositionRecord>);
        if let Some(Some(Seal::Window { .. })) = record.transpose()?.map(|record| record.sealed) {
            sealed.extend(message.timestamp().to_millis());
        }
        Ok(())
    })?;
    sealed.sort_unstable();
    Ok(sealed)
}

/// For each turn that ended away from all `faults`, the longest silence of the heartbeat rows that begins with it, in
/// milliseconds.
pub(super) fn silences(seen: &Seen, sealed: &[i64], faults: &[Instant]) -> Vec<u64> {
    let (now, clock) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    let instant =
        |at: &i64| now.checked_sub(clock.checked_sub(Duration::from_millis((*at).try_into().ok()?))?);
    let undisturbed =
        |at: &Instant| faults.iter().all(|fault| *at + BEFORE_FAULT < *fault || *at > *fault + BEHIND_FAULT);
    let silence = |at: Instant| {
        let near = seen.beats.windows(2).filter(|pair| pair[1].0 > at && pair[0].0 < at + BEGINS);
        near.map(|pair| (pair[1].0 - pair[0].0).as_millis() as u64).max()
    };
    sealed.iter().filter_map(instant).filter(undisturbed).filter_map(silence).collect()
}
