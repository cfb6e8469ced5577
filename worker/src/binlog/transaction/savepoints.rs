//! Savepoints. A server mostly leaves out what ROLLBACK TO undid; where it cannot, the statement stands behind the rows.

use super::{Assembler, BinlogError, Step};
use crate::binlog::statement::{Savepoint, savepoint};

impl<T> Assembler<T> {
    pub(super) fn on_savepoint(&mut self, text: &str) -> Result<Step<T>, BinlogError> {
        let place = self.place();
        let (Some(open), Some(command)) = (&mut self.open, savepoint(text)) else { return Ok(Step::None) };
        match command {
            Savepoint::Set(name) => {
                open.savepoints.retain(|(known, _)| *known != name);
                open.savepoints.push((name, open.next_index));
            }
            Savepoint::Release(name) => open.savepoints.retain(|(known, _)| *known != name),
            Savepoint::RollbackTo(name) => {
                let known = open.savepoints.iter().position(|(known, _)| *known == name);
                // One that is not in the binlog was set before anything that is.
                let back_to = known.map_or(0, |at| open.savepoints[at].1);
                if open.emitted_to > back_to {
                    return Err(BinlogError::UndoneTooLate { savepoint: name, place });
                }
                open.savepoints.truncate(known.map_or(0, |at| at + 1));
                open.held.retain(|rows| rows.index < back_to);
                open.held_bytes = open.held.iter().map(|rows| rows.event.data().len()).sum();
            }
        }
        Ok(Step::None)
    }
}
