//! The rows of a prepared XA transaction, read again when it commits.

use maxwell_protocol::gtid::GtidSet;
use maxwell_protocol::position::{Position, Prepared};
use mysql_common::binlog::events::Event;

use super::SourceError;
use super::dump::Dump;
use super::scan::SideDump;
use super::start::{OpenBy, stored_set};
use crate::binlog::BinlogError;
use crate::binlog::event::{Kind, Statement, classify, statement};

/// Reads the table maps and rows of one prepared transaction.
pub struct PreparedRows {
    dump: Dump,
    prepared: Prepared,
    begun: bool,
    done: bool,
}

impl SideDump {
    /// Opens the binlog where `prepared` was prepared; `passed` is the set of the place that its commit is at.
    pub async fn prepared(&self, prepared: &Prepared, passed: &str) -> Result<PreparedRows, SourceError> {
        let here = prepared.server == self.server.id && prepared.offset < 1 << 32;
        let mut position = Position {
            server: prepared.server.clone(),
            file: prepared.file.clone(),
            offset: prepared.offset,
            ..Position::default()
        };
        if !here {
            position.gtid_set = before(prepared, passed)?;
        }
        let by = if here { OpenBy::File } else { OpenBy::Gtid };
        let dump = self.open_by(&position, by).await?;
        Ok(PreparedRows { dump, prepared: prepared.clone(), begun: false, done: false })
    }
}

/// The set that makes a server send the transaction first.
fn before(prepared: &Prepared, passed: &str) -> Result<String, SourceError> {
    if prepared.gtid.is_empty() {
        return Err(SourceError::PositionLost {
            place: format!("{}:{}", prepared.file, prepared.offset),
            detail: format!(
                "the XA transaction {} was prepared on server {} without a GTID",
                prepared.name, prepared.server
            ),
        });
    }
    if !prepared.gtid_set.is_empty() {
        return Ok(prepared.gtid_set.clone());
    }
    let mut set: GtidSet = stored_set(passed)?;
    set.remove(&stored_set(&prepared.gtid)?);
    Ok(set.to_string())
}

impl PreparedRows {
    /// The next events, table maps, rows and their statements only; `None` behind the last one.
    pub async fn next(&mut self) -> Result<Option<Vec<(Event, Kind)>>, SourceError> {
        while !self.done {
            let batch = self.dump.next().await?.ok_or(SourceError::Ended)?;
            let mut found = Vec::new();
            for event in batch.events {
                let kind = classify(&event)?;
                if self.take(&kind)? {
                    found.push((event, kind));
                }
                if self.done {
                    break;
                }
            }
            if !found.is_empty() {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Closes the connection.
    pub async fn close(self) {
        self.dump.close().await;
    }

    /// Whether the event is one of the transaction's that [`Self::next`] gives.
    fn take(&mut self, kind: &Kind) -> Result<bool, SourceError> {
        match kind {
            Kind::TableMap | Kind::Rows(_) | Kind::RowsQuery if self.begun => return Ok(true),
            Kind::TableMap | Kind::Rows(_) => return Err(self.missing("rows of no transaction")),
            Kind::Gtid { .. } if self.begun => return Err(self.missing("it has no end")),
            Kind::Gtid { gtid, .. } => {
                let gtid = gtid.as_ref().map(ToString::to_string).unwrap_or_default();
                if gtid != self.prepared.gtid && !self.prepared.gtid.is_empty() {
                    return Err(self.missing(&format!("{gtid} is there")));
                }
                self.begun = true;
            }
            Kind::XaPrepare { name, .. } if *name == self.prepared.name => self.done = true,
            Kind::XaPrepare { name, .. } => return Err(self.missing(&format!("{name} is there"))),
            Kind::Xid(_) => return Err(self.missing("another transaction is there")),
            Kind::Query { statement: text, .. } => match statement(text) {
                Statement::Commit | Statement::Rollback => {
                    return Err(self.missing("another transaction is there"));
                }
                Statement::Xa => self.begun = true,
                _ => {}
            },
            _ => {}
        }
        Ok(false)
    }

    fn missing(&self, found: &str) -> SourceError {
        let Prepared { name, file, offset, .. } = &self.prepared;
        BinlogError::PreparedMissing {
            name: name.clone(),
            place: format!("{file}:{offset}"),
            found: found.to_owned(),
        }
        .into()
    }
}
