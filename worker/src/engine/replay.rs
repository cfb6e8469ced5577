//! The pump's side of what does not come with the dump: rows of prepared XA transactions, and statements without rows.

use maxwell_protocol::position::Prepared;

use super::error::EngineError;
use super::pump::{Closed, Pump, PumpEnd};
use crate::binlog::event::Kind;
use crate::binlog::statement::changed_table;
use crate::binlog::transaction::Step;
use crate::source::SourceError;

/// What of a statement is logged: more would flood the log.
const SHOWN: usize = 200;

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
                    _ => self.act(Step::TableMap(event))?,
                }
            }
        }
        self.runtime.block_on(rows.close());
        let step = self.assembler.replayed()?;
        self.act(step)
    }

    /// Names a statement whose rows nobody can see, unless they would not pass anyway.
    pub(super) fn row_less(&self, database: &str, text: &str) {
        let table = changed_table(text, database);
        if table.as_ref().is_some_and(|(database, table)| !self.tables.passes(database, table)) {
            return;
        }
        let shown: String = text.chars().take(SHOWN).collect();
        let position = self.assembler.position();
        tracing::warn!(
            database,
            statement = shown,
            file = position.file,
            offset = position.offset,
            "rows that this statement changed are not in the binlog and cannot be streamed: use binlog_format=ROW in \
             every session, and start before XA transactions are prepared"
        );
        self.observer.row_less();
    }
}
