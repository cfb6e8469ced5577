//! What the server is, and whether its binlog can be read: each check names the statement that mends it.

use maxwell_protocol::gtid::GtidSet;
use maxwell_protocol::settings::{Flavor, GtidUse, MySql};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::SourceError;

/// What matters of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// Its identity in positions.
    pub id: String,
    /// Which dialect.
    pub mariadb: bool,
    /// Major, minor, patch.
    pub version: (u16, u16, u16),
    /// Whether positions carry GTIDs.
    pub gtid: bool,
}

/// The server's head: where the next event will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Binlog file.
    pub file: String,
    /// Offset.
    pub offset: u64,
    /// Everything executed; empty without GTIDs.
    pub gtids: GtidSet,
}

pub(super) async fn variable(conn: &mut Conn, name: &str) -> Result<Option<String>, SourceError> {
    let query = format!("SHOW GLOBAL VARIABLES LIKE '{name}'");
    let row: Option<(String, String)> = conn
        .query_first(query)
        .await
        .map_err(|error| SourceError::failed("read the server's variables", "", error))?;
    Ok(row.map(|(_, value)| value))
}

fn unfit(problem: String, mend: &str) -> SourceError {
    SourceError::Unfit { problem, mend: mend.into() }
}

/// Asks and checks everything.
pub async fn inspect(conn: &mut Conn, settings: &MySql) -> Result<ServerInfo, SourceError> {
    let version_text = variable(conn, "version").await?.unwrap_or_default();
    let mariadb = match settings.flavor {
        Flavor::Auto => version_text.to_lowercase().contains("mariadb"),
        Flavor::MySQL => false,
        Flavor::MariaDB => true,
    };
    if variable(conn, "log_bin").await?.as_deref() != Some("ON") {
        return Err(unfit("the server writes no binlog (log_bin=OFF)".into(), "start it with --log-bin"));
    }
    let format = variable(conn, "binlog_format").await?;
    if let Some(format) = format.filter(|format| format != "ROW") {
        return Err(unfit(format!("binlog_format is {format}"), "SET GLOBAL binlog_format=ROW"));
    }
    let server_id = variable(conn, "server_id").await?.unwrap_or_default();
    if server_id == "0" {
        return Err(unfit("server_id is 0".into(), "SET GLOBAL server_id=1 (any number of its own)"));
    }
    let gtid_on = mariadb || variable(conn, "gtid_mode").await?.as_deref() == Some("ON");
    if settings.gtid == GtidUse::On && !gtid_on {
        return Err(unfit(
            "mysql.gtid is On but the server has gtid_mode off".into(),
            "turn gtid_mode and enforce_gtid_consistency ON, or set mysql.gtid to Auto",
        ));
    }
    let id = match variable(conn, "server_uuid").await? {
        Some(uuid) if !mariadb => uuid,
        _ => format!("mariadb-{server_id}"),
    };
    let gtid = gtid_on && settings.gtid != GtidUse::Off;
    Ok(ServerInfo { id, mariadb, version: version(&version_text), gtid })
}

fn version(text: &str) -> (u16, u16, u16) {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next())
}

/// Where the server is now.
pub async fn head(conn: &mut Conn, server: &ServerInfo) -> Result<Head, SourceError> {
    let failed = |error| SourceError::failed("ask for the head of the binlog", "", error);
    let modern = !server.mariadb && server.version >= (8, 2, 0);
    let query = if modern { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" };
    let row: Option<mysql_async::Row> = conn.query_first(query).await.map_err(failed)?;
    let Some(row) = row else {
        return Err(unfit("the server has no binlog".into(), "start it with --log-bin"));
    };
    let file: String = row.get(0).unwrap_or_default();
    let offset: u64 = row.get(1).unwrap_or_default();
    let gtids = if !server.gtid {
        String::new()
    } else if server.mariadb {
        mariadb_gtids(conn, &file, offset).await?
    } else {
        row.get(4).unwrap_or_default()
    };
    let gtids = gtids.parse().map_err(|error| unfit(format!("{error}"), "report it"))?;
    Ok(Head { file, offset, gtids })
}

/// MariaDB's GTID position at a place in the binlog.
pub async fn mariadb_gtids(conn: &mut Conn, file: &str, offset: u64) -> Result<String, SourceError> {
    let found: Option<Option<String>> = conn
        .exec_first("SELECT BINLOG_GTID_POS(?, ?)", (file, offset))
        .await
        .map_err(|error| SourceError::failed("ask for the GTID position", file, error))?;
    Ok(found.flatten().unwrap_or_default())
}

/// `ER_ERROR_WHEN_EXECUTING_COMMAND`: what `SHOW BINLOG EVENTS` answers for a file that is not there.
const NO_SUCH_FILE: u16 = 1220;

/// What a MySQL binlog file says was executed before it.
pub async fn previous_gtids(conn: &mut Conn, file: &str) -> Result<String, SourceError> {
    let events: Vec<mysql_async::Row> = conn
        .query(format!("SHOW BINLOG EVENTS IN '{}' LIMIT 4", file.replace('\'', "''")))
        .await
        .map_err(|error| match &error {
            mysql_async::Error::Server(refused) if refused.code == NO_SUCH_FILE => {
                SourceError::PositionLost { place: file.to_owned(), detail: refused.message.clone() }
            }
            _ => SourceError::failed("read the beginning of a binlog file", file, error),
        })?;
    let text = |row: &mysql_async::Row, column| row.get::<String, usize>(column).unwrap_or_default();
    let found = events.iter().find(|row| text(row, 2) == "Previous_gtids").map(|row| text(row, 5));
    Ok(found.unwrap_or_default().replace('\n', ""))
}

/// The binlog files that the server still has, oldest first, with their sizes.
pub async fn files(conn: &mut Conn) -> Result<Vec<(String, u64)>, SourceError> {
    let rows: Vec<mysql_async::Row> = conn
        .query("SHOW BINARY LOGS")
        .await
        .map_err(|error| SourceError::failed("list the binlog files", "", error))?;
    Ok(rows.iter().map(|row| (row.get(0).unwrap_or_default(), row.get(1).unwrap_or_default())).collect())
}

/// MySQL's purged GTIDs: what the oldest file no longer holds.
pub async fn purged(conn: &mut Conn) -> Result<GtidSet, SourceError> {
    let text = variable(conn, "gtid_purged").await?.unwrap_or_default();
    text.parse().map_err(|error| unfit(format!("{error}"), "report it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version("8.0.15"), (8, 0, 15));
        assert_eq!(version("10.11.6-MariaDB-0+deb12u1-log"), (10, 11, 6));
        assert_eq!(version(""), (0, 0, 0));
    }
}
