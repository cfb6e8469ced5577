//! The wall clock, and the source's.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
#[cfg(not(feature = "simulation"))]
use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(not(feature = "simulation"))]
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

/// A simulation's clock begins with its thread's first question.
#[cfg(feature = "simulation")]
fn since_epoch() -> Duration {
    thread_local!(static BEGUN: tokio::time::Instant = tokio::time::Instant::now());
    Duration::from_secs(1_700_000_000) + BEGUN.with(tokio::time::Instant::elapsed)
}

/// Milliseconds since the epoch.
pub fn milliseconds() -> i64 {
    i64::try_from(since_epoch().as_millis()).unwrap_or(i64::MAX)
}

/// Seconds since the epoch, with their fraction.
pub fn seconds() -> f64 {
    since_epoch().as_secs_f64()
}

/// Clocks that are closer than this agree: what is known of the source's is as old as an answer takes.
const NEAR: u64 = 5_000;

static HEARD: Mutex<Option<Heard>> = Mutex::new(None);

/// What the source last said.
struct Heard {
    /// Milliseconds since the epoch.
    time: i64,
    at: Instant,
    /// Whether this host's clock agreed.
    agreed: bool,
}

fn heard() -> MutexGuard<'static, Option<Heard>> {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes in what the source's clock says, in whole seconds since the epoch.
pub fn hear(seconds: i64) {
    let (own, time) = (milliseconds(), seconds.saturating_mul(1_000).saturating_add(500));
    let agreed = is_near(own, time);
    let before = heard().replace(Heard { time, at: Instant::now(), agreed });
    match (before.is_none_or(|before| before.agreed), agreed) {
        (true, false) => tracing::warn!(
            seconds_ahead = (own - time) / 1_000,
            "this host's clock and the source's are apart: delays are told by the source's"
        ),
        (false, true) => tracing::info!("this host's clock and the source's agree again"),
        _ => {}
    }
}

/// What the source's clock says, in milliseconds since the epoch, by what was last heard of it.
pub fn heard_at_source() -> Option<i64> {
    heard().as_ref().map(|heard| heard.time.saturating_add(heard.at.elapsed().as_millis() as i64))
}

/// Milliseconds since the epoch for what is compared with times of the source's: by its clock, if this host's is another.
pub fn at_source() -> i64 {
    let own = milliseconds();
    heard_at_source().map_or(own, |source| nearer(own, source))
}

fn nearer(own: i64, source: i64) -> i64 {
    if is_near(own, source) { own } else { source }
}

fn is_near(own: i64, source: i64) -> bool {
    own.abs_diff(source) <= NEAR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_of_ones_own_is_the_better_one_while_it_agrees() {
        assert_eq!(nearer(10_000, 15_000), 10_000);
        assert_eq!(nearer(10_000, 5_000), 10_000);
        assert_eq!(nearer(7_200_000, 5_000), 5_000);
        assert_eq!(nearer(5_000, 7_200_000), 7_200_000);
    }
}
