//! Cuts the rows of a copy into pieces.

use mysql_common::value::Value;

use crate::bootstrap::BootstrapError;
use crate::bootstrap::piece::{Piece, Printer};
use crate::clock::seconds;

/// A piece is cut at this many bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// See the module.
pub(super) struct Cutter<'a> {
    printer: Printer<'a>,
    piece: Piece,
    /// Records of a piece at the most.
    most: usize,
    time: f64,
    last: Vec<Value>,
    pieces: Vec<Piece>,
    /// Rows since the start.
    pub(super) rows: u64,
    /// Bytes of what was not taken yet.
    pub(super) bytes: usize,
}

impl<'a> Cutter<'a> {
    /// Cuts what `printer` prints.
    pub(super) fn new(printer: Printer<'a>, most: usize) -> Self {
        let (piece, time) = (printer.piece(), seconds());
        Self { printer, piece, most, time, last: Vec::new(), pieces: Vec::new(), rows: 0, bytes: 0 }
    }

    /// Takes a row in.
    pub(super) fn row(&mut self, values: Vec<Value>) -> Result<(), BootstrapError> {
        let before = self.piece.bytes.len();
        self.printer.print(&mut self.piece, &values, self.time)?;
        self.bytes += self.piece.bytes.len() - before;
        self.rows += 1;
        self.last = values;
        if self.piece.records.len() >= self.most || self.piece.bytes.len() >= PIECE_BYTES {
            self.cut()?;
        }
        Ok(())
    }

    fn cut(&mut self) -> Result<(), BootstrapError> {
        if self.piece.rows > 0 {
            self.piece.cursor = self.printer.cursor(&self.last)?;
            self.pieces.push(std::mem::replace(&mut self.piece, self.printer.piece()));
            self.time = seconds();
        }
        Ok(())
    }

    /// The pieces so far.
    pub(super) fn take(&mut self) -> Result<Vec<Piece>, BootstrapError> {
        self.cut()?;
        self.bytes = 0;
        Ok(std::mem::take(&mut self.pieces))
    }
}
