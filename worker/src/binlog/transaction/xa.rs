//! XA transactions: rows stand where the transaction was prepared, and are shown in the transaction that commits it.

use maxwell_protocol::gtid::Gtid;
use maxwell_protocol::position::Prepared;
use mysql_common::binlog::events::Event;

use super::{Assembler, BinlogError, End, Step};
use crate::binlog::xa::{Command, command};

impl<T> Assembler<T> {
    pub(super) fn on_xa(
        &mut self,
        event: &Event,
        thread: u32,
        text: String,
        start: u64,
    ) -> Result<Step<T>, BinlogError> {
        match command(&text) {
            Command::Start => Ok(self.on_begin(event, thread, start)),
            Command::Commit(name) => {
                self.on_begin(event, thread, start);
                let Some(prepared) = self.prepared.iter().find(|prepared| prepared.name == name) else {
                    let step = self.finish(End::Rollback)?;
                    debug_assert!(matches!(step, Step::None), "nothing is shown of what is undone");
                    // Its rows are before the place where streaming began.
                    return Ok(Step::RowLess { database: String::new(), text });
                };
                let prepared = prepared.clone();
                self.open_mut().end = Some(End::Commit { xid: None });
                self.committing = Some(name);
                Ok(Step::Replay(prepared))
            }
            Command::Rollback(name) => {
                let step = self.finish(End::Rollback)?;
                self.prepared.retain(|prepared| prepared.name != name);
                Ok(step)
            }
            Command::Other => Ok(Step::None),
        }
    }

    /// All rows of [`Step::Replay`] were pushed: the transaction that commits them ends.
    pub fn replayed(&mut self) -> Result<Step<T>, BinlogError> {
        // Until then the place of resumption is before the commit, and needs the name.
        let step = self.finish(End::Commit { xid: None })?;
        let name = self.committing.take();
        self.prepared.retain(|prepared| Some(&prepared.name) != name.as_ref());
        Ok(step)
    }

    pub(super) fn on_xa_prepare(&mut self, one_phase: bool, name: String) -> Result<Step<T>, BinlogError> {
        if one_phase {
            return self.finish(End::Commit { xid: None });
        }
        let prepared = self.prepared_here(name);
        let step = self.finish(End::Prepared)?;
        if let Some(prepared) = prepared {
            self.prepared.retain(|known| known.name != prepared.name);
            self.prepared.push(prepared);
        }
        Ok(step)
    }

    fn prepared_here(&self, name: String) -> Option<Prepared> {
        let gtid = self.open.as_ref()?.header.gtid.as_ref();
        let mariadb = matches!(gtid, Some(Gtid::MariaDb { .. }));
        Some(Prepared {
            name,
            server: self.server.clone(),
            file: self.read.file.clone(),
            offset: self.start_offset,
            gtid: gtid.map(ToString::to_string).unwrap_or_default(),
            gtid_set: self.gtids.as_ref().filter(|_| mariadb).map(ToString::to_string).unwrap_or_default(),
        })
    }
}
