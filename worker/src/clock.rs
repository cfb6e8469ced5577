//! The wall clock.

use std::time::Duration;
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
