//! Where a rewind leads: the place that was asked for, if reading can begin there and leaves nothing out.

use maxwell_protocol::position::{Position, Prepared};
use maxwell_protocol::settings::{MySql, Start, StartFrom};
use mysql_async::Conn;

use super::SourceError;
use super::preflight::{ServerInfo, files};
use super::scan::SideDump;
use super::start::{
    FIRST_EVENT, OpenBy, check_position, first_position, gtids_at, gtids_before, position, stored_set,
};
use crate::binlog::place::Place;

/// Where it leads.
pub enum Way {
    /// To this place.
    Back(Position),
    /// Nowhere, for this reason.
    Refused(String),
}

/// Finds the place that `start` names for a shard at `last`; of a file and offset, `of` says which server they belong to.
/// Fails only on what can heal.
pub async fn way_back(
    conn: &mut Conn,
    server: &ServerInfo,
    mysql: &MySql,
    (start, of): (&Start, Option<&str>),
    last: &Position,
) -> Result<Way, SourceError> {
    if let Some(other) = of.filter(|of| start.from == StartFrom::Position && *of != server.id) {
        return Ok(Way::Refused(format!("the position is of server {other}, and {} is read", server.id)));
    }
    let mut found = match find(conn, server, MySql { start: start.clone(), ..mysql.clone() }).await {
        Ok(found) => found,
        Err(error) if heals(&error) => return Err(error),
        Err(error) => return Ok(Way::Refused(error.to_string())),
    };
    if !found.comes_before(last) {
        return Ok(Way::Refused(format!(
            "{} is not known to come before the shard's position, {}: changes could be left out",
            words(&found),
            words(last)
        )));
    }
    let known = last.prepared.iter().filter(|prepared| was_before(prepared, &found));
    found.prepared = known.cloned().collect();
    Ok(Way::Back(found))
}

async fn find(conn: &mut Conn, server: &ServerInfo, settings: MySql) -> Result<Position, SourceError> {
    let found = match settings.start.from {
        StartFrom::Position => transaction_at(conn, server, &settings).await?,
        _ => first_position(conn, server, &settings).await?,
    };
    check_position(conn, server, &found).await?;
    if server.mariadb && found.file.is_empty() {
        // MariaDB says only when the dump is opened that it has purged what follows.
        let oldest = files(conn).await?.into_iter().next().map(|(file, _)| file).unwrap_or_default();
        if !stored_set(&found.gtid_set)?.contains(&gtids_before(conn, server, &oldest).await?) {
            let detail = "transactions behind it are purged".into();
            return Err(SourceError::PositionLost { place: words(&found), detail });
        }
    }
    Ok(found)
}

/// Reading begins at the start of a transaction only, or its rows could not be told from those of others.
async fn transaction_at(
    conn: &mut Conn,
    server: &ServerInfo,
    settings: &MySql,
) -> Result<Position, SourceError> {
    let file = settings.start.file.clone().unwrap_or_default();
    let offset = settings.start.offset.unwrap_or(FIRST_EVENT).max(FIRST_EVENT);
    let lost = |detail| SourceError::PositionLost { place: format!("{file}:{offset}"), detail };
    match files(conn).await?.iter().find(|(name, _)| *name == file) {
        None => return Err(lost("the server has no such file: it is purged, or another server's".into())),
        Some((_, size)) if offset > *size => return Err(lost(format!("the file has only {size} bytes"))),
        Some(_) => {}
    }
    let before = gtids_at(conn, server, settings, &file, FIRST_EVENT).await?;
    let side = SideDump { settings: settings.clone(), server: server.clone(), by: OpenBy::File };
    let wanted = Place { file: file.clone(), offset };
    let (gtids, offset) = match side.transaction_at(&wanted, before.clone()).await? {
        Some((place, gtids)) if server.gtid => (gtids, place.offset),
        Some((place, _)) => (before, place.offset),
        None => (before, FIRST_EVENT),
    };
    Ok(position(server, &gtids, file, offset))
}

/// Whether the source may answer otherwise the next time.
fn heals(error: &SourceError) -> bool {
    matches!(
        error,
        SourceError::Connect { .. }
            | SourceError::Silent(_)
            | SourceError::Failed { .. }
            | SourceError::Credentials { .. }
            | SourceError::Denied { .. }
            | SourceError::Ended
    )
}

/// Whether a transaction was prepared before a place: its rows are not met again behind it.
fn was_before(prepared: &Prepared, place: &Position) -> bool {
    if place.file.is_empty() {
        let sets = (stored_set(&prepared.gtid), stored_set(&place.gtid_set));
        return matches!(sets, (Ok(gtid), Ok(set)) if !gtid.is_empty() && set.contains(&gtid));
    }
    let at = |file: &str, offset| Place { file: file.to_owned(), offset };
    prepared.server == place.server
        && !at(&prepared.file, prepared.offset).has_reached(&at(&place.file, place.offset))
}

fn words(position: &Position) -> String {
    match (position.file.is_empty(), position.gtid_set.is_empty()) {
        (true, _) => format!("GTID set {}", position.gtid_set),
        (false, true) => format!("{}:{}", position.file, position.offset),
        (false, false) => format!("{}:{} ({})", position.file, position.offset, position.gtid_set),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_prepared_behind_the_place_is_met_again() {
        let prepared = |file: &str, offset| Prepared {
            name: "x".into(),
            server: "a".into(),
            file: file.into(),
            offset,
            gtid: "3e11fa47-71ca-11e1-9e33-c80aa9429562:7".into(),
            gtid_set: String::new(),
        };
        let place = |file: &str, set: &str| Position {
            server: "a".into(),
            file: file.into(),
            offset: 500,
            gtid_set: format!("3e11fa47-71ca-11e1-9e33-c80aa9429562:{set}"),
            ..Position::default()
        };
        assert!(was_before(&prepared("b.000001", 400), &place("b.000001", "1-9")));
        assert!(!was_before(&prepared("b.000001", 500), &place("b.000001", "1-9")));
        assert!(!was_before(&prepared("b.000002", 4), &place("b.000001", "1-9")));
        assert!(was_before(&prepared("b.000002", 4), &place("", "1-9")));
        assert!(!was_before(&prepared("b.000001", 4), &place("", "1-6")));
    }
}
