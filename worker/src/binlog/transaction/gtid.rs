//! GTID events: what opens a transaction, and shows whether the one before was whole.

use maxwell_protocol::gtid::{Gtid, GtidSet};
use mysql_common::binlog::events::Event;

use super::{Assembler, BinlogError, Header, Step};

impl<T> Assembler<T> {
    pub(super) fn begin_at_gtid(
        &mut self,
        event: &Event,
        gtid: Option<Gtid>,
        committed_at: u64,
        standalone: bool,
        start: u64,
    ) -> Result<Step<T>, BinlogError> {
        if self.payload {
            return Err(BinlogError::IncompletePayload(self.place()));
        }
        self.drop_unfinished();
        self.check_first(gtid.as_ref(), start)?;
        let begun = matches!(gtid, Some(Gtid::MariaDb { .. })) && !standalone;
        let seconds = i64::from(event.header().timestamp()) * 1000;
        let committed_at = if committed_at > 0 { (committed_at / 1000) as i64 } else { seconds };
        self.begin(
            Header { gtid, server_id: event.header().server_id(), thread_id: None, committed_at },
            start,
        );
        self.open_mut().begun = begun;
        Ok(Step::None)
    }

    /// A GTID without rows behind it (a statement that was not logged) counts as passed.
    fn drop_unfinished(&mut self) {
        if self.open.is_some() {
            self.pass();
        }
    }

    /// The first transaction must not be one that was passed. MariaDB's place is checked before the dump is opened:
    /// its sets cannot tell.
    fn check_first(&self, gtid: Option<&Gtid>, start: u64) -> Result<(), BinlogError> {
        let (Some(passed), Some(gtid @ Gtid::MySql { .. }), 0) = (&self.gtids, gtid, self.transactions)
        else {
            return Ok(());
        };
        let mut only = GtidSet::default();
        only.add(gtid);
        if !passed.contains(&only) {
            return Ok(());
        }
        let place = format!("{}:{start}", self.read.file);
        Err(BinlogError::Misplaced { server: self.server.clone(), gtid: gtid.to_string(), place })
    }
}
