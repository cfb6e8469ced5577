//! The pump's side of what does not come with the dump: rows of prepared XA transactions, and statements without rows.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use maxwell_protocol::position::{Position, Prepared};

use super::error::EngineError;
use super::pump::{Closed, Pump, PumpEnd};
use crate::binlog::event::Kind;
use crate::binlog::statement::{Statement, changed_table, statement};
use crate::binlog::transaction::Step;
use crate::source::SourceError;

/// What of a statement is logged: more would flood the log.
const SHOWN: usize = 200;
/// A table is named again after this long.
const NAMED_AGAIN: Duration = Duration::from_secs(60);
/// More tables are not remembered.
const MOST_NAMED: usize = 1024;

impl Pump {
    /// Drives a question to the source; it ends with the pump.
    pub(super) fn answer<A>(
        &self,
        asked: impl Future<Output = Result<A, SourceError>>,
    ) -> Result<A, PumpEnd> {
        let answer = self.runtime.block_on(async {
            tokio::select! {
                answer = asked => Some(answer),
                () = self.closing.cancelled() => None,
            }
        });
        Ok(answer.ok_or(Closed)?.map_err(EngineError::from)?)
    }

    /// Passes the rows of a prepared transaction on as rows of the one that commits it.
    pub(super) fn replay(&mut self, prepared: &Prepared) -> Result<(), PumpEnd> {
        let passed = self.assembler.position().gtid_set;
        let mut rows = self.answer(self.side.prepared(prepared, &passed))?;
        while let Some(events) = self.answer(rows.next())? {
            for (event, kind) in events {
                match kind {
                    Kind::Rows(operation) => self.rows(event, operation)?,
                    Kind::RowsQuery => self.assembler.on_rows_query(&event, 0),
                    _ => self.act(Step::TableMap(event))?,
                }
            }
        }
        self.runtime.block_on(rows.close());
        let step = self.assembler.replayed()?;
        self.act(step)
    }

    /// Names a statement whose rows nobody can see, unless they would not pass anyway.
    pub(super) fn row_less(&mut self, database: &str, text: &str) {
        let table = changed_table(text, database);
        if table.as_ref().is_some_and(|(database, table)| !self.tables.passes(database, table)) {
            return;
        }
        self.observer.row_less();
        if !self.named.is_due(table) {
            return;
        }
        let is_xa = statement(text) == Statement::Xa;
        let statement: String = text.chars().take(SHOWN).collect();
        let Position { file, offset, .. } = self.assembler.position();
        if is_xa {
            tracing::warn!(
                statement,
                file,
                offset,
                "the rows of this XA transaction were prepared before streaming began and are not streamed"
            );
        } else {
            tracing::warn!(
                database,
                statement,
                file,
                offset,
                "rows that this statement changed are not in the binlog and cannot be streamed; use \
                 binlog_format=ROW in every session"
            );
        }
    }
}

/// Which tables were named, and when: a session that changes rows so at all does it all the time.
#[derive(Debug, Default)]
pub(super) struct Named {
    tables: HashMap<Option<(String, String)>, Instant>,
}

impl Named {
    fn is_due(&mut self, table: Option<(String, String)>) -> bool {
        if self.tables.len() >= MOST_NAMED {
            self.tables.clear();
        }
        let now = Instant::now();
        let last = self.tables.get(&table);
        let due = last.is_none_or(|last| now.duration_since(*last) >= NAMED_AGAIN);
        if due {
            self.tables.insert(table, now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_once_in_a_while() {
        let mut named = Named::default();
        let table = |name: &str| Some(("d".to_owned(), name.to_owned()));
        assert!(named.is_due(table("a")));
        assert!(!named.is_due(table("a")));
        assert!(named.is_due(table("b")));
        assert!(named.is_due(None));
        assert!(!named.is_due(None));
    }
}
