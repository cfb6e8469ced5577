//! The time that records bear: this host's clock's, unless a broker has refused that, or the source's clock contradicts it.
//! A broker refuses what is too far ahead of its own clock. Then they bear the time of the last record that was taken,
//! counted on, until this host's clock agrees with that.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::{heard_at_source, milliseconds};

/// Milliseconds that two clocks may be apart that agree.
const NEAR: i64 = 10_000;
/// Milliseconds that make one clock wrong that is further from two others, which agree: less than brokers take by default.
const FAR: u64 = 600_000;
/// How long a refusal counts. What is counted on may lie behind, as after a long rest: a clock that is right by now would
/// never agree with it.
const REFUSED: Duration = Duration::from_secs(300);

/// What the shards of a process know of the time that the brokers take. All times are milliseconds since the epoch.
#[derive(Default)]
pub(super) struct RecordTime(Mutex<Known>);

impl RecordTime {
    /// What a record that is written now bears.
    pub(super) fn now(&self) -> i64 {
        self.lock().time(milliseconds(), heard_at_source(), Instant::now())
    }

    /// The brokers have taken records of this time.
    pub(super) fn taken(&self, time: i64) {
        self.lock().was_taken(time, Instant::now());
    }

    /// The brokers once took a record of this time from somebody.
    pub(super) fn was_taken(&self, time: i64) {
        self.lock().taken.get_or_insert((time, Instant::now()));
    }

    /// The brokers have refused a record because of its time.
    pub(super) fn refused(&self) {
        self.lock().refused = Some(Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Known {
    /// The last time that was taken, and when that was.
    taken: Option<(i64, Instant)>,
    /// When the brokers refused what this host's clock says.
    refused: Option<Instant>,
    /// Whether something else is gone by.
    counting: bool,
}

impl Known {
    /// `source`: what its clock is known to say.
    fn time(&mut self, clock: i64, source: Option<i64>, now: Instant) -> i64 {
        let Some(counted) = self.counted(now) else { return clock };
        let ahead = clock.saturating_sub(counted);
        let is_far = |one: i64, other: i64| one.abs_diff(other) > FAR;
        let contradicts = |source: i64| !is_far(source, counted) && is_far(source, clock);
        let contradicted = is_far(clock, counted) && source.is_some_and(contradicts);
        let refused = self.refused.is_some_and(|at| now.duration_since(at) < REFUSED);
        let counts = contradicted || refused && ahead > NEAR;
        self.refused = self.refused.filter(|_| counts);
        match (std::mem::replace(&mut self.counting, counts), counts) {
            (false, true) => tracing::warn!(
                seconds_ahead = ahead / 1_000,
                refused_by_kafka = self.refused.is_some(),
                "this host's clock is wrong: until it is right, records bear the time of the last one that was taken, \
                 counted on"
            ),
            (true, false) if ahead > NEAR => tracing::info!("trying this host's clock again"),
            (true, false) => tracing::info!("this host's clock is right: records bear its time again"),
            _ => {}
        }
        if counts { counted } else { clock }
    }

    /// What is counted on was read before it was sent: beginning anew with it each time would lose the time that each commit
    /// takes.
    fn was_taken(&mut self, time: i64, now: Instant) {
        if !self.counting {
            self.taken = Some((time, now));
        }
    }

    /// What was taken, and the time since.
    fn counted(&self, now: Instant) -> Option<i64> {
        let (time, at) = self.taken?;
        Some(time.saturating_add(now.duration_since(at).as_millis() as i64))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: i64 = 3_600_000;

    /// `taken` at the beginning.
    fn known(taken: i64) -> (Known, Instant) {
        let begun = Instant::now();
        (Known { taken: Some((taken, begun)), ..Known::default() }, begun)
    }

    #[test]
    fn a_clock_is_believed_until_its_time_is_refused() {
        let (mut known, begun) = known(1_000);
        let after = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(known.time(2 * HOUR, None, after(1)), 2 * HOUR, "the brokers may take it");
        known.refused = Some(after(2));
        assert_eq!(known.time(2 * HOUR, None, after(2)), 3_000);
        assert_eq!(known.time(2 * HOUR, None, after(3)), 4_000);
        assert_eq!(known.time(2 * HOUR, None, after(302)), 2 * HOUR, "it may be right by now");
    }

    #[test]
    fn slow_commits_do_not_slow_the_count() {
        let (mut known, begun) = known(0);
        known.refused = Some(begun);
        for second in 0..60 {
            let time = known.time(2 * HOUR, None, begun + Duration::from_secs(second));
            assert_eq!(time, second as i64 * 1_000);
            known.was_taken(time, begun + Duration::from_secs(second + 1));
        }
        assert_eq!(known.time(61_000, None, begun + Duration::from_secs(60)), 61_000, "it is right again");
    }

    #[test]
    fn a_clock_that_two_others_contradict_is_not_believed() {
        let (mut known, begun) = known(HOUR);
        assert_eq!(known.time(3 * HOUR, Some(HOUR), begun), HOUR);
        assert_eq!(known.time(3 * HOUR, Some(3 * HOUR), begun), 3 * HOUR, "this process stood still");
        assert_eq!(known.time(HOUR, Some(-HOUR), begun), HOUR, "the source is alone");
        assert_eq!(known.time(-HOUR, Some(HOUR), begun), HOUR);
        assert_eq!(known.time(-HOUR, None, begun), -HOUR, "the brokers take it");
        assert_eq!(known.time(5 * HOUR, Some(-HOUR), begun), 5 * HOUR, "no two of them agree");
    }

    #[test]
    fn a_clock_that_is_right_again_is_believed_again() {
        let (mut known, begun) = known(HOUR);
        known.refused = Some(begun);
        assert_eq!(known.time(HOUR + 11_000, None, begun), HOUR);
        assert_eq!(known.time(HOUR + 9_000, None, begun), HOUR + 9_000);
        assert_eq!(known.time(3 * HOUR, None, begun), 3 * HOUR);
    }

    #[test]
    fn without_anything_taken_there_is_no_other_time() {
        let mut known = Known { refused: Some(Instant::now()), ..Known::default() };
        assert_eq!(known.time(3 * HOUR, Some(HOUR), Instant::now()), 3 * HOUR);
    }
}
