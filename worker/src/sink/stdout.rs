//! One JSON object a line on standard output, the position in a local file. At least once: a crash between the two
//! repeats what was printed since the last save.

use std::io::Write;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use maxwell_protocol::position::PositionRecord;

use super::local_catalog::LocalCatalog;
use super::{Chunk, Sink, SinkError, TakenOver, Writer};
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
        let last = load(&self.state_file)?;
        let catalog = LocalCatalog::load(&self.state_file);
        let capture = last.as_ref().and_then(|last| last.catalog);
        let entries = capture.map(|capture| catalog.entries(capture)).unwrap_or_default();
        Ok(TakenOver {
            writer: Box::new(StdoutWriter { state_file: self.state_file.clone(), catalog }),
            last,
            last_at: None,
            catalog: entries,
        })
    }

    async fn warm(&self, _: &ShardContext) -> Result<(), SinkError> {
        Ok(())
    }
}

fn load(path: &Path) -> Result<Option<PositionRecord>, SinkError> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| SinkError::Unfit {
            problem: format!("{} is not a position: {error}", path.display()),
            mend: "remove the file to start afresh".into(),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SinkError::Io { doing: "read the position file", source }),
    }
}

struct StdoutWriter {
    state_file: PathBuf,
    catalog: LocalCatalog,
}

impl Writer for StdoutWriter {
    fn write(&mut self, chunk: &Chunk, _: u64) -> Result<(), SinkError> {
        self.catalog.update(&chunk.catalog);
        let mut lines = Vec::with_capacity(chunk.bytes.len());
        for record in &chunk.records {
            lines.extend_from_slice(chunk.value(record));
            lines.push(b'\n');
        }
        let mut out = std::io::stdout().lock();
        out.write_all(&lines)
            .and_then(|()| out.flush())
            .map_err(|source| SinkError::Io { doing: "write to standard output", source })
    }

    /// Written aside, then renamed: a crash leaves the old position or the new one.
    fn commit(&mut self, record: &PositionRecord) -> Result<(), SinkError> {
        self.catalog.save()?;
        let io = |source| SinkError::Io { doing: "save the position file", source };
        let aside = self.state_file.with_extension("new");
        std::fs::write(&aside, serde_json::to_vec(record).map_err(|error| io(error.into()))?).map_err(io)?;
        std::fs::rename(&aside, &self.state_file).map_err(io)
    }
}
