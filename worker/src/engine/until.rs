//! How far a run goes before nothing more may follow. Pure.

use maxwell_protocol::layout::Barrier;
use maxwell_protocol::position::Seal;

use super::error::EngineError;
use crate::binlog::place::Place;
use crate::shard::windows::Course;

/// Where a run ends by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// Nowhere.
    Never,
    /// At a place between two transactions of the server that is read.
    Place {
        /// The place.
        place: Place,
        /// What the last record says.
        seal: Seal,
    },
    /// Before the first transaction of another shard's window.
    Turn(Course),
}

/// How far a run has come on that way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// Not there yet.
    No,
    /// There: everything before it was passed, and nothing behind it.
    At(Seal),
    /// Behind it, without having been there: another shard may have ended elsewhere.
    Missed(String),
}

impl Until {
    /// What was agreed on, for who reads `server`: a place of another one cannot be reached, which the error names.
    pub fn of(agreed: Option<(Barrier, Seal)>, server: &str) -> Result<Self, EngineError> {
        match agreed {
            Some((Barrier { server: other, file, offset }, _)) if other != server => {
                Err(EngineError::PlaceMissed { place: format!("{file}:{offset} of server {other}") })
            }
            Some((Barrier { file, offset, .. }, seal)) => {
                Ok(Self::Place { place: Place { file, offset }, seal })
            }
            None => Ok(Self::Never),
        }
    }

    /// Asked before a transaction of this time, in seconds since the epoch, is begun: the seal, if it is to wait.
    pub fn meet(&mut self, seconds: u32) -> Option<Seal> {
        let Self::Turn(course) = self else { return None };
        course.meet(seconds).map(|next| Seal::Window { next })
    }

    /// The latest window met.
    pub fn window(&self) -> Option<u64> {
        match self {
            Self::Turn(course) => course.latest(),
            Self::Never | Self::Place { .. } => None,
        }
    }

    /// Asked after every event and before the first: `passed` is where the open transaction starts, else where the last
    /// event ended, if that is known.
    pub fn reached(&self, passed: Option<(&str, u64)>) -> Reached {
        let (Self::Place { place, seal }, Some((file, offset))) = (self, passed) else { return Reached::No };
        if file == place.file && offset == place.offset {
            return Reached::At(*seal);
        }
        let there = Place { file: file.to_owned(), offset };
        if there.has_reached(place) {
            return Reached::Missed(format!("{}:{}", place.file, place.offset));
        }
        Reached::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEAL: Seal = Seal::Layout { generation: 2 };

    fn until(file: &str, offset: u64) -> Until {
        Until::of(Some((Barrier { server: "a".into(), file: file.into(), offset }, SEAL)), "a").unwrap()
    }

    #[test]
    fn it_ends_at_the_place_and_nowhere_else() {
        let until = until("binlog.000009", 500);
        assert_eq!(until.reached(Some(("binlog.000009", 400))), Reached::No);
        assert_eq!(until.reached(Some(("binlog.000008", 900))), Reached::No);
        assert_eq!(until.reached(None), Reached::No);
        assert_eq!(until.reached(Some(("binlog.000009", 500))), Reached::At(SEAL));
        let missed = Reached::Missed("binlog.000009:500".into());
        assert_eq!(until.reached(Some(("binlog.000009", 501))), missed);
        assert_eq!(until.reached(Some(("binlog.000010", 4))), missed);
    }

    #[test]
    fn a_place_of_another_server_is_refused() {
        let place = Barrier { server: "a".into(), file: "binlog.000009".into(), offset: 500 };
        assert!(Until::of(Some((place, SEAL)), "b").is_err());
    }

    #[test]
    fn without_a_place_it_never_ends() {
        assert_eq!(Until::of(None, "a").unwrap().reached(Some(("binlog.000009", 500))), Reached::No);
    }
}
