//! The position of a sink that cannot keep one itself: a local file.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use maxwell_protocol::position::PositionRecord;

use super::SinkError;

/// The last position saved; `None` if there is no file.
pub(super) fn load(path: &Path) -> Result<Option<PositionRecord>, SinkError> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| SinkError::Unfit {
            problem: format!("{} is not a position: {error}", path.display()),
            mend: "remove the file to start afresh".into(),
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SinkError::Io { doing: "read the position file", source }),
    }
}

/// Written aside and brought to the disk, then renamed: a crash leaves the old position or the new one.
pub(super) fn save(path: &Path, record: &PositionRecord) -> Result<(), SinkError> {
    let io = |source| SinkError::Io { doing: "save the position file", source };
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let aside = PathBuf::from(aside);
    let mut file = File::create(&aside).map_err(io)?;
    file.write_all(&serde_json::to_vec(record).map_err(|error| io(error.into()))?).map_err(io)?;
    file.sync_data().map_err(io)?;
    std::fs::rename(&aside, path).map_err(io)
}
