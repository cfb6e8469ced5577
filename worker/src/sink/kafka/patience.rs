//! How long brokers may say nothing to a producer before it is replaced. Pure.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A producer that waits for this long has lost its way more likely than not: another one learns at once who leads and who
/// coordinates. Brokers notice each other's end within 9 s unless told otherwise. The same producer goes on then, while
/// another one, made before that, would wait for the end of its predecessor's transaction at a broker that is gone.
const FIRST: Duration = Duration::from_secs(10);
/// From here on somebody may want to know whether the brokers answer at all.
const DOUBT: Duration = Duration::from_millis(250);

/// A shard's patience, kept from one producer to the next: each one that was replaced in vain doubles it, so that brokers
/// that are merely slow get their time.
#[derive(Debug)]
pub(super) struct Patience {
    most: Duration,
    in_vain: AtomicU32,
}

impl Patience {
    /// No longer than `most`.
    pub(super) fn new(most: Duration) -> Self {
        Self { most, in_vain: AtomicU32::new(0) }
    }

    /// Begins to wait.
    pub(super) fn wait(&self, now: Instant) -> Wait {
        let doublings = self.in_vain.load(Ordering::Relaxed).min(16);
        let limit = (FIRST * 2u32.pow(doublings)).min(self.most);
        Wait { limit, end: now + self.most, heard: now, left: None, doubted: false }
    }

    /// A transaction was committed.
    pub(super) fn rewarded(&self) {
        self.in_vain.store(0, Ordering::Relaxed);
    }

    /// A producer has to be replaced.
    pub(super) fn ran_out(&self) {
        self.in_vain.fetch_add(1, Ordering::Relaxed);
    }
}

/// One wait for the brokers' answers.
#[derive(Debug)]
pub(super) struct Wait {
    limit: Duration,
    /// When it ends however much is answered.
    end: Instant,
    heard: Instant,
    left: Option<i32>,
    doubted: bool,
}

/// What a look at the time says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Wait on.
    Wait,
    /// Wait on, and, for the first time, ask whether the brokers answer.
    Doubt,
    /// Nothing was answered for this long.
    Over(Duration),
}

impl Wait {
    /// How long to wait until the next look at the most.
    pub(super) fn time(&self, now: Instant) -> Duration {
        let next = if self.doubted { self.limit } else { DOUBT };
        (self.heard + next).min(self.end).saturating_duration_since(now)
    }

    /// `left`: what is unanswered.
    pub(super) fn look(&mut self, left: i32, now: Instant) -> Look {
        if self.left.replace(left).is_some_and(|before| left < before) {
            self.heard = now;
        }
        let silent = now.duration_since(self.heard);
        if silent >= self.limit || now >= self.end {
            return Look::Over(silent);
        }
        if silent >= DOUBT && !self.doubted {
            self.doubted = true;
            return Look::Doubt;
        }
        Look::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn answers_prolong_a_wait_to_its_end() {
        let start = Instant::now();
        let mut wait = Patience::new(seconds(30)).wait(start);
        assert_eq!(wait.look(9, start), Look::Wait);
        assert_eq!(wait.look(9, start + seconds(1)), Look::Doubt);
        assert_eq!(wait.look(9, start + seconds(2)), Look::Wait);
        assert_eq!(wait.look(8, start + seconds(5)), Look::Wait);
        assert_eq!(wait.look(8, start + seconds(5) + FIRST), Look::Over(FIRST));
        let mut wait = Patience::new(seconds(30)).wait(start);
        assert_eq!(wait.look(100, start), Look::Wait);
        for second in 1..30 {
            assert_eq!(wait.look(100 - second as i32, start + seconds(second)), Look::Wait);
        }
        assert!(matches!(wait.look(1, start + seconds(30)), Look::Over(_)));
    }

    #[test]
    fn what_was_in_vain_doubles_it_until_something_is_committed() {
        let start = Instant::now();
        let patience = Patience::new(seconds(30));
        let limit = || {
            let mut wait = patience.wait(start);
            wait.look(1, start);
            wait.look(1, start + seconds(1));
            wait.time(start)
        };
        assert_eq!(limit(), FIRST);
        patience.ran_out();
        assert_eq!(limit(), 2 * FIRST);
        (0..40).for_each(|_| patience.ran_out());
        assert_eq!(limit(), seconds(30));
        patience.rewarded();
        assert_eq!(limit(), FIRST);
    }
}
