//! The time that records bear. A broker refuses one that is too far ahead of its own clock: then they bear the time of
//! the last one that was taken, counted on, until this host's clock agrees with that.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::milliseconds;

/// How far apart two clocks may be that agree. Less than any broker's limit that makes sense.
const NEAR: Duration = Duration::from_secs(10);

/// What the shards of a process know of the time that the brokers take. All times are milliseconds since the epoch.
#[derive(Default)]
pub(super) struct RecordTime(Mutex<Known>);

impl RecordTime {
    /// What a record that is written now bears.
    pub(super) fn now(&self) -> i64 {
        self.lock().time(milliseconds(), Instant::now())
    }

    /// The brokers have taken records of this time.
    pub(super) fn taken(&self, time: i64) {
        self.lock().taken = Some((time, Instant::now()));
    }

    /// The brokers once took a record of this time from somebody.
    pub(super) fn was_taken(&self, time: i64) {
        self.lock().taken.get_or_insert((time, Instant::now()));
    }

    /// The brokers have refused a record because of its time.
    pub(super) fn refused(&self) {
        self.lock().refuse(milliseconds(), Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Known {
    /// The last time that was taken, and when that was.
    taken: Option<(i64, Instant)>,
    /// Whether what this host's clock says is refused.
    refused: bool,
}

impl Known {
    fn time(&mut self, clock: i64, now: Instant) -> i64 {
        match self.counted(now) {
            Some(counted) if self.refused && clock > counted.saturating_add(NEAR.as_millis() as i64) => {
                counted
            }
            _ => {
                if std::mem::take(&mut self.refused) {
                    tracing::info!(
                        "this host's clock agrees with the time that Kafka takes: records bear it again"
                    );
                }
                clock
            }
        }
    }

    fn refuse(&mut self, clock: i64, now: Instant) {
        let Some(counted) = self.counted(now) else { return };
        self.refused = true;
        tracing::warn!(
            seconds_ahead = (clock - counted) / 1_000,
            "this host's clock is further ahead than Kafka takes: until it is right, records bear the time of the last one \
             that was taken, counted on"
        );
    }

    /// What was taken, and the time since.
    fn counted(&self, now: Instant) -> Option<i64> {
        let (time, at) = self.taken?;
        Some(time.saturating_add(now.duration_since(at).as_millis() as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_clock_is_believed_until_its_time_is_refused() {
        let (mut known, begun) = (Known::default(), Instant::now());
        let after = |seconds| begun + Duration::from_secs(seconds);
        known.taken = Some((1_000, begun));
        assert_eq!(known.time(2 * HOUR, after(1)), 2 * HOUR, "the brokers may take it");
        known.refuse(2 * HOUR, after(1));
        assert_eq!(known.time(2 * HOUR, after(2)), 3_000);
        assert_eq!(known.time(2 * HOUR, after(3)), 4_000);
    }

    #[test]
    fn a_clock_that_is_right_again_is_believed_again() {
        let (mut known, begun) = (Known::default(), Instant::now());
        known.taken = Some((HOUR, begun));
        known.refuse(3 * HOUR, begun);
        assert_eq!(known.time(HOUR + 9_000, begun), HOUR + 9_000);
        assert_eq!(known.time(3 * HOUR, begun), 3 * HOUR);
        known.refuse(3 * HOUR, begun);
        assert_eq!(known.time(HOUR - 1, begun), HOUR - 1, "one that is behind is taken");
    }

    #[test]
    fn without_anything_taken_there_is_no_other_time() {
        let (mut known, begun) = (Known::default(), Instant::now());
        known.refuse(3 * HOUR, begun);
        assert_eq!(known.time(3 * HOUR, begun), 3 * HOUR);
    }
}
