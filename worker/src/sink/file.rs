//! One JSON object a line at the end of a file, the position in another one. At least once: a crash between the two
//! repeats what was written since the last save. The file may be moved away or truncated at any time, as logrotate
//! does: what comes later goes to a new one of the same name.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use async_trait::async_trait;
use maxwell_protocol::position::PositionRecord;

use super::{Chunk, Sink, SinkError, TakenOver, Writer, state};
use crate::coordination::{Ownership, ShardContext};

/// A file with a position file.
#[derive(Debug, Clone)]
pub struct FileSink {
    /// Where rows go.
    pub output: PathBuf,
    /// Where the position is kept.
    pub state_file: PathBuf,
}

#[async_trait]
impl Sink for FileSink {
    async fn take_over(&self, _: &ShardContext, _: &dyn Ownership) -> Result<TakenOver, SinkError> {
        let last = state::load(&self.state_file)?;
        let writer = FileWriter { sink: self.clone(), file: self.open()?, unsynced: false };
        Ok(TakenOver { writer: Box::new(writer), last, last_at: None })
    }

    async fn warm(&self, _: &ShardContext) -> Result<(), SinkError> {
        Ok(())
    }
}

impl FileSink {
    fn open(&self) -> Result<File, SinkError> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.output)
            .map_err(|source| SinkError::Io { doing: "open output_file", source })
    }
}

struct FileWriter {
    sink: FileSink,
    file: File,
    /// Whether something was written since the last time that everything was on the disk.
    unsynced: bool,
}

impl FileWriter {
    /// Whether the name still leads to the open file.
    fn in_place(&self) -> bool {
        let (Ok(open), Ok(named)) = (self.file.metadata(), std::fs::metadata(&self.sink.output)) else {
            return false;
        };
        (open.dev(), open.ino()) == (named.dev(), named.ino())
    }

    fn sync(&mut self) -> Result<(), SinkError> {
        if self.unsynced {
            self.file
                .sync_data()
                .map_err(|source| SinkError::Io { doing: "bring output_file to the disk", source })?;
            self.unsynced = false;
        }
        Ok(())
    }
}

impl Writer for FileWriter {
    fn write(&mut self, chunk: &Chunk, _: u64) -> Result<(), SinkError> {
        if chunk.records.is_empty() {
            return Ok(());
        }
        if !self.in_place() {
            self.sync()?;
            self.file = self.sink.open()?;
        }
        self.unsynced = true;
        self.file
            .write_all(&chunk.lines())
            .map_err(|source| SinkError::Io { doing: "write to output_file", source })
    }

    fn commit(&mut self, record: &PositionRecord) -> Result<(), SinkError> {
        self.sync()?;
        state::save(&self.sink.state_file, record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Record;

    fn chunk(value: &str) -> Chunk {
        let end = value.len() as u32;
        let record = Record {
            topic: 0,
            partition_hash: 0,
            start: 0,
            key_end: 0,
            value_end: end,
            gtid_end: end,
            id_end: end,
        };
        Chunk {
            bytes: value.as_bytes().to_vec(),
            records: vec![record],
            transactions: 1,
            drained: true,
            ..Chunk::default()
        }
    }

    #[test]
    fn goes_on_in_a_new_file_when_the_old_one_is_moved_away() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let sink = FileSink { output: at("out"), state_file: at("position") };
        let mut writer = FileWriter { file: sink.open().unwrap(), sink, unsynced: false };
        writer.write(&chunk("1"), 1).unwrap();
        std::fs::rename(at("out"), at("out.1")).unwrap();
        writer.write(&chunk("2"), 1).unwrap();
        writer.write(&chunk("3"), 1).unwrap();
        assert_eq!(std::fs::read_to_string(at("out.1")).unwrap(), "1\n");
        assert_eq!(std::fs::read_to_string(at("out")).unwrap(), "2\n3\n");
        assert_eq!(state::load(&at("position")).unwrap(), None);
    }
}
