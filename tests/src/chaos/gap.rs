//! How long a `read_committed` consumer waited in vain. Pure.

use std::time::{Duration, Instant};

use super::load::Written;

/// When something was done to the cluster, and for how long it showed.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// The fault's beginning.
    pub begun: Instant,
    /// When it was taken back.
    pub healed: Instant,
    /// When a heartbeat row that was written after that came.
    pub recovered: Instant,
}

/// The longest silence of a shard within the span, in milliseconds. `arrivals`: when anything came, and the highest number
/// of a heartbeat row up to then. What the source itself was silent, beyond the usual time between two rows, is not in it.
pub fn gap(arrivals: &[(Instant, i64)], written: &Written, span: Span) -> u64 {
    let within = arrivals.windows(2).filter(|pair| pair[1].0 >= span.begun && pair[0].0 <= span.recovered);
    let silence = |pair: &[(Instant, i64)]| {
        let ((before, highest), (came, _)) = (pair[0], pair[1]);
        let due = written.when(highest.cast_unsigned() + 1).and_then(|at| at.checked_sub(written.every()));
        came.saturating_duration_since(due.map_or(before, |due| due.max(before)))
    };
    within.map(silence).max().unwrap_or(Duration::ZERO).as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_own_silence_is_not_counted() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let written = Written::at(vec![at(0), at(20), at(500), at(520), at(540)]);
        let span = Span { begun: at(10), healed: at(30), recovered: at(1000) };
        let prompt = [(at(1), 1), (at(21), 2), (at(505), 3), (at(525), 4), (at(545), 5)];
        assert_eq!(gap(&prompt, &written, span), 25);
        let late = [(at(1), 1), (at(21), 2), (at(700), 3), (at(701), 4), (at(702), 5)];
        assert_eq!(gap(&late, &written, span), 220);
    }

    #[test]
    fn other_times_do_not_count() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let written = Written::at(vec![at(0), at(20), at(40), at(60)]);
        let seen = [(at(1), 1), (at(21), 2), (at(340), 3), (at(900), 4)];
        let span = Span { begun: at(10), healed: at(30), recovered: at(340) };
        assert_eq!(gap(&seen, &written, span), 560);
        let span = Span { recovered: at(339), ..span };
        assert_eq!(gap(&seen, &written, span), 319);
    }
}
