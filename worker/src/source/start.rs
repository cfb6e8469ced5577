//! Where reading begins: the wish of the settings as a position, and the checks of a stored one.

use maxwell_protocol::gtid::{GtidSet, Intervals, ParseGtidError};
use maxwell_protocol::position::Position;
use maxwell_protocol::settings::{MySql, StartFrom};
use mysql_async::Conn;

use super::SourceError;
use super::preflight::{Head, ServerInfo, files, head, mariadb_gtids, previous_gtids, purged};
use super::scan::SideDump;
use super::standing::{Standing, judge, replicates};
use super::{moment, original};
use crate::binlog::place::Place;

/// Offset of a binlog file's first event.
pub(super) const FIRST_EVENT: u64 = 4;

/// The position to begin at while none is stored.
pub async fn first_position(
    conn: &mut Conn,
    server: &ServerInfo,
    settings: &MySql,
) -> Result<Position, SourceError> {
    let wish = &settings.start;
    match wish.from {
        StartFrom::Latest => {
            let Head { file, offset, gtids } = head(conn, server).await?;
            Ok(position(server, &gtids, file, offset))
        }
        StartFrom::Earliest => {
            let file = oldest(conn).await?;
            let gtids = gtids_before(conn, server, &file).await?;
            Ok(position(server, &gtids, file, FIRST_EVENT))
        }
        StartFrom::Position => {
            let file = wish.file.clone().unwrap_or_default();
            let offset = wish.offset.unwrap_or(FIRST_EVENT).max(FIRST_EVENT);
            let gtids = gtids_at(conn, server, settings, &file, offset).await?;
            Ok(position(server, &gtids, file, offset))
        }
        StartFrom::Gtid => {
            let text = wish.set.clone().unwrap_or_default();
            let gtids = text.parse().map_err(|error| SourceError::Unfit {
                problem: format!("mysql.start.set: {error}"),
                mend: "write it as the server does".into(),
            })?;
            Ok(position(server, &gtids, String::new(), FIRST_EVENT))
        }
        StartFrom::Timestamp => moment::position(conn, server, settings).await,
        StartFrom::Maxwell => {
            original::position(conn, server, settings).await?.ok_or_else(|| SourceError::Unfit {
                problem: format!("there is no position of Maxwell's daemon: {}", original::place(wish)),
                mend: "check mysql.start.database and clientId, or choose another mysql.start.from".into(),
            })
        }
        StartFrom::MaxwellOrLatest => match original::position(conn, server, settings).await? {
            Some(position) => Ok(position),
            None => {
                tracing::info!(
                    looked_for = original::place(wish),
                    "no position of the original: from the head"
                );
                let Head { file, offset, gtids } = head(conn, server).await?;
                Ok(position(server, &gtids, file, offset))
            }
        },
    }
}

pub(super) fn position(server: &ServerInfo, gtids: &GtidSet, file: String, offset: u64) -> Position {
    Position { server: server.id.clone(), gtid_set: gtids.to_string(), file, offset, ..Position::default() }
}

async fn oldest(conn: &mut Conn) -> Result<String, SourceError> {
    files(conn).await?.into_iter().next().map(|(file, _)| file).ok_or_else(|| SourceError::Unfit {
        problem: "the server lists no binlog file".into(),
        mend: "start it with --log-bin".into(),
    })
}

/// Everything that was executed before a place in the binlog. A set that lacked some of it would ask another server for
/// all that once more.
pub(super) async fn gtids_at(
    conn: &mut Conn,
    server: &ServerInfo,
    settings: &MySql,
    file: &str,
    offset: u64,
) -> Result<GtidSet, SourceError> {
    let unreadable =
        |error: ParseGtidError| SourceError::Unfit { problem: format!("{error}"), mend: "report it".into() };
    if !server.gtid {
        return Ok(GtidSet::default());
    }
    if server.mariadb {
        return mariadb_gtids(conn, file, offset).await?.parse().map_err(unreadable);
    }
    let before: GtidSet = previous_gtids(conn, file).await?.parse().map_err(unreadable)?;
    if offset == FIRST_EVENT {
        return Ok(before);
    }
    let side = SideDump { settings: settings.clone(), server: server.clone(), by: OpenBy::File };
    side.gtids_up_to(before, &Place { file: file.to_owned(), offset }).await
}

pub(super) async fn gtids_before(
    conn: &mut Conn,
    server: &ServerInfo,
    file: &str,
) -> Result<GtidSet, SourceError> {
    if !server.gtid {
        return Ok(GtidSet::default());
    }
    if server.mariadb {
        let text = mariadb_gtids(conn, file, FIRST_EVENT).await?;
        return text
            .parse()
            .map_err(|error| SourceError::Unfit { problem: format!("{error}"), mend: "report it".into() });
    }
    purged(conn).await
}

/// A stored GTID set. One that cannot be read is no empty one: that would stream everything again.
pub fn stored_set(text: &str) -> Result<GtidSet, SourceError> {
    Ok(text.parse()?)
}

/// A server that was reset or made anew can have a file of the same name with something else in it.
async fn check_history(
    conn: &mut Conn,
    server: &ServerInfo,
    stored: &Position,
    ours: &GtidSet,
) -> Result<(), SourceError> {
    if !server.gtid || ours.is_empty() {
        return Ok(());
    }
    let (before, right) = if server.mariadb {
        let there = mariadb_gtids(conn, &stored.file, stored.offset).await?;
        let right = stored_set(&there)? == *ours;
        (there, right)
    } else {
        let there = previous_gtids(conn, &stored.file).await?;
        let right = !is_ahead(&stored_set(&there)?, ours);
        (there, right)
    };
    if right {
        return Ok(());
    }
    let place = format!("{}:{}", stored.file, stored.offset);
    Err(SourceError::OtherHistory { place, there: before, ours: ours.to_string() })
}

/// How the dump is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenBy {
    /// File and offset: the server is the one that they belong to.
    File,
    /// GTID: another server, or an offset that the dump command cannot carry.
    Gtid,
}

/// Whether `theirs` has newer transactions of a source than `ours`. Older ones may be missing from a set that was read
/// while they committed: the server tells what it has executed a moment later than where its binlog ends.
fn is_ahead(theirs: &GtidSet, ours: &GtidSet) -> bool {
    let (GtidSet::MySql(theirs), GtidSet::MySql(ours)) = (theirs, ours) else { return true };
    let end = |intervals: &Intervals| intervals.iter().map(|(_, end)| end).max().unwrap_or(0);
    theirs.iter().any(|(source, intervals)| end(intervals) > ours.get(source).map_or(0, end))
}

/// Names prepared XA transactions whose rows are purged: their commit would stop the shard, long after the cause.
fn warn_of_lost(stored: &Position, server: &ServerInfo, files: &[(String, u64)]) {
    let here = stored.prepared.iter().filter(|prepared| prepared.server == server.id);
    for prepared in here.filter(|prepared| files.iter().all(|(file, _)| *file != prepared.file)) {
        tracing::warn!(
            transaction = prepared.name,
            file = prepared.file,
            "the binlog with the rows of this prepared XA transaction is purged: its commit will stop the shard; \
             keep binlogs for longer than transactions stay prepared"
        );
    }
}

/// Decides how a stored position is opened on `server`, and refuses what cannot be resumed.
pub async fn check_position(
    conn: &mut Conn,
    server: &ServerInfo,
    stored: &Position,
) -> Result<OpenBy, SourceError> {
    let place = format!("{}:{}", stored.file, stored.offset);
    let lost = |detail: String| SourceError::PositionLost { place: place.clone(), detail };
    let ours = stored_set(&stored.gtid_set)?;
    if server.gtid && !ours.is_empty() {
        let now = head(conn, server).await?;
        let waits = stored.server != server.id && replicates(conn, server).await;
        let said = || (ours.to_string(), now.gtids.to_string());
        match (judge(&ours, &now.gtids, waits), said()) {
            (Standing::Complete, _) => {}
            (Standing::Behind, (ours, theirs)) => return Err(SourceError::Behind { ours, theirs }),
            (Standing::Diverged, (ours, theirs)) => return Err(SourceError::Diverged { ours, theirs }),
        }
    }
    let same_server = stored.server == server.id && !stored.file.is_empty();
    if same_server && stored.offset < 1 << 32 {
        let files = files(conn).await?;
        warn_of_lost(stored, server, &files);
        return match files.iter().find(|(name, _)| *name == stored.file) {
            Some((_, size)) if stored.offset <= *size => {
                check_history(conn, server, stored, &ours).await?;
                Ok(OpenBy::File)
            }
            Some((_, size)) => Err(lost(format!("the file has only {size} bytes"))),
            None => Err(lost("the file is purged".into())),
        };
    }
    if ours.is_empty() {
        return Err(lost(format!("it belongs to server {} and has no GTIDs", stored.server)));
    }
    if !server.mariadb && !ours.contains(&purged(conn).await?) {
        return Err(lost("transactions that we lack are purged".into()));
    }
    Ok(OpenBy::Gtid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_another_one_only_by_newer_transactions() {
        let set = |numbers: &str| format!("3e11fa47-71ca-11e1-9e33-c80aa9429562:{numbers}").parse().unwrap();
        assert!(is_ahead(&set("1-500"), &set("1-100")));
        assert!(!is_ahead(&set("1-100"), &set("1-99:101-120")));
        assert!(!is_ahead(&set("1-100"), &set("1-100")));
        assert!(!is_ahead(&GtidSet::default(), &set("1-100")));
        assert!(is_ahead(&set("1"), &GtidSet::default()));
    }
}
