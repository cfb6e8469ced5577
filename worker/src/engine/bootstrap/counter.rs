//! Where copies meet the pump, between two transactions of the stream.

use super::super::pump::{Closed, Pump};
use super::{Delivery, Then, Verdict};
use crate::binlog::place::Place;
use crate::binlog::transaction::HeldRows;
use crate::bootstrap::piece::PieceRecord;
use crate::encode::message::TableEncoder;
use crate::sink::Record;

impl Pump {
    /// Lets copied rows go whose place the stream has reached. Asked after every event.
    pub(in crate::engine) fn copies(&mut self) -> Result<(), Closed> {
        if !self.desk.is_asked() || !self.assembler.is_between() {
            return Ok(());
        }
        let position = self.assembler.position();
        if self.desk.serve(&position) {
            self.flush(false)?;
        }
        while let Some(delivery) = self.desk.next(&position) {
            self.flush(false)?;
            self.deliver(delivery, true)?;
        }
        Ok(())
    }

    /// Holds rows back while a table of theirs is copied as it was before them. Nothing of their transaction has left
    /// that concerns the table; what copies it leaves at the place that was sent last.
    pub(in crate::engine) fn hold_back(&mut self, rows: &[HeldRows<TableEncoder>]) -> Result<(), Closed> {
        while rows.iter().any(|held| self.desk.holds(&held.table.table)) {
            let (file, offset) = self.assembler.read_up_to();
            let read = Place { file: file.to_owned(), offset };
            if let Some(delivery) = self.desk.wait(&read) {
                self.deliver(delivery, false)?;
            }
        }
        Ok(())
    }

    /// Lets copied rows go; `between` two transactions of the stream, or inside one.
    fn deliver(&mut self, delivery: Delivery, between: bool) -> Result<(), Closed> {
        for piece in delivery.pieces {
            self.desk.leaves(&delivery.task, &piece, delivery.then);
            self.send_copied(piece)?;
        }
        if delivery.then == Then::Finished {
            self.desk.over(&delivery.task);
            if between {
                self.flush(false)?;
            }
        }
        if let Some(copier) = delivery.verdict {
            // It may be gone: then nobody has to be told.
            let _told = copier.send(Verdict::Taken);
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
