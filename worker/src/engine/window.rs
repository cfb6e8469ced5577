//! When a Kafka transaction closes. Pure: the clock is an argument.

use std::time::{Duration, Instant};

use maxwell_protocol::settings::Commit;

/// The least time between two commits of a drained source.
const LEAST_GAP: Duration = Duration::from_millis(10);
/// How often a position is committed while no row passes the filter.
const IDLE_INTERVAL: Duration = Duration::from_secs(5);

/// What is waiting to be committed.
#[derive(Debug, Clone)]
pub struct Window {
    limits: Commit,
    rows: u64,
    bytes: u64,
    opened_at: Option<Instant>,
    moved: bool,
    drained: bool,
    committed_at: Instant,
    /// Whether no row was committed yet.
    begins: bool,
}

impl Window {
    /// A run begins at `now`: its first position is committed at once, which says where it stands, and so are its first
    /// rows, which were waited for long enough.
    pub fn first(limits: Commit, now: Instant) -> Self {
        Self { begins: true, ..Self::new(limits, now.checked_sub(IDLE_INTERVAL).unwrap_or(now)) }
    }

    /// Nothing waits since a commit at `now`.
    pub fn new(limits: Commit, now: Instant) -> Self {
        Self {
            limits,
            rows: 0,
            bytes: 0,
            opened_at: None,
            moved: false,
            drained: false,
            committed_at: now,
            begins: false,
        }
    }

    /// From now on it closes this many milliseconds after its first row.
    pub fn close_after(&mut self, interval_milliseconds: u32) {
        self.limits.interval_milliseconds = interval_milliseconds;
    }

    /// A chunk was written.
    pub fn add(&mut self, rows: u64, bytes: u64, drained: bool, now: Instant) {
        self.rows += rows;
        self.bytes += bytes;
        self.moved = true;
        self.drained = drained;
        if rows > 0 {
            self.opened_at.get_or_insert(now);
        }
    }

    /// Whether anything waits.
    pub fn is_dirty(&self) -> bool {
        self.moved
    }

    /// Rows that wait.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// When what waits is to be committed; `None` while nothing does.
    pub fn due(&self) -> Option<Instant> {
        if !self.moved {
            return None;
        }
        let Some(opened_at) = self.opened_at else { return Some(self.committed_at + IDLE_INTERVAL) };
        let full =
            self.rows >= u64::from(self.limits.max_rows) || self.bytes >= u64::from(self.limits.max_bytes);
        if full {
            return Some(opened_at);
        }
        let interval = Duration::from_millis(u64::from(self.limits.interval_milliseconds));
        let by_time = opened_at + if self.begins { interval.min(LEAST_GAP) } else { interval };
        Some(if self.drained { by_time.min(opened_at.max(self.committed_at + LEAST_GAP)) } else { by_time })
    }

    /// Everything was committed.
    pub fn clear(&mut self, now: Instant) {
        *self = Self { begins: self.begins && self.rows == 0, ..Self::new(self.limits, now) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    #[test]
    fn closes_by_rows_bytes_or_time() {
        let start = Instant::now();
        let limits = Commit { interval_milliseconds: 100, max_bytes: 1000, max_rows: 10 };
        let mut window = Window::new(limits, start);
        assert_eq!(window.due(), None);
        window.add(1, 10, false, after(start, 50));
        assert_eq!(window.due(), Some(after(start, 150)));
        window.add(9, 10, false, after(start, 60));
        assert_eq!(window.due(), Some(after(start, 50)));
        window.clear(after(start, 70));
        window.add(1, 1000, false, after(start, 80));
        assert_eq!(window.due(), Some(after(start, 80)));
    }

    #[test]
    fn a_drained_source_closes_at_once_but_not_too_often() {
        let start = Instant::now();
        let mut window = Window::new(Commit::default(), start);
        window.add(1, 10, true, after(start, 3));
        assert_eq!(window.due(), Some(after(start, 10)));
        window.clear(after(start, 10));
        window.add(1, 10, true, after(start, 500));
        assert_eq!(window.due(), Some(after(start, 500)));
    }

    #[test]
    fn the_first_position_of_a_run_waits_for_nothing() {
        let start = Instant::now();
        let mut window = Window::first(Commit::default(), start);
        assert_eq!(window.due(), None);
        let mut inside = window.clone();
        inside.add(0, 0, false, after(start, 20));
        inside.clear(after(start, 21));
        inside.add(300, 10, false, after(start, 30));
        assert_eq!(inside.due(), Some(after(start, 40)));
        inside.clear(after(start, 45));
        inside.add(300, 10, false, after(start, 45));
        assert_eq!(inside.due(), Some(after(start, 145)), "only the first");
        window.add(0, 0, true, start);
        assert_eq!(window.due(), Some(start));
    }

    #[test]
    fn a_position_without_rows_waits_for_seconds() {
        let start = Instant::now();
        let mut window = Window::new(Commit::default(), start);
        window.add(0, 0, true, after(start, 3));
        assert_eq!(window.due(), Some(start + IDLE_INTERVAL));
        assert!(window.is_dirty());
    }
}
