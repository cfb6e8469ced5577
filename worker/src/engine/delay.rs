//! How far the committed stream is behind the source. Right while the source is idle, and while the sink is stuck. Pure:
//! the clock is an argument.

/// What is known of a shard's delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delay {
    /// Commit time at the source of what is waited for, or of the last commit; milliseconds since the epoch, 0 if
    /// unknown.
    source_time: i64,
    /// Whether everything that the source had is committed.
    caught_up: bool,
}

impl Delay {
    /// A run begins behind `source_time`: how much came since is not known yet.
    pub fn resumed(&mut self, source_time: i64) {
        *self = Self { source_time, caught_up: false };
    }

    /// Something that was committed at the source at `source_time` (0 if unknown) is on its way.
    pub fn received(&mut self, source_time: i64) {
        if self.caught_up {
            *self = Self { source_time: source_time.max(self.source_time), caught_up: false };
        }
    }

    /// Everything up to `source_time` is committed; `drained` if the source had nothing more.
    pub fn committed(&mut self, source_time: i64, drained: bool) {
        *self = Self { source_time, caught_up: drained };
    }

    /// Milliseconds behind the source at `now` by its clock.
    pub fn milliseconds(self, now: i64) -> u64 {
        let known = !self.caught_up && self.source_time > 0;
        if known { u64::try_from(now - self.source_time).unwrap_or(0) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_source_leaves_no_delay() {
        let mut delay = Delay::default();
        assert_eq!(delay.milliseconds(10_000), 0);
        delay.committed(1_000, true);
        assert_eq!(delay.milliseconds(10_000), 0);
    }

    #[test]
    fn what_is_on_its_way_counts_from_its_own_time() {
        let mut delay = Delay::default();
        delay.committed(1_000, true);
        delay.received(5_000);
        delay.received(6_000);
        assert_eq!(delay.milliseconds(10_000), 5_000);
        delay.committed(6_000, false);
        assert_eq!(delay.milliseconds(10_000), 4_000);
    }

    #[test]
    fn a_run_is_behind_until_it_has_caught_up() {
        let mut delay = Delay::default();
        delay.committed(1_000, true);
        delay.resumed(1_000);
        assert_eq!(delay.milliseconds(10_000), 9_000);
        delay.committed(1_000, true);
        assert_eq!(delay.milliseconds(10_000), 0);
    }
}
