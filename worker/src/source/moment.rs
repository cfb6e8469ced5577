//! The position of a time: the file by its first event, in it the first transaction that was committed then or later.

use jiff::Timestamp;
use maxwell_protocol::position::Position;
use maxwell_protocol::settings::MySql;
use mysql_async::Conn;

use super::SourceError;
use super::preflight::{Head, ServerInfo, files, head};
use super::scan::SideDump;
use super::start::{FIRST_EVENT, OpenBy, gtids_at, position as at};

/// The position that `settings.start.time` means.
pub(super) async fn position(
    conn: &mut Conn,
    server: &ServerInfo,
    settings: &MySql,
) -> Result<Position, SourceError> {
    let text = settings.start.time.as_deref().unwrap_or("");
    let time: Timestamp = text.parse().map_err(|error| SourceError::Unfit {
        problem: format!("mysql.start.time: '{text}' is not a time: {error}"),
        mend: "write it as 2026-09-01T10:00:00Z".into(),
    })?;
    let side = SideDump { settings: settings.clone(), server: server.clone(), by: OpenBy::File };
    let files: Vec<String> = files(conn).await?.into_iter().map(|(file, _)| file).collect();
    let file = file_at(&side, &files, u64::try_from(time.as_second()).unwrap_or(0), text).await?;
    let before = gtids_at(conn, server, settings, &file, FIRST_EVENT).await?;
    let wanted = u64::try_from(time.as_microsecond()).unwrap_or(0);
    if let Some((place, gtids)) = side.committed_since(&file, before, wanted).await? {
        let gtids = if server.gtid { gtids } else { Default::default() };
        return Ok(at(server, &gtids, place.file, place.offset));
    }
    let Head { file, offset, gtids } = head(conn, server).await?;
    Ok(at(server, &gtids, file, offset))
}

/// The last file that was begun before `seconds`.
async fn file_at(side: &SideDump, files: &[String], seconds: u64, text: &str) -> Result<String, SourceError> {
    let (mut early, mut late) = (0, files.len());
    while early < late {
        let middle = early + (late - early) / 2;
        if side.begun(&files[middle]).await? < seconds {
            early = middle + 1;
        } else {
            late = middle;
        }
    }
    match early.checked_sub(1) {
        Some(last) => Ok(files[last].clone()),
        None => Err(SourceError::PositionLost {
            place: text.to_owned(),
            detail: "the oldest binlog file was begun later; mysql.start.from: Earliest begins there".into(),
        }),
    }
}
