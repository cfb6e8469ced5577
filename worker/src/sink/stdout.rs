//! One JSON object a line on standard output, the position in a local file. At least once: a crash between the two
//! repeats what was printed since the last save.

use std::io::Write;
use std::path::PathBuf;

use async_trait::async_trait;
use maxwell_protocol::position::PositionRecord;

use super::local_catalog::LocalCatalog;
use super::{Chunk, Sink, SinkError, TakenOver, Writer, state};
use crate::coordination::{Ownership, ShardContext};

/// Standard output with a position file.
#[derive(Debug, Clone)]
pub struct StdoutSink {
    /// Where the position is kept.
    pub state_file: PathBuf,
}

#[async_trait]
impl Sink for StdoutSink {
    async fn take_over(&self, _: &ShardContext, _: &dyn Ownership) -> Result<TakenOver, SinkError> {
        let last = state::load(&self.state_file)?;
        let (local, catalog) = LocalCatalog::load(&self.state_file, last.as_ref());
        let writer = StdoutWriter { state_file: self.state_file.clone(), catalog: local };
        Ok(TakenOver { writer: Box::new(writer), last, last_at: None, catalog })
    }

    async fn warm(&self, _: &ShardContext) -> Result<(), SinkError> {
        Ok(())
    }
}

struct StdoutWriter {
    state_file: PathBuf,
    catalog: LocalCatalog,
}

impl Writer for StdoutWriter {
    fn write(&mut self, chunk: &Chunk, _: u64) -> Result<(), SinkError> {
        self.catalog.update(&chunk.catalog);
        let mut out = std::io::stdout().lock();
        out.write_all(&chunk.lines())
            .and_then(|()| out.flush())
            .map_err(|source| SinkError::Io { doing: "write to standard output", source })
    }

    fn commit(&mut self, record: &PositionRecord) -> Result<(), SinkError> {
        self.catalog.save()?;
        state::save(&self.state_file, record)
    }
}
