//! Which of several servers is read: the next one after one that cannot be.

use std::sync::atomic::{AtomicUsize, Ordering};

use maxwell_protocol::settings::{MySql, OnPositionLost};

use super::error::EngineError;
use crate::source::SourceError;

/// The servers, and the one that is read.
#[derive(Debug)]
pub(super) struct Sources {
    candidates: Vec<MySql>,
    current: AtomicUsize,
    policy: OnPositionLost,
}

/// What follows from a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Another server is tried next: this failure decides nothing.
    Next,
    /// Every server was tried, or it is not the server's fault.
    Exhausted,
    /// The same, and the settings say to go on at the head.
    StartOver,
}

impl Sources {
    pub(super) fn new(settings: &MySql) -> Self {
        Self {
            candidates: settings.candidates(),
            current: AtomicUsize::new(0),
            policy: settings.on_position_lost,
        }
    }

    /// Whether tables are copied again after a lost position.
    pub(super) fn copy_again(&self) -> bool {
        self.policy == OnPositionLost::Bootstrap
    }

    /// The one that is read.
    pub(super) fn current(&self) -> &MySql {
        &self.candidates[self.current.load(Ordering::Relaxed) % self.candidates.len()]
    }

    /// Whether there are several.
    pub(super) fn several(&self) -> bool {
        self.candidates.len() > 1
    }

    /// Turns to the next server if the failure is this one's. `attempt` counts the failures since the last progress.
    pub(super) fn turn(&self, error: &EngineError, attempt: u32) -> Turn {
        let EngineError::Source(error) = error else { return Turn::Exhausted };
        if self.several() && is_of_server(error) {
            let next = (self.current.load(Ordering::Relaxed) + 1) % self.candidates.len();
            self.current.store(next, Ordering::Relaxed);
            tracing::info!(host = self.current().host, port = self.current().port, "reading another server");
        }
        let tried = attempt as usize >= self.candidates.len();
        match (tried, self.policy) {
            (false, _) if is_of_server(error) => Turn::Next,
            (true, OnPositionLost::Latest | OnPositionLost::Bootstrap) if error.is_position_lost() => {
                Turn::StartOver
            }
            _ => Turn::Exhausted,
        }
    }
}

/// Whether another server may do better.
fn is_of_server(error: &SourceError) -> bool {
    match error {
        SourceError::Connect { .. }
        | SourceError::Denied { .. }
        | SourceError::Unfit { .. }
        | SourceError::Behind { .. }
        | SourceError::Silent(_) => true,
        error => error.is_position_lost(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(others: &[&str], policy: OnPositionLost) -> Sources {
        let others: Vec<_> = others.iter().map(|host| serde_json::json!({"host": host})).collect();
        let mut settings: MySql =
            serde_json::from_value(serde_json::json!({"host": "a", "failoverHosts": others})).unwrap();
        settings.on_position_lost = policy;
        Sources::new(&settings)
    }

    fn lost() -> EngineError {
        SourceError::PositionLost { place: String::new(), detail: String::new() }.into()
    }

    #[test]
    fn servers_are_read_in_turn() {
        let sources = sources(&["b"], OnPositionLost::Halt);
        assert_eq!(sources.turn(&SourceError::Silent(1).into(), 1), Turn::Next);
        assert_eq!(sources.current().host, "b");
        assert_eq!(sources.turn(&lost(), 2), Turn::Exhausted);
        assert_eq!(sources.current().host, "a");
        assert_eq!(sources.turn(&SourceError::Ended.into(), 1), Turn::Exhausted);
        assert_eq!(sources.current().host, "a");
    }

    #[test]
    fn going_on_at_the_head_is_for_when_every_server_has_lost_the_position() {
        assert_eq!(sources(&[], OnPositionLost::Halt).turn(&lost(), 1), Turn::Exhausted);
        let sources = sources(&["b"], OnPositionLost::Latest);
        assert_eq!(sources.turn(&lost(), 1), Turn::Next);
        assert_eq!(sources.turn(&lost(), 2), Turn::StartOver);
        assert_eq!(sources.turn(&SourceError::Silent(1).into(), 3), Turn::Exhausted);
    }
}
