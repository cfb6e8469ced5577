//! Where copies meet the pump, between two transactions of the stream.

use super::super::pump::{Closed, Pump};
use super::{Then, Verdict};
use crate::bootstrap::piece::PieceRecord;
use crate::sink::Record;

impl Pump {
    /// Lets copied rows go whose place the stream has reached. Asked after every event.
    pub(in crate::engine) fn copies(&mut self) -> Result<(), Closed> {
        if !self.desk.is_asked() || !self.assembler.is_between() {
            return Ok(());
        }
        let position = self.assembler.position();
        self.desk.serve(&position);
        while let Some(delivery) = self.desk.next(&position) {
            self.flush(false)?;
            for piece in delivery.pieces {
                self.desk.leaves(&delivery.task, &piece, delivery.then);
                self.send_copied(piece)?;
            }
            if delivery.then == Then::Finished {
                self.desk.over(&delivery.task);
                self.flush(false)?;
            }
            // The copier may be gone: then nobody has to be told.
            let _told = delivery.verdict.send(Verdict::Taken);
        }
        Ok(())
    }
}

impl From<&PieceRecord> for Record {
    fn from(record: &PieceRecord) -> Self {
        Self {
            topic: 0,
            partition_hash: record.partition_hash,
            start: record.start,
            key_end: record.key_end,
            value_end: record.value_end,
            gtid_end: record.value_end,
            id_end: record.id_end,
        }
    }
}
