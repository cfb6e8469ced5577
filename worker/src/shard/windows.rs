//! Strategy `Time`: which window of time a transaction is in, and whose that is. Pure.
//!
//! Window `w` is the seconds from `w` times the length on, and belongs to shard `w` modulo the number of shards without a
//! name. A transaction's time is the one in its first event's header, and never less than that of one before it in the
//! binlog: a clock that steps back opens no window again. So windows follow from a place and the latest window before it,
//! whoever reads from there, and however often.

use maxwell_protocol::layout::Layout;
use maxwell_protocol::settings::Strategy;

/// The windows of a layout as one of the shards that take turns sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    seconds: u64,
    hashed: u64,
    number: u64,
}

impl Windows {
    /// Of the shard with this number; `None` if it takes no turns: under another strategy, or because it holds what is
    /// pinned to it.
    pub fn of(layout: &Layout, number: u32) -> Option<Self> {
        let turns = layout.strategy == Strategy::Time && number < layout.hashed();
        let seconds = u64::from(layout.time_window_seconds.unwrap_or_default().max(1));
        turns.then_some(Self { seconds, hashed: layout.hashed().into(), number: number.into() })
    }

    /// The window that this time, in seconds since the epoch, is in.
    fn at(self, seconds: u32) -> u64 {
        u64::from(seconds) / self.seconds
    }

    /// Whether a window is this shard's.
    pub fn are_mine(self, window: u64) -> bool {
        window % self.hashed == self.number
    }

    /// Whether it is the shard that begins.
    pub(super) fn begins(self) -> bool {
        self.number == 0
    }
}

/// Where a shard's stream is in its windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    windows: Windows,
    latest: Option<u64>,
}

impl Course {
    /// Goes on behind a place whose latest window was `latest`.
    pub fn new(windows: Windows, latest: Option<u64>) -> Self {
        Self { windows, latest }
    }

    /// The latest window met.
    pub fn latest(&self) -> Option<u64> {
        self.latest
    }

    /// A transaction of this time is next: its window, if that is another shard's. Then this one's stream ends before it,
    /// and the latest window stays what it was.
    pub fn meet(&mut self, seconds: u32) -> Option<u64> {
        let window = self.latest.unwrap_or(0).max(self.windows.at(seconds));
        if !self.windows.are_mine(window) {
            return Some(window);
        }
        self.latest = Some(window);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(number: u32) -> Windows {
        let layout = Layout {
            shards: 3,
            strategy: Strategy::Time,
            time_window_seconds: Some(10),
            ..Layout::default()
        };
        Windows::of(&layout, number).unwrap()
    }

    #[test]
    fn every_window_is_one_shards() {
        for window in 0..50 {
            assert_eq!((0..3).filter(|&number| windows(number).are_mine(window)).count(), 1);
        }
        let table = Layout { shards: 3, ..Layout::default() };
        assert_eq!(Windows::of(&table, 0), None);
    }

    #[test]
    fn a_stream_ends_before_another_shards_window() {
        let mut course = Course::new(windows(1), None);
        assert_eq!((course.meet(10), course.meet(19), course.latest()), (None, None, Some(1)));
        assert_eq!((course.meet(20), course.latest()), (Some(2), Some(1)));
        // Nothing happened for a whole round: it goes on.
        assert_eq!((course.meet(49), course.latest()), (None, Some(4)));
    }

    #[test]
    fn a_clock_that_steps_back_opens_no_window_again() {
        let mut course = Course::new(windows(2), Some(5));
        assert_eq!((course.meet(31), course.meet(0), course.latest()), (None, None, Some(5)));
        // Whoever takes over there has the same transaction in the same window.
        let mut next = Course::new(windows(0), Some(6));
        assert_eq!((next.meet(3), next.latest()), (None, Some(6)));
    }
}
