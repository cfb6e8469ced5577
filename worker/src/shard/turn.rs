//! Strategy `Time`: whose turn it is. Pure.
//!
//! Of the shards without a name one streams at a time. It ends before the first transaction of another's window and
//! commits a record that is *sealed*: the place, and the window that follows there. Nothing but the last records on the
//! position topic decides, and there is one way to have the turn:
//!
//! * The shard's own last record is not sealed: it has the turn, and had it before. Nobody can have gone on behind an
//!   open record.
//! * The own last record is sealed, or there is none, and another shard's is sealed for a window of this one that is
//!   later than all that this one has passed: the turn was handed over and not taken yet. Taking it commits, before
//!   anything else, an open record of this shard at that very place and window; from then on the first rule holds.
//! * No shard has a record: the first one begins.
//!
//! So no change is lost or told twice, and no key out of order, whoever dies when:
//!
//! * The turn moves only by a sealed record, which commits with the last rows before its place, in the log before
//!   everything that follows. Its owner writes nothing behind it, and an owner before that one was fenced by the
//!   initialisation of its producer before any of this shard's records were read.
//! * An owner that dies before its sealed record is committed leaves an open one: its successor goes on, and seals at the
//!   same transaction, since windows follow from the place. One that dies behind it, before anybody was told, leaves the
//!   record, and the shard's next owner tells of it.
//! * An owner that dies before its turn's first record is committed leaves the turn where it was; its successor takes it.
//! * Windows of sealed records only grow, and only one is not taken yet. A record that was read too early is older than
//!   the truth: it can make a shard wait that has the turn, never the other way round.

use maxwell_protocol::position::{PositionRecord, Seal};

use super::windows::Windows;

/// What a shard does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn<'a> {
    /// It goes on behind its own last record.
    Own,
    /// It goes on where another shard ended: at this record's place, with the window that follows there.
    Handed {
        /// Number of the shard that ended.
        from: u32,
        /// Its sealed record.
        record: &'a PositionRecord,
        /// The window.
        window: u64,
    },
    /// It begins where the layout does.
    First,
    /// Another shard's turn comes first.
    Wait,
}

/// Whose turn it is, by the shard's own last record, which nobody changes any more, and those of the others, with their
/// numbers.
pub fn turn<'a>(
    windows: Windows,
    own: Option<&PositionRecord>,
    others: &'a [(u32, PositionRecord)],
) -> Turn<'a> {
    let passed = match own {
        Some(own) if own.sealed.is_none() => return Turn::Own,
        Some(own) => own.window,
        None if others.is_empty() && windows.begins() => return Turn::First,
        None => None,
    };
    let handed = others.iter().filter_map(|(from, record)| {
        let window = next(record).filter(|&next| windows.are_mine(next) && Some(next) > passed)?;
        Some((window, *from, record))
    });
    match handed.max_by_key(|(window, ..)| *window) {
        Some((window, from, record)) => Turn::Handed { from, record, window },
        None => Turn::Wait,
    }
}

/// The window that follows a sealed record.
fn next(record: &PositionRecord) -> Option<u64> {
    match record.sealed {
        Some(Seal::Window { next }) => Some(next),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use maxwell_protocol::id::Epoch;
    use maxwell_protocol::layout::Layout;
    use maxwell_protocol::position::Position;
    use maxwell_protocol::settings::Strategy;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;
    use crate::shard::windows::Course;

    fn windows(shards: u32, number: u32) -> Windows {
        let time_window_seconds = Some(10);
        let layout = Layout { shards, strategy: Strategy::Time, time_window_seconds, ..Layout::default() };
        Windows::of(&layout, number).unwrap()
    }

    fn record(offset: u64, window: Option<u64>, next: Option<u64>) -> PositionRecord {
        PositionRecord {
            position: Position { offset, ..Position::default() },
            epoch: Epoch(1),
            sequence: 1,
            generation: 1,
            settings_version: 0,
            source_time: 0,
            catalog: None,
            bootstrap: Default::default(),
            window,
            rewind: None,
            sealed: next.map(|next| Seal::Window { next }),
        }
    }

    #[test]
    fn the_first_shard_begins_and_the_others_wait() {
        assert_eq!(turn(windows(3, 0), None, &[]), Turn::First);
        assert_eq!(turn(windows(3, 1), None, &[]), Turn::Wait);
        assert_eq!(turn(windows(3, 0), None, &[(1, record(4, Some(4), None))]), Turn::Wait);
    }

    #[test]
    fn an_open_record_is_gone_on_from() {
        let others = [(1, record(900, Some(4), Some(6)))];
        assert_eq!(turn(windows(3, 0), Some(&record(4, Some(3), None)), &others), Turn::Own);
    }

    #[test]
    fn a_turn_is_taken_once() {
        let others = [(1, record(70, Some(4), Some(6))), (2, record(50, Some(2), Some(4)))];
        let handed = Turn::Handed { from: 1, record: &others[0].1, window: 6 };
        assert_eq!(turn(windows(3, 0), None, &others), handed);
        assert_eq!(turn(windows(3, 0), Some(&record(30, Some(3), Some(4))), &others), handed);
        assert_eq!(turn(windows(3, 0), Some(&record(90, Some(6), Some(7))), &others), Turn::Wait);
        assert_eq!(turn(windows(3, 2), Some(&record(50, Some(2), Some(4))), &others), Turn::Wait);
    }

    /// Shards that die anywhere and read the others' records late, over transactions whose clock steps back.
    #[test]
    fn every_transaction_is_told_once_and_in_order() {
        for seed in 0..300 {
            let mut random = StdRng::seed_from_u64(seed);
            let shards = random.random_range(1..5_u32);
            let mut clock = 1_000_u32;
            let times: Vec<u32> = (0..200)
                .map(|_| {
                    clock = clock.saturating_add_signed(random.random_range(-15..25));
                    clock
                })
                .collect();
            // Every record that each shard has committed, and what consumers have seen.
            let mut logs: Vec<Vec<PositionRecord>> = vec![Vec::new(); shards as usize];
            let mut told = Vec::new();
            let mut rounds = 0;
            while told.len() < times.len() {
                rounds += 1;
                assert!(rounds < 100_000, "seed {seed}: nobody has the turn at {}", told.len());
                run(&mut random, shards, &times, &mut logs, &mut told);
            }
            assert_eq!(told, (0..times.len()).collect::<Vec<_>>(), "seed {seed}");
        }
    }

    /// One run of a shard, which may die behind each of its commits.
    fn run(
        random: &mut StdRng,
        shards: u32,
        times: &[u32],
        logs: &mut [Vec<PositionRecord>],
        told: &mut Vec<usize>,
    ) {
        let me = random.random_range(0..shards);
        let own = logs[me as usize].last().cloned();
        let others: Vec<(u32, PositionRecord)> = (0..shards)
            .filter(|&other| other != me)
            .filter_map(|other| {
                let log = &logs[other as usize];
                let late = random.random_range(0..3_usize);
                Some((other, log.get(log.len().checked_sub(1 + late)?)?.clone()))
            })
            .collect();
        let (mut at, latest) = match turn(windows(shards, me), own.as_ref(), &others) {
            Turn::Own => own.map(|own| (own.position.offset as usize, own.window)).unwrap(),
            Turn::Handed { record, window, .. } => (record.position.offset as usize, Some(window)),
            Turn::First => (0, None),
            Turn::Wait => return,
        };
        let log = &mut logs[me as usize];
        log.push(record(at as u64, latest, None));
        let mut course = Course::new(windows(shards, me), latest);
        let mut rows = Vec::new();
        while random.random_range(0..10) > 0 && at < times.len() {
            if let Some(next) = course.meet(times[at]) {
                told.append(&mut rows);
                log.push(record(at as u64, course.latest(), Some(next)));
                return;
            }
            rows.push(at);
            at += 1;
            if random.random_bool(0.3) {
                told.append(&mut rows);
                log.push(record(at as u64, course.latest(), None));
            }
        }
    }
}
